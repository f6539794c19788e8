/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of input files, read once so that no disk is touched while something is measured.
 */
#include "inputs.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int read_whole(const char *path, char **ret_body, size_t *ret_size)
{
	FILE *file = fopen(path, "re");
	struct stat st;
	char *body;
	int r = 0;

	if (!file)
		return -errno;
	if (fstat(fileno(file), &st) < 0 || st.st_size == 0) {
		fclose(file);
		return -ENODATA;
	}
	body = malloc((size_t)st.st_size);
	if (!body)
		r = -ENOMEM;
	else if (fread(body, 1, (size_t)st.st_size, file) != (size_t)st.st_size)
		r = -EIO;
	fclose(file);
	if (r < 0) {
		free(body);
		return r;
	}
	*ret_body = body;
	*ret_size = (size_t)st.st_size;
	return 0;
}

static int input_read(struct input *in, const char *folder, char *line)
{
	char *answer = strchr(line, '\t');
	char *path;
	int r;

	line[strcspn(line, "\n")] = '\0';
	if (!answer)
		return -EINVAL;
	*answer++ = '\0';
	if (asprintf(&path, "%s/%s", folder, line) < 0)
		return -ENOMEM;
	r = read_whole(path, &in->body, &in->size);
	free(path);
	if (r < 0)
		return r;
	in->answer = strdup(answer);
	return in->answer ? 0 : -ENOMEM;
}

static int inputs_read(struct inputs *in, const char *folder, FILE *list)
{
	char *line = NULL;
	size_t room = 0;
	int r = 0;

	while (r == 0 && getline(&line, &room, list) > 0) {
		r = in->n < MAX_INPUTS ? input_read(&in->all[in->n], folder, line) : -E2BIG;
		in->n++;
	}
	free(line);
	return r < 0 ? r : in->n > 0 ? 0 : -ENODATA;
}

struct inputs *inputs_new(const char *list)
{
	struct inputs *in = calloc(1, sizeof(*in));
	char *copy = strdup(list);
	FILE *file = fopen(list, "re");
	int r = !in || !copy ? -ENOMEM : !file ? -errno : inputs_read(in, dirname(copy), file);

	if (file)
		fclose(file);
	free(copy);
	if (r < 0) {
		fprintf(stderr, "inputs: cannot read %s or a file it names: %s\n", list,
			strerror(-r));
		inputs_free(in);
		return NULL;
	}
	return in;
}

void inputs_free(struct inputs *in)
{
	if (!in)
		return;
	for (unsigned int i = 0; i < MAX_INPUTS; i++) {
		free(in->all[i].answer);
		free(in->all[i].body);
	}
	free(in);
}
