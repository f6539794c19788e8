/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader: Tesseract's LSTM for one line of English, from a picture in memory to text. Used by the
 * ocr server and by the batch job; leaves sockets, files and threads to them.
 */
#ifndef TESTS_MODELS_READER_H
#define TESTS_MODELS_READER_H

#include <stddef.h>

struct reader;

/* Loads the model. One reader per thread. NULL after saying why on stderr. */
struct reader *reader_new(void);
void reader_free(struct reader *r);

/*
 * The word in a PNG, without its line end. 0; -EINVAL: not a picture; -EIO: Tesseract failed;
 * -ENOSPC: the text is longer than text_size.
 */
int reader_read(struct reader *r, const void *png, size_t size, char *ret_text, size_t text_size);

#endif
