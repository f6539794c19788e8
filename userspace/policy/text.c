/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Characters: what may be in a manifest before anybody asks what it means, and how foreign text is
 * shown without letting it write to the reader's terminal. The grammar is tree.c's.
 */
#include "text.h"

#include "source.h"

#define MAX_QUOTED 60 /* chosen: one terminal line with the message around it */
#define MAX_WORD   63 /* longest word text_distance() compares; no key is half as long */

/*
 * More '&' than this are refused unread: libfyaml 0.7.12 looks every anchor up in a list (40 000
 * anchors in 256 KiB took 4 s), and a manifest needs none.
 */
#define MAX_AMPERSANDS 1000

size_t utf8_decode(const char *text, size_t length, uint32_t *ret_character)
{
	const unsigned char *s = (const unsigned char *)text;
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t size = s[0] < 0x80 ? 1 : s[0] < 0xc0 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	if (size == 1) {
		*ret_character = s[0];
		return 1;
	}
	if (size == 0 || s[0] > 0xf4 || size > length)
		return 0;
	uint32_t c = s[0] & (0x7fu >> size);

	for (size_t i = 1; i < size; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < smallest[size] || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
		return 0;
	*ret_character = c;
	return size;
}

bool character_is_hidden(uint32_t c)
{
	if (c >= 0x20 && c < 0x7f)
		return false;
	return c < 0xa0 || c == 0xad ||                   /* C0, DEL, C1; soft hyphen */
	       c == 0x34f || c == 0x61c || c == 0x180e || /* joiner, direction mark, separator */
	       c == 0x115f || c == 0x1160 || c == 0x3164 || c == 0xffa0 || /* letters not drawn */
	       (c >= 0x200b && c <= 0x200f) || /* zero width, direction marks */
	       (c >= 0x2028 && c <= 0x202e) || /* line separators, direction overrides */
	       (c >= 0x2060 && c <= 0x2069) || /* word joiner, direction isolates */
	       c == 0xfeff || (c >= 0xfff9 && c <= 0xffff && c != 0xfffc && c != 0xfffd) ||
	       (c >= 0xe0000 && c < 0xe0080); /* tags */
}

bool text_is_hidden(const char *text, size_t length)
{
	for (size_t at = 0, size; at < length; at += size) {
		uint32_t c;

		size = utf8_decode(text + at, length - at, &c);
		if (size == 0 || character_is_hidden(c))
			return true;
	}
	return false;
}

/* ---- what a manifest may not contain ------------------------------------------------------- */

enum flaw {
	FLAW_NUL,
	FLAW_TAB,
	FLAW_CR,
	FLAW_UTF8,
	FLAW_MARK,
	FLAW_HIDDEN,
	FLAW_DIRECTIVE,
	N_FLAWS
};

struct scan {
	struct source *source;
	bool seen[N_FLAWS];
	bool is_binary; /* holds a NUL, and what else is in it is noise */
	int line, column;
	unsigned int n_ampersands;
};

static void flaw_report(struct scan *at, enum flaw flaw, uint32_t character)
{
	struct source *s = at->source;

	if (at->seen[flaw] || (at->is_binary && flaw != FLAW_NUL))
		return;
	at->seen[flaw] = true;
	switch (flaw) {
	case FLAW_NUL:
		source_error(s, at->line, at->column, 1,
			     "NUL byte: this is not a text file; write a manifest");
		break;
	case FLAW_TAB:
		source_error(s, at->line, at->column, 1, "tab character; indent with spaces");
		break;
	case FLAW_CR:
		source_error(s, at->line, at->column, 1,
			     "carriage return: the file has Windows line ends; convert it, for "
			     "example with sed -i 's/\\r$//'");
		break;
	case FLAW_UTF8:
		source_error(s, at->line, at->column, 1,
			     "byte 0x%02x is not UTF-8; save the file as UTF-8", character);
		break;
	case FLAW_MARK:
		source_error(s, at->line, at->column, 1,
			     "byte order mark; save the file as UTF-8 without BOM");
		break;
	case FLAW_HIDDEN:
		source_error(s, at->line, at->column, 1,
			     "invisible character U+%04X; remove it, also from comments",
			     character);
		break;
	case FLAW_DIRECTIVE:
		source_error(s, at->line, at->column, 1,
			     "YAML directives are not allowed; remove this line");
		break;
	case N_FLAWS:
		break;
	}
}

/* Judges the character at s and returns how many bytes it takes. */
static size_t character_check(struct scan *at, const char *s, size_t left)
{
	uint32_t c;

	if (*s > '&' && *s < 0x7f) { /* nearly all of them */
		at->column++;
		return 1;
	}
	size_t size = utf8_decode(s, left, &c);

	at->column++;
	if (size == 0)
		flaw_report(at, FLAW_UTF8, (unsigned char)*s);
	else if (c == '\n')
		at->line++, at->column = 0;
	else if (c == '&')
		at->n_ampersands++;
	else if (c == '%' && at->column == 1)
		flaw_report(at, FLAW_DIRECTIVE, c);
	else if (c == 0)
		flaw_report(at, FLAW_NUL, c);
	else if (c == '\t')
		flaw_report(at, FLAW_TAB, c);
	else if (c == '\r')
		flaw_report(at, FLAW_CR, c);
	else if (c == 0xfeff)
		flaw_report(at, FLAW_MARK, c);
	else if (character_is_hidden(c))
		flaw_report(at, FLAW_HIDDEN, c);
	return MAX(size, (size_t)1);
}

int text_check(struct source *s)
{
	struct scan at = { .source = s, .line = 1 };
	unsigned int before = s->n_errors;

	if (s->length == 0)
		source_error(s, 0, 0, 0,
			     "the file is empty; a manifest starts with apiVersion: modelgov/v1");
	at.is_binary = memchr(s->text, 0, s->length) != NULL;
	for (size_t i = 0; i < s->length && !at.seen[FLAW_NUL];)
		i += character_check(&at, s->text + i, s->length - i);
	if (at.n_ampersands > MAX_AMPERSANDS)
		source_error(s, 0, 0, 0,
			     "the file has %u '&' characters; YAML anchors are not allowed",
			     at.n_ampersands);
	return s->n_errors == before ? 0 : -EINVAL;
}

/* ---- showing ------------------------------------------------------------------------------- */

const char *text_quote(struct arena *arena, const char *text)
{
	char buf[MAX_QUOTED * 8 + 8], *to = buf;
	size_t left = strlen(text), size;
	unsigned int n = 0;

	*to++ = '\'';
	for (; left > 0 && n < MAX_QUOTED; n++, text += size, left -= size) {
		uint32_t c;

		size = utf8_decode(text, left, &c);
		if (size > 0 && !character_is_hidden(c)) {
			memcpy(to, text, size);
			to += size;
			continue;
		}
		if (size > 1)
			to += snprintf(to, 8, "\\u%04x", c);
		else
			to += snprintf(to, 8, "\\x%02x", (unsigned char)*text);
		size = MAX(size, (size_t)1);
	}
	(void)stpcpy(to, left > 0 ? "...'" : "'");
	const char *kept = arena_strdup(arena, buf);

	return kept ? kept : "'?'";
}

unsigned int text_distance(const char *a, const char *b)
{
	/* three rows of the table of distances between the beginnings of a and b */
	unsigned int rows[3][MAX_WORD + 1];
	size_t n = strnlen(a, MAX_WORD), m = strnlen(b, MAX_WORD);

	for (size_t j = 0; j <= m; j++)
		rows[0][j] = (unsigned int)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned int *now = rows[i % 3], *up = rows[(i + 2) % 3],
			     *upper = rows[(i + 1) % 3];

		now[0] = (unsigned int)i;
		for (size_t j = 1; j <= m; j++) {
			unsigned int changed = up[j - 1] + (a[i - 1] != b[j - 1]);
			unsigned int moved = MIN(up[j], now[j - 1]) + 1;

			now[j] = MIN(changed, moved);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = MIN(now[j], upper[j - 2] + 1);
		}
	}
	return rows[n % 3][m];
}
