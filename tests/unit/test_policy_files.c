/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which files are read, and which are refused for what they are rather than for what they say.
 */
#include "policy_home.h"

#include <sys/sysmacros.h>

#define GOOD                                                                                       \
	"apiVersion: modelgov/v1\nkind: Model\nmetadata: { name: ocr, owner: t }\nresources: { "   \
	"class: batch }\n"
#define BIG_BYTES (10 * 1000 * 1000)

static void said_is(struct home *h, const char *expected)
{
	cr_assert_eq(home_load(h), -EINVAL, "should be refused");
	cr_assert_str_eq(h->said, expected, "said\n%s\nexpected\n%s", h->said, expected);
}

static void home_link(struct home *h, const char *target, const char *file)
{
	char path[PATH_MAX];

	home_write(h, "models.d/.keep", "");
	cr_assert_eq(symlink(target, home_path(h, file, path)), 0);
}

static void home_chmod(struct home *h, const char *file, mode_t mode)
{
	char path[PATH_MAX];

	cr_assert_eq(chmod(home_path(h, file, path), mode), 0);
}

Test(policy_files, a_manifest_of_ten_megabytes_is_refused_by_its_length)
{
	_cleanup_home_ struct home h;
	_cleanup_free_ char *big = malloc(BIG_BYTES);

	home_open(&h);
	memset(big, 'x', BIG_BYTES);
	home_write_bytes(&h, "models.d/ocr.yaml", big, BIG_BYTES);

	said_is(&h, "models.d/ocr.yaml: error: the file is 10000000 bytes long; a manifest has at "
		    "most 262144 (256KiB)\n");
}

/* A right manifest of exactly that many bytes. */
static void home_write_filled(struct home *h, size_t length)
{
	_cleanup_free_ char *text = malloc(length + 1);
	size_t at = strlen(GOOD);

	memcpy(text, GOOD, at);
	for (; at < length; at++)
		text[at] = at % 100 == 0 ? '\n' : '#';
	text[length - 1] = '\n';
	home_write_bytes(h, "models.d/ocr.yaml", text, length);
}

Test(policy_files, the_limit_is_256_kib_and_not_a_byte_less)
{
	_cleanup_home_ struct home h;

	home_open(&h);
	home_write_filled(&h, POLICY_FILE_LIMIT_BYTES);
	home_load_right(&h);

	home_write_filled(&h, POLICY_FILE_LIMIT_BYTES + 1);
	said_is(&h,
		"models.d/ocr.yaml: error: the file is 262145 bytes long; a manifest has at most "
		"262144 (256KiB)\n");
}

Test(policy_files, a_dangling_link_is_named_with_its_target)
{
	_cleanup_home_ struct home h;

	home_open(&h);
	home_link(&h, "/nowhere/ocr.yaml", "models.d/ocr.yaml");

	said_is(&h,
		"models.d/ocr.yaml: error: this is a symbolic link to '/nowhere/ocr.yaml', which "
		"does not exist; remove the link or mend it\n");
}

Test(policy_files, a_link_to_itself_is_refused)
{
	_cleanup_home_ struct home h;

	home_open(&h);
	home_link(&h, "ocr.yaml", "models.d/ocr.yaml");

	said_is(&h,
		"models.d/ocr.yaml: error: this is a symbolic link to 'ocr.yaml', which leads in a "
		"circle; remove the link or mend it\n");
}

Test(policy_files, a_link_to_a_manifest_kept_elsewhere_is_read)
{
	_cleanup_home_ struct home h;

	home_open(&h);
	home_write(&h, "managed/ocr-5.yaml", GOOD);
	home_link(&h, "../managed/ocr-5.yaml", "models.d/ocr.yaml");

	cr_assert_eq(home_load_right(&h)->n_models, 1);
}

Test(policy_files, a_link_does_not_lend_trust_to_its_target)
{
	_cleanup_home_ struct home h;

	home_open(&h);
	home_write(&h, "managed/ocr-5.yaml", GOOD);
	home_chmod(&h, "managed/ocr-5.yaml", 0666);
	home_link(&h, "../managed/ocr-5.yaml", "models.d/ocr.yaml");

	said_is(&h,
		"models.d/ocr.yaml: error: this can be written by everybody (mode 0666), who could "
		"change the policy; run chmod go-w models.d/ocr.yaml\n");
}

