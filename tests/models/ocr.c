/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ocr: the demo's critical model: POST a PNG of one word, get the word. Only joins the two:
 * reader.c reads, server.c serves.
 */
#include "reader.h"
#include "server.h"

#include <stdio.h>

static void *ocr_open(int argc, char **argv)
{
	(void)argv;
	if (argc > 0) {
		fprintf(stderr, "ocr: takes no arguments after PORT\n");
		return NULL;
	}
	return reader_new();
}

static int ocr_answer(void *state, const void *body, size_t size, char ret_text[TEXT_LIMIT_BYTES])
{
	return reader_read(state, body, size, ret_text, TEXT_LIMIT_BYTES);
}

static void ocr_close(void *state)
{
	reader_free(state);
}

int main(int argc, char **argv)
{
	static const struct served_model ocr = {
		.name = "ocr",
		.usage = "",
		.open = ocr_open,
		.answer = ocr_answer,
		.close = ocr_close,
	};

	return server_run(&ocr, argc, argv);
}
