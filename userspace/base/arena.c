/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory with one lifetime: blocks that are filled from the front and emptied all at once. A steady
 * user settles on one block that is large enough and never calls malloc again.
 */
#include "base.h"

#include <stdalign.h>

/* chosen: holds the tick of a dozen models; a larger tick grows its own block once */
#define BLOCK_BYTES (64 * 1024)

struct arena_block {
	struct arena_block *next;
	size_t used, size;
	alignas(max_align_t) unsigned char bytes[];
};

void arena_init(struct arena *a)
{
	a->blocks = NULL;
}

static void blocks_free(struct arena_block *b)
{
	while (b) {
		struct arena_block *next = b->next;

		free(b);
		b = next;
	}
}

void arena_fini(struct arena *a)
{
	blocks_free(a->blocks);
	a->blocks = NULL;
}

static struct arena_block *block_new(size_t size, struct arena_block *next)
{
	struct arena_block *b = malloc(sizeof(*b) + size);

	if (b)
		*b = (struct arena_block){ .next = next, .size = size };
	return b;
}

/* Several blocks become one of their joint size, so that the next round fits without a chain. */
void arena_reset(struct arena *a)
{
	size_t total = 0;

	for (struct arena_block *b = a->blocks; b; b = b->next)
		total += b->size;
	if (a->blocks && a->blocks->next) {
		struct arena_block *joined = block_new(total, NULL);

		if (joined) {
			blocks_free(a->blocks);
			a->blocks = joined;
		}
	}
	for (struct arena_block *b = a->blocks; b; b = b->next)
		b->used = 0;
}

void *arena_alloc(struct arena *a, size_t size)
{
	size_t need = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	struct arena_block *b = a->blocks;

	if (need < size)
		return NULL;
	if (!b || b->size - b->used < need) {
		b = block_new(MAX(need, (size_t)BLOCK_BYTES), a->blocks);
		if (!b)
			return NULL;
		a->blocks = b;
	}
	void *p = b->bytes + b->used;

	b->used += need;
	return memset(p, 0, size);
}

char *arena_strdup(struct arena *a, const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = arena_alloc(a, size);

	return copy ? memcpy(copy, text, size) : NULL;
}

char *arena_printf(struct arena *a, const char *format, ...)
{
	va_list args, again;
	char *text = NULL;

	va_start(args, format);
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, format, args);

	if (n >= 0)
		text = arena_alloc(a, (size_t)n + 1);
	if (text)
		vsnprintf(text, (size_t)n + 1, format, again);
	va_end(again);
	va_end(args);
	return text;
}