Test(policy_files, what_others_can_write_is_refused)
{
	_cleanup_home_ struct home h;

	home_open(&h);
	home_write(&h, "models.d/ocr.yaml", GOOD);
	home_chmod(&h, "models.d/ocr.yaml", 0664);

	said_is(&h,
		"models.d/ocr.yaml: error: this can be written by its group (mode 0664), who could "
		"change the policy; run chmod go-w models.d/ocr.yaml\n");
}

Test(policy_files, a_directory_that_others_can_write_is_refused)
{
	_cleanup_home_ struct home h;

	home_open(&h);
	home_write(&h, "models.d/ocr.yaml", GOOD);
	home_chmod(&h, "models.d", 01777);

	said_is(&h,
		"models.d: error: this can be written by everybody (mode 1777), who could change "
		"the policy; run chmod go-w models.d\n");
}

Test(policy_files, what_belongs_to_another_user_is_refused)
{
	_cleanup_home_ struct home h;
	char path[PATH_MAX];

	home_open(&h);
	home_write(&h, "models.d/ocr.yaml", GOOD);
	if (chown(home_path(&h, "models.d/ocr.yaml", path), 65533, 65533) < 0) {
		puts("skip policy_files::what_belongs_to_another_user_is_refused: needs root");
		return;
	}

	said_is(&h,
		"models.d/ocr.yaml: error: this belongs to user 65533, but policy must belong to "
		"root; run chown root models.d/ocr.yaml\n");
}

Test(policy_files, a_check_by_a_user_takes_any_owner_and_group_but_not_everybody)
{
	_cleanup_home_ struct home h;
	char path[PATH_MAX];

	home_open(&h);
	h.source.trusts_any_owner = true;
	home_write(&h, "models.d/ocr.yaml", GOOD);
	home_chmod(&h, "models.d/ocr.yaml", 0664);
	(void)!chown(home_path(&h, "models.d/ocr.yaml", path), 65533, 65533); /* root only */
	home_load_right(&h);

	home_chmod(&h, "models.d/ocr.yaml", 0666);
	cr_assert_eq(home_load(&h), -EINVAL);
}

Test(policy_files, what_is_no_regular_file_is_refused_and_does_not_hang)
{
	_cleanup_home_ struct home h;
	char path[PATH_MAX];

	home_open(&h);
	home_write(&h, "models.d/folder.yaml/x", "");
	cr_assert_eq(mkfifo(home_path(&h, "models.d/pipe.yaml", path), 0644), 0);
	home_link(&h, "/dev/zero", "models.d/zero.yaml");

	said_is(&h,
		"models.d/folder.yaml: error: this is a directory, not a regular file; remove it "
		"or "
		"give it another name\n"
		"models.d/pipe.yaml: error: this is a named pipe, not a regular file; remove it or "
		"give it another name\n"
		"models.d/zero.yaml: error: this is a device, not a regular file; remove it or "
		"give "
		"it another name\n");
}

Test(policy_files, what_editors_and_packages_leave_behind_is_passed_over)
{
	static const char *const names[] = {
		".ocr.yaml.swp",    "ocr.yaml~", "#ocr.yaml#", ".hidden.yaml", "ocr.yaml.dpkg-new",
		"ocr.yaml.rpmsave", "4913",      "README",     "ocr.yaml.bak"
	};
	_cleanup_home_ struct home h;

	home_open(&h);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char file[64];

		snprintf(file, sizeof(file), "models.d/%s", names[i]);
		home_write(&h, file, "not: a manifest\n");
	}
	home_link(&h, "user@host.4711:1700000000", "models.d/.#ocr.yaml"); /* Emacs' lock */
	home_write(&h, "models.d/ocr.yaml", GOOD);

	cr_assert_eq(home_load_right(&h)->n_models, 1);
	cr_assert_str_eq(h.said, "");
}

Test(policy_files, a_name_cannot_write_to_the_terminal)
{
	_cleanup_home_ struct home h;

	home_open(&h);
	home_write(&h, "models.d/\033[2J\n.yaml", "");

	said_is(&h, "models.d/\\x1b[2J\\x0a.yaml: error: the file is empty; a manifest starts with "
		    "apiVersion: modelgov/v1\n");
}

