/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tesseract through its C interface: LSTM only, one word a picture, one thread.
 */
#include "reader.h"

#include <errno.h>
#include <leptonica/allheaders.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tesseract/capi.h>

#define PICTURE_PPI 150 /* chosen: spares Tesseract guessing it, and a warning a request */

struct reader {
	TessBaseAPI *tesseract;
};

struct reader *reader_new(void)
{
	const char *limit = getenv("OMP_THREAD_LIMIT");
	struct reader *r;

	/* libgomp reads it when it is loaded: too late to set it from here. */
	if (!limit || strcmp(limit, "1") != 0) {
		fprintf(stderr, "reader: set OMP_THREAD_LIMIT=1: Tesseract's own threads "
				"wait for each other by spinning\n");
		return NULL;
	}
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	r->tesseract = TessBaseAPICreate();
	if (TessBaseAPIInit2(r->tesseract, NULL, "eng", OEM_LSTM_ONLY) != 0) {
		fprintf(stderr,
			"reader: cannot load Tesseract's model eng; install tesseract-ocr-eng\n");
		reader_free(r);
		return NULL;
	}
	TessBaseAPISetPageSegMode(r->tesseract, PSM_SINGLE_WORD);
	return r;
}

void reader_free(struct reader *r)
{
	if (!r)
		return;
	TessBaseAPIEnd(r->tesseract);
	TessBaseAPIDelete(r->tesseract);
	free(r);
}

static int copy_line(const char *text, char *ret_text, size_t text_size)
{
	size_t length = strcspn(text, "\n");

	if (length >= text_size)
		return -ENOSPC;
	memcpy(ret_text, text, length);
	ret_text[length] = '\0';
	return 0;
}

int reader_read(struct reader *r, const void *png, size_t size, char *ret_text, size_t text_size)
{
	PIX *picture = pixReadMem(png, size);
	char *text;
	int result;

	if (!picture)
		return -EINVAL;
	TessBaseAPISetImage2(r->tesseract, picture);
	TessBaseAPISetSourceResolution(r->tesseract, PICTURE_PPI);
	text = TessBaseAPIGetUTF8Text(r->tesseract);
	result = text ? copy_line(text, ret_text, text_size) : -EIO;
	TessDeleteText(text);
	/* What was learned from this word must not change how long the next one takes. */
	TessBaseAPIClearAdaptiveClassifier(r->tesseract);
	TessBaseAPIClear(r->tesseract);
	pixDestroy(&picture);
	return result;
}
