/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which files are manifests, and whether they may be believed: regular, short, nobody but their
 * owner can write them. Reads bytes; what they say is not judged here.
 */
#ifndef MODELGOV_POLICY_FILES_H
#define MODELGOV_POLICY_FILES_H

#include "policy.h"

struct manifest_file {
	const char *name; /* "ocr.yaml" */
	const char *path; /* directory and name, printable, as findings show it */
	int directory_fd; /* borrowed */
};

/*
 * Opens a directory and checks who may write it. 0, -ENOENT when there is none, -EINVAL with a
 * finding (both leave e alone), another negative errno with e.
 */
int directory_open(const struct policy_source *source, const char *path, struct findings *f,
		   int *ret_fd, struct err *e);

/*
 * The manifests in it, by name; names that look like manifests and are not read get a warning.
 * only: NULL, or the one name that is a manifest here. Lists and strings are in the arena.
 */
int directory_list(int fd, const char *path, const char *only, struct arena *arena,
		   struct findings *f, struct manifest_file **ret_files, unsigned int *ret_n,
		   struct err *e);

/*
 * The whole text, NUL-terminated, to be freed. 0, -EINVAL with a finding, -ENOMEM. An empty file
 * is a text of length 0.
 */
int manifest_slurp(const struct policy_source *source, const struct manifest_file *file,
		   struct findings *f, char **ret_text, size_t *ret_length);

#endif