Test(policy_files, a_missing_directory_is_an_error_and_an_empty_one_a_policy)
{
	_cleanup_home_ struct home h;
	char path[PATH_MAX];

	home_open(&h);
	const struct policy *p = home_load_right(&h);

	cr_assert_eq(p->n_models, 0);
	cr_assert_eq(p->host.mode, MODE_OBSERVE, "nothing is enforced that nobody asked for");

	h.source.etc = home_path(&h, "nowhere", path);
	cr_assert_eq(home_load(&h), -ENOENT);
	cr_assert_str_eq(h.e.text, "open policy directory nowhere: No such file or directory");
}

Test(policy_files, etc_hides_a_shipped_manifest_of_the_same_name)
{
	_cleanup_home_ struct home h;
	char etc[PATH_MAX], shipped[PATH_MAX];

	home_open(&h);
	home_write_model(&h, "unused", "  class: batch\n");
	home_write(&h, "etc/models.d/ocr.yaml",
		   "apiVersion: modelgov/v1\nkind: Model\n"
		   "metadata: { name: ocr, owner: operator }\nresources: { class: batch }\n");
	home_write(&h, "etc/modelgov.yaml", "apiVersion: modelgov/v1\nkind: Host\ntick: 2s\n");
	home_write(&h, "usr/models.d/ocr.yaml", "broken, but hidden");
	home_write(&h, "usr/models.d/probe.yaml",
		   "apiVersion: modelgov/v1\nkind: Model\nmetadata: { name: probe }\n"
		   "resources: { class: experiment }\n");
	home_write(&h, "usr/modelgov.yaml", "broken, but hidden");
	h.source.etc = home_path(&h, "etc", etc);
	h.source.shipped = home_path(&h, "usr/", shipped);

	const struct policy *p = home_load_right(&h);

	cr_assert_eq(p->n_models, 2);
	cr_assert_str_eq(p->models[0].owner, "operator");
	cr_assert_str_eq(p->models[1].name, "probe");
	cr_assert_eq(p->host.tick_ns, 2 * NSEC_PER_SEC);

	h.source.shipped = "/nowhere";
	cr_assert_eq(home_load_right(&h)->n_models, 1, "nothing need be shipped");
}

Test(policy_files, more_models_than_are_governed_are_refused_before_they_are_read)
{
	_cleanup_home_ struct home h;

	home_open(&h);
	for (int i = 0; i <= POLICY_MAX_MODELS; i++) {
		char file[64];

		snprintf(file, sizeof(file), "models.d/m%d.yaml", i);
		home_write(&h, file, "");
	}

	said_is(&h, "models.d: error: the directory holds 1025 models; at most 1024 are governed "
		    "on one "
		    "host\n");
}

Test(policy_files, forty_thousand_keys_are_refused_at_once)
{
	_cleanup_home_ struct home h;
	_cleanup_free_ char *text = malloc(POLICY_FILE_LIMIT_BYTES);
	size_t n = 0;

	home_open(&h);
	for (unsigned int i = 0; n + 8 <= POLICY_FILE_LIMIT_BYTES; i++)
		n += (size_t)sprintf(text + n, "%x:\n", i);
	home_write_bytes(&h, "models.d/ocr.yaml", text, n);

	uint64_t began = clock_monotonic_ns();

	said_is(&h, "models.d/ocr.yaml: error: the file holds more than 4000 keys and values; a "
		    "manifest has a few dozen\n");
	/* milliseconds natively; the library's own check for duplicates takes minutes */
	cr_assert_lt(clock_monotonic_ns() - began, 30 * NSEC_PER_SEC);
}

Test(policy_files, forty_thousand_anchors_are_refused_unread)
{
	_cleanup_home_ struct home h;
	_cleanup_free_ char *text = malloc(POLICY_FILE_LIMIT_BYTES);
	size_t n = 0;

	home_open(&h);
	for (int i = 0; i < 40000; i++)
		n += (size_t)sprintf(text + n, "- &a\n");
	home_write_bytes(&h, "models.d/ocr.yaml", text, n);

	said_is(&h,
		"models.d/ocr.yaml: error: the file has 40000 '&' characters; YAML anchors are not "
		"allowed\n");
}
