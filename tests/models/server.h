/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server: one model behind HTTP/1.1 on loopback, requests one after the other, as a small inference
 * server does. Carries bodies and answers; what a model is and how it is loaded is the model's
 * business.
 *
 *   POST /         body -> 200 and the text; 400 when the body cannot be read, 413 when it is too
 * large GET  /health   200 "ok"; the server listens only once the model is loaded
 */
#ifndef TESTS_MODELS_SERVER_H
#define TESTS_MODELS_SERVER_H

#include <stddef.h>

#define BODY_LIMIT_BYTES (1024 * 1024) /* chosen: a hundred times a demo request */
#define TEXT_LIMIT_BYTES 4096

struct served_model {
	const char *name;  /* for messages */
	const char *usage; /* what follows PORT on the command line, "" for nothing */

	/* Loads, once, before the first request; the arguments after PORT. NULL after saying why.
	 */
	void *(*open)(int argc, char **argv);

	/*
	 * Text for one body, NUL-terminated. 0; -EINVAL: the body is not what the model reads;
	 * another negative errno: the model failed. Called from one thread only.
	 */
	int (*answer)(void *state, const void *body, size_t size, char ret_text[TEXT_LIMIT_BYTES]);

	void (*close)(void *state);
};

/*
 * A model's main(): opens it, listens on 127.0.0.1:PORT, keeps all its memory resident, tells
 * systemd that it is ready, serves until SIGTERM or SIGINT. Returns the exit status.
 */
int server_run(const struct served_model *model, int argc, char **argv);

#endif
