/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manifests that people write, without the YAML library. Reads what is plain: block groups and
 * lists, { } and [ ] on one line, one-line values without escapes, comments. On anything else it
 * says no, and the library has the last word, and the only word on what is wrong.
 * tests/fuzz/fuzz_tree.c holds it to that: a tree from here is the library's, node by node and
 * place by place.
 */
#ifndef MODELGOV_POLICY_QUICK_H
#define MODELGOV_POLICY_QUICK_H

#include "tree.h"

/*
 * True and t->root, when the text (that text_check() let pass) is plain all through; false, and
 * nothing but memory of the arena is used up. Never makes a finding. t->buffer is twice the text.
 */
bool quick_read(struct tree *t);

#endif
