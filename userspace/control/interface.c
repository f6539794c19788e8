/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the signatures of the method table: once to check a caller's parameters, once to print the
 * interface. A method then need not check types, and the description cannot drift from the code.
 */
#include "interface.h"

#include <ctype.h>

#define NAME_BYTES 64

const char service_description[] =
	"# What every Varlink service offers\n"
	"interface " SERVICE_INTERFACE "\n\n"
	"method GetInfo() -> (vendor: string, product: string, version: string, url: string, "
	"interfaces: []string)\n\n"
	"method GetInterfaceDescription(interface: string) -> (description: string)\n\n"
	"error InterfaceNotFound (interface: string)\n"
	"error MethodNotFound (method: string)\n"
	"error MethodNotImplemented (method: string)\n"
	"error InvalidParameter (parameter: string)\n"
	"error PermissionDenied ()\n"
	"error ExpectedMore ()\n";

/* ---- reading a signature --------------------------------------------------------------------- */

enum shape { SHAPE_ONE, SHAPE_ARRAY, SHAPE_MAP };

/* One input of a signature: "limit: ?int". */
struct input {
	char name[NAME_BYTES], type[NAME_BYTES];
	bool is_optional;
	enum shape shape;
};

static void blanks_skip(const char **text)
{
	*text += strspn(*text, " \t\n");
}

static bool token_skip(const char **text, const char *token)
{
	size_t length = strlen(token);

	blanks_skip(text);
	if (strncmp(*text, token, length) != 0)
		return false;
	*text += length;
	return true;
}

static bool word_read(const char **text, char *ret_word)
{
	size_t length = 0;

	blanks_skip(text);
	while (isalnum((unsigned char)(*text)[length]) || (*text)[length] == '_')
		length++;
	if (length == 0 || length >= NAME_BYTES)
		return false;
	snprintf(ret_word, NAME_BYTES, "%.*s", (int)length, *text);
	*text += length;
	return true;
}

static bool type_is_known(const char *type)
{
	static const char *const known[] = { "bool", "int", "float", "string", "object" };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(type, known[i]) == 0)
			return true;
	return false;
}

/* The next input; *text stands before its name and then after its type. */
static bool input_read(const char **text, struct input *ret_input)
{
	*ret_input = (struct input){ 0 };
	if (!word_read(text, ret_input->name) || !token_skip(text, ":"))
		return false;
	ret_input->is_optional = token_skip(text, "?");
	if (token_skip(text, "[]"))
		ret_input->shape = SHAPE_ARRAY;
	else if (token_skip(text, "[string]"))
		ret_input->shape = SHAPE_MAP;
	return word_read(text, ret_input->type) && type_is_known(ret_input->type);
}

/* The next input of "(a: int, b: ?string)": 1; 0 behind the closing parenthesis; -EPROTO. */
static int input_next(const char **text, struct input *ret_input)
{
	bool is_first = token_skip(text, "(");

	if (token_skip(text, ")"))
		return 0;
	if (!is_first && !token_skip(text, ","))
		return -EPROTO;
	return input_read(text, ret_input) ? 1 : -EPROTO;
}

bool signature_is_valid(const char *signature)
{
	struct input input;
	int depth = 0, r;

	if (*signature != '(')
		return false;
	while ((r = input_next(&signature, &input)) > 0)
		;
	if (r < 0 || !token_skip(&signature, "->") || !token_skip(&signature, "("))
		return false;
	for (depth = 1; *signature && depth > 0; signature++)
		depth += *signature == '(' ? 1 : *signature == ')' ? -1 : 0;
	return depth == 0 && *signature == '\0';
}

/* ---- checking values ------------------------------------------------------------------------- */

static bool value_fits_type(const json_t *value, const char *type)
{
	switch (json_typeof(value)) {
	case JSON_TRUE:
	case JSON_FALSE:
		return strcmp(type, "bool") == 0;
	case JSON_INTEGER:
		return strcmp(type, "int") == 0 || strcmp(type, "float") == 0;
	case JSON_REAL:
		return strcmp(type, "float") == 0;
	case JSON_STRING:
		return strcmp(type, "string") == 0;
	case JSON_OBJECT:
		return strcmp(type, "object") == 0;
	case JSON_ARRAY:
	case JSON_NULL:
		break;
	}
	return false;
}

static bool value_fits(const json_t *value, const struct input *input)
{
	const char *key;
	json_t *member;
	size_t i;

	if (!value || json_is_null(value))
		return input->is_optional;
	switch (input->shape) {
	case SHAPE_ONE:
		return value_fits_type(value, input->type);
	case SHAPE_ARRAY:
		json_array_foreach(value, i, member)
			if (!value_fits_type(member, input->type))
				return false;
		return json_is_array(value);
	case SHAPE_MAP:
		json_object_foreach((json_t *)value, key, member)
			if (!value_fits_type(member, input->type))
				return false;
		return json_is_object(value);
	}
	return false;
}

static bool signature_names(const char *signature, const char *name)
{
	struct input input;

	while (input_next(&signature, &input) > 0)
		if (strcmp(input.name, name) == 0)
			return true;
	return false;
}

int signature_check(const char *signature, const json_t *parameters, char *ret_culprit, size_t size)
{
	const char *text = signature, *key;
	struct input input;
	json_t *value;

	json_object_foreach((json_t *)parameters, key, value) {
		if (!signature_names(signature, key)) {
			snprintf(ret_culprit, size, "%s", key);
			return -EINVAL;
		}
	}
	while (input_next(&text, &input) > 0) {
		if (!value_fits(json_object_get(parameters, input.name), &input)) {
			snprintf(ret_culprit, size, "%s", input.name);
			return -EINVAL;
		}
	}
	return 0;
}

/* ---- printing the interface ------------------------------------------------------------------ */

char *interface_describe(const struct method *methods)
{
	static const struct {
		const char *name, *meaning;
	} errors[] = {
#define X(name, meaning) { #name, meaning },
		CONTROL_ERRORS(X)
#undef X
	};
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return NULL;
	fprintf(out, "# Governs the models of one host\ninterface %s\n", CONTROL_INTERFACE);
	for (const struct method *m = methods; m->name; m++)
		fprintf(out, "\n# %s (%s)\nmethod %s%s\n", m->help,
			m->role == ROLE_OPERATOR ? "operator" : "viewer", m->name, m->signature);
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		fprintf(out, "\n# %s\nerror %s (message: string)\n", errors[i].meaning,
			errors[i].name);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
