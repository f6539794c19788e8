/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds error texts where failures happen. Never prints: only programs do.
 */
#include "base.h"

static void text_end(struct err *e, size_t length)
{
	if (length >= sizeof(e->text))
		memcpy(e->text + sizeof(e->text) - 4, "...", 4);
}

static size_t text_format(struct err *e, const char *format, va_list args)
{
	int n = vsnprintf(e->text, sizeof(e->text), format, args);

	text_end(e, n < 0 ? 0 : (size_t)n);
	return strlen(e->text);
}

int err_set(struct err *e, int code, const char *format, ...)
{
	va_list args;

	if (!e)
		return code;
	va_start(args, format);
	size_t at = text_format(e, format, args);
	va_end(args);

	int n = snprintf(e->text + at, sizeof(e->text) - at, ": %s", strerror(-code));
	text_end(e, at + (n < 0 ? 0 : (size_t)n));
	e->code = code;
	return code;
}

int err_say(struct err *e, int code, const char *format, ...)
{
	va_list args;

	if (!e)
		return code;
	va_start(args, format);
	(void)text_format(e, format, args);
	va_end(args);
	e->code = code;
	return code;
}

int err_context(struct err *e, const char *format, ...)
{
	char inner[sizeof(e->text)];
	va_list args;

	if (!e)
		return -EIO;
	memcpy(inner, e->text, sizeof(inner));
	va_start(args, format);
	size_t at = text_format(e, format, args);
	va_end(args);

	int n = snprintf(e->text + at, sizeof(e->text) - at, ": %s", inner);
	text_end(e, at + (n < 0 ? 0 : (size_t)n));
	return e->code;
}
