/* SPDX-License-Identifier: Apache-2.0 */
/*
 * speech: the demo's standard model: POST a WAV (16 kHz, mono, 16 bit) of one spoken word of a
 * grammar, get the word. PocketSphinx with the US English acoustic model of Debian's package; a
 * grammar instead of a language model keeps a request to a few ten milliseconds.
 */
#include "server.h"

#include <endian.h>
#include <errno.h>
#include <pocketsphinx.h>
#include <sphinxbase/err.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLE_RATE_HZ 16000

struct wav_format {
	uint16_t coding, channels;
	uint32_t rate_hz, bytes_per_second;
	uint16_t bytes_per_frame, bits;
};
_Static_assert(sizeof(struct wav_format) == 16, "as in the file");

struct speech {
	ps_decoder_t *decoder;
	int16_t samples[BODY_LIMIT_BYTES /
			sizeof(int16_t)]; /* aligned, as the decoder wants them */
};

static void speech_close(void *state)
{
	struct speech *s = state;

	if (!s)
		return;
	ps_free(s->decoder);
	free(s);
}

static void *speech_open(int argc, char **argv)
{
	cmd_ln_t *config;
	struct speech *s;

	if (argc != 1) {
		fprintf(stderr, "speech: needs the file of a grammar after PORT\n");
		return NULL;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	err_set_logfp(NULL); /* two hundred lines a start, ten a request */
	config = cmd_ln_init(NULL, ps_args(), TRUE, "-hmm", MODELDIR "/en-us/en-us", "-dict",
			     MODELDIR "/en-us/cmudict-en-us.dict", "-jsgf", argv[0], NULL);
	s->decoder = config ? ps_init(config) : NULL;
	cmd_ln_free_r(config); /* the decoder holds its own reference */
	if (!s->decoder) {
		fprintf(stderr,
			"speech: cannot load the model below %s with grammar %s; "
			"install pocketsphinx-en-us\n",
			MODELDIR, argv[0]);
		speech_close(s);
		return NULL;
	}
	return s;
}

static bool is_wanted_format(const unsigned char *chunk, uint32_t size)
{
	struct wav_format format;

	if (size < sizeof(format))
		return false;
	memcpy(&format, chunk, sizeof(format));
	return le16toh(format.coding) == 1 && le16toh(format.channels) == 1 &&
	       le32toh(format.rate_hz) == SAMPLE_RATE_HZ && le16toh(format.bits) == 16;
}

/* The samples inside a RIFF file: chunks of a name, a size and that many bytes, padded to two. */
static int find_samples(const unsigned char *wav, size_t size, const unsigned char **ret_samples,
			size_t *ret_n)
{
	bool has_format = false;
	size_t at = 12;

	if (size < at || memcmp(wav, "RIFF", 4) != 0 || memcmp(wav + 8, "WAVE", 4) != 0)
		return -EINVAL;
	while (size - at >= 8) {
		const unsigned char *chunk = wav + at + 8;
		uint32_t chunk_size;

		memcpy(&chunk_size, wav + at + 4, sizeof(chunk_size));
		chunk_size = le32toh(chunk_size);
		at += 8;
		if (chunk_size > size - at)
			return -EINVAL;
		if (memcmp(wav + at - 8, "fmt ", 4) == 0)
			has_format = is_wanted_format(chunk, chunk_size);
		if (memcmp(wav + at - 8, "data", 4) == 0 && has_format) {
			*ret_samples = chunk;
			*ret_n = chunk_size / sizeof(int16_t);
			return 0;
		}
		at += chunk_size;
		at += at < size && chunk_size % 2;
	}
	return -EINVAL;
}

static int speech_answer(void *state, const void *body, size_t size,
			 char ret_text[TEXT_LIMIT_BYTES])
{
	struct speech *s = state;
	const unsigned char *raw;
	const char *text;
	size_t n;
	int32 score;

	if (find_samples(body, size, &raw, &n) < 0)
		return -EINVAL;
	memcpy(s->samples, raw, n * sizeof(int16_t));

	/* A new stream and a whole utterance: the answer does not depend on what was said before.
	 */
	if (ps_start_stream(s->decoder) < 0 || ps_start_utt(s->decoder) < 0)
		return -EIO;
	if (ps_process_raw(s->decoder, s->samples, n, FALSE, TRUE) < 0 ||
	    ps_end_utt(s->decoder) < 0)
		return -EIO;
	text = ps_get_hyp(s->decoder, &score);
	snprintf(ret_text, TEXT_LIMIT_BYTES, "%s", text ? text : "");
	return 0;
}

int main(int argc, char **argv)
{
	static const struct served_model speech = {
		.name = "speech",
		.usage = "GRAMMAR",
		.open = speech_open,
		.answer = speech_answer,
		.close = speech_close,
	};

	return server_run(&speech, argc, argv);
}
