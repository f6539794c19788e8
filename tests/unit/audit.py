# SPDX-License-Identifier: Apache-2.0
"""Verifies a journal without modelgov, from what docs/record.md says: audit.py DIRECTORY

Prints "N entries, N generations, head HASH" or what is wrong, and then exits 1.
"""
import hashlib
import json
import sqlite3
import struct
import sys
import zlib


def body_of(unpacked, body):
    return body if unpacked is None else zlib.decompress(body)


def link(previous, seq, wall_ns, run, tick, kind, body):
    kind = kind.encode()
    header = struct.pack(">QQQQI", seq, wall_ns, run, tick, len(kind))
    return hashlib.sha256(previous + header + kind + body).digest()


def main(directory):
    db = sqlite3.connect(f"file:{directory}/journal.db?mode=ro", uri=True)
    anchor, head = db.execute("SELECT seq, hash FROM anchor").fetchone()
    kept, trimmed, n, bodies = hashlib.sha256(), None, 0, {}
    expected = anchor + 1
    for row in db.execute("SELECT seq, wall_ns, run, tick, kind, unpacked, body, hash, previous"
                          " FROM entry ORDER BY seq"):
        seq, wall_ns, run, tick, kind, unpacked, body, stored, previous = row
        body = body_of(unpacked, body)
        before = head if seq > anchor else previous
        if link(before, seq, wall_ns, run, tick, kind, body) != stored:
            return f"entry {seq}: its hash is wrong"
        if seq > anchor:
            if seq != expected:
                return f"entry {expected}: missing"
            expected, head = seq + 1, stored
        else:
            kept.update(stored)
        if kind == "trimmed":
            trimmed = json.loads(body)
        if kind == "generation":
            bodies[seq] = json.loads(body)
        n += 1
    if anchor and (trimmed["to"], trimmed["kept_hash"]) != (anchor, kept.hexdigest()):
        return f"anchor {anchor}: the entries before it are not those that stayed"
    generations = db.execute("SELECT number, entry, digest, document, canonical FROM generation"
                             " ORDER BY number").fetchall()
    for number, entry, digest, document, canonical in generations:
        if hashlib.sha256(canonical.encode()).hexdigest() != digest:
            return f"generation {number}: its canonical bytes are not those of its digest"
        if bodies[entry]["generation"] != json.loads(document):
            return f"generation {number}: its document is not what entry {entry} says"
    print(f"{n} entries, {len(generations)} generations, head {head.hex()}")
    return None


sys.exit(main(sys.argv[1]))
