/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Characters: strict UTF-8, what a manifest may not contain, how to show text that somebody else
 * wrote, and how near two words are. Knows nothing of YAML.
 */
#ifndef MODELGOV_POLICY_TEXT_H
#define MODELGOV_POLICY_TEXT_H

#include "base.h"

struct source;

/*
 * Decodes the character at text, of which length bytes (at least one) are left. Returns its size in
 * bytes, or 0 when it is not UTF-8 (overlong forms and surrogates are not).
 */
size_t utf8_decode(const char *text, size_t length, uint32_t *ret_character);

/* Controls, and the invisible characters that make text look different from what it says. */
bool character_is_hidden(uint32_t character);

/*
 * Refuses what is not plain text with spaces and newlines: nothing at all, NUL and other controls,
 * a byte order mark, CR, tabs, broken UTF-8, directives. 0, or -EINVAL with one finding for each
 * kind.
 */
int text_check(struct source *s);

/* True when the decoded value holds hidden characters or is not UTF-8. */
bool text_is_hidden(const char *text, size_t length);

/* 'text' in quotes for a message: escaped, cut after 60 characters. Never NULL. */
const char *text_quote(struct arena *arena, const char *text);

/* Insertions, deletions, replacements and swaps of neighbours that turn a into b; words to 63
 * bytes. */
unsigned int text_distance(const char *a, const char *b);

#endif
