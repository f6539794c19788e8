# SPDX-License-Identifier: Apache-2.0
"""Looks at a policy with other tools than modelgov's own, as an auditor would.

digest FILE             prints the SHA-256 of the canonical form made again from what FILE says
schema SCHEMA FILE...   validates manifests against the JSON Schema; prints what is wrong with each
"""

import hashlib
import json
import sys


def canonical(text):
    """docs/policy.md: sorted keys, no blanks, characters as they are, in UTF-8."""
    return json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(path):
    text = open(path, encoding="utf-8", newline="").read()
    again = canonical(text)
    if again != text:
        at = next((i for i, (a, b) in enumerate(zip(text, again)) if a != b), min(len(text), len(again)))
        sys.exit(f"{path}: character {at} is another one in the form made again")
    print(hashlib.sha256(again.encode("utf-8")).hexdigest())


def schema(schema_path, paths):
    import jsonschema
    import yaml

    rules = json.load(open(schema_path, encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(rules)
    for path in paths:
        manifest = yaml.safe_load(open(path, encoding="utf-8"))
        kind = manifest.get("kind", "").lower() if isinstance(manifest, dict) else ""
        part = {"$ref": f"#/$defs/{kind}", "$defs": rules["$defs"]}
        whole = jsonschema.Draft202012Validator(rules).is_valid(manifest)
        wrong = list(jsonschema.Draft202012Validator(part).iter_errors(manifest)) if kind in rules["$defs"] else []
        if whole:
            continue
        for each in wrong:
            print(f"{path}: {'.'.join(map(str, each.absolute_path))}: {each.message}")
        if not wrong:
            print(f"{path}: no kind that there is")


if sys.argv[1] == "digest":
    digest(sys.argv[2])
else:
    schema(sys.argv[2], sys.argv[3:])
