/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a message asks for, whether the asker may, and the answer as a message. Runs the method of
 * the table; bytes and deadlines are server.c's.
 */
#include "interface.h"
#include "server.h"

#include <assert.h>

struct request {
	struct connection *connection; /* NULL: the client has gone */
	struct peer peer;              /* a copy: the answer may come after the client has gone */
	bool is_oneway;
};

const struct peer *request_peer(const struct request *r)
{
	return &r->peer;
}

void request_orphan(struct request *r)
{
	r->connection = NULL;
}

/* A caller's text may have been cut inside a character: then it is not JSON any more. */
static json_t *text_to_json(const char *text)
{
	json_t *json = json_string(text);

	return json ? json : json_string("(not UTF-8)");
}

/* ---- answers --------------------------------------------------------------------------------- */

/* A reply in Varlink's form, sent; error is NULL for success. */
static void connection_answer(struct connection *c, const char *error, json_t *take_parameters)
{
	json_t *message =
		error ? json_pack("{s:s, s:o}", "error", error, "parameters", take_parameters)
		      : json_pack("{s:o}", "parameters", take_parameters);
	char *bytes = NULL;
	size_t length = 0;
	int r = message ? message_encode(message, &bytes, &length) : -ENOMEM;

	json_decref(message);
	if (r == 0 && length > CONTROL_MESSAGE_LIMIT_BYTES) {
		free(bytes);
		connection_answer(c, CONTROL_INTERFACE ".TooLarge",
				  json_pack("{s:s}", "message",
					    "the reply is longer than 16MiB; ask for less"));
		return;
	}
	if (r < 0) { /* no memory even for an error: a closed connection is the only answer left */
		c->is_last = true;
		connection_proceed(c);
		return;
	}
	connection_send(c, bytes, length);
}

/* Ends the request; what it was about is told to whoever is still there. */
static void request_answer(struct request *r, const char *error, json_t *take_parameters)
{
	struct connection *c = r->connection;
	bool is_oneway = r->is_oneway;

	peer_fini(&r->peer);
	free(r);
	if (!c) {
		json_decref(take_parameters);
		return;
	}
	assert(c->request == r);
	c->request = NULL;
	if (is_oneway) {
		json_decref(take_parameters);
		connection_proceed(c);
		return;
	}
	connection_answer(c, error, take_parameters);
}

void request_reply(struct request *r, json_t *take_parameters)
{
	if (take_parameters)
		request_answer(r, NULL, take_parameters);
	else
		request_fail(r, "Failed",
			     "the answer could not be put into JSON: no memory, or text "
			     "that is not UTF-8");
}

void request_fail(struct request *r, const char *error, const char *format, ...)
{
	char name[128];
	struct err e = { 0 };
	va_list args;

	va_start(args, format);
	vsnprintf(e.text, sizeof(e.text), format, args);
	va_end(args);
	snprintf(name, sizeof(name), "%s.%s", CONTROL_INTERFACE, error);
	request_answer(r, name, json_pack("{s:o}", "message", text_to_json(e.text)));
}

void connection_refuse(struct connection *c, const char *error, const char *text)
{
	char name[128];

	snprintf(name, sizeof(name), "%s.%s", CONTROL_INTERFACE, error);
	c->is_last = true;
	connection_answer(c, name, json_pack("{s:o}", "message", text_to_json(text)));
}

/* The errors that every Varlink service has: one parameter each, named like what is wrong. */
static void request_fail_service(struct request *r, const char *error, const char *what,
				 const char *value)
{
	char name[128];

	snprintf(name, sizeof(name), "%s.%s", SERVICE_INTERFACE, error);
	request_answer(r, name, json_pack("{s:o}", what, text_to_json(value)));
}

/* ---- org.varlink.service --------------------------------------------------------------------- */

static void on_info(struct request *r)
{
	request_reply(r, json_pack("{s:s, s:s, s:s, s:s, s:[ss]}", "vendor", "modelgov", "product",
				   "modelgovd", "version", MODELGOV_VERSION, "url", "",
				   "interfaces", SERVICE_INTERFACE, CONTROL_INTERFACE));
}

static void on_description(struct request *r, const json_t *parameters)
{
	const char *interface = json_string_value(json_object_get(parameters, "interface"));
	const char *text = NULL;

	if (strcmp(interface, SERVICE_INTERFACE) == 0)
		text = service_description;
	else if (strcmp(interface, CONTROL_INTERFACE) == 0)
		text = r->connection->control->description;
	if (text)
		request_reply(r, json_pack("{s:s}", "description", text));
	else
		request_fail_service(r, "InterfaceNotFound", "interface", interface);
}

/* ---- the way of a message -------------------------------------------------------------------- */

/* Parameters as the signature wants them, or the caller has its answer. */
static bool parameters_accept(struct request *r, const char *signature, const json_t *parameters)
{
	char culprit[128];

	if (signature_check(signature, parameters, culprit, sizeof(culprit)) == 0)
		return true;
	request_fail_service(r, "InvalidParameter", "parameter", culprit);
	return false;
}

static void service_run(struct request *r, const char *name, json_t *parameters)
{
	if (strcmp(name, "GetInfo") == 0) {
		if (parameters_accept(r, "()", parameters))
			on_info(r);
	} else if (strcmp(name, "GetInterfaceDescription") == 0) {
		if (parameters_accept(r, "(interface: string)", parameters))
			on_description(r, parameters);
	} else {
		request_fail_service(r, "MethodNotFound", "method", name);
	}
}

static const char *role_needed(enum role role)
{
	return role == ROLE_OPERATOR
		       ? "root or who is named in access.operators"
		       : "root, a member of the viewer group, or who is named in access";
}

static void method_run(struct request *r, const char *name, json_t *parameters)
{
	struct connection *c = r->connection;
	const struct method *m = c->control->options.methods;

	while (m->name && strcmp(m->name, name) != 0)
		m++;
	if (!m->name)
		request_fail_service(r, "MethodNotFound", "method", name);
	else if (c->role < m->role)
		request_fail(r, "PermissionDenied", "%s is for %s; you are uid %u", m->name,
			     role_needed(m->role), c->peer.uid);
	else if (parameters_accept(r, m->signature, parameters))
		m->run(r, parameters, c->control->options.userdata);
}

/* "org.modelgov.Governor.Status": the method is what follows the last dot. */
static void call_run(struct request *r, const struct call *call)
{
	const char *dot = strrchr(call->method, '.');
	size_t length = dot ? (size_t)(dot - call->method) : 0;
	char interface[128];

	if (!dot || length >= sizeof(interface)) {
		request_fail_service(r, "InvalidParameter", "parameter", "method");
		return;
	}
	snprintf(interface, sizeof(interface), "%.*s", (int)length, call->method);
	if (strcmp(interface, SERVICE_INTERFACE) == 0)
		service_run(r, dot + 1, call->parameters);
	else if (strcmp(interface, CONTROL_INTERFACE) == 0)
		method_run(r, dot + 1, call->parameters);
	else
		request_fail_service(r, "InterfaceNotFound", "interface", interface);
}

static void message_run(struct connection *c, json_t *message)
{
	const char *culprit = NULL;
	struct call call;

	if (call_parse(message, &call, &culprit) < 0) {
		char text[192];

		snprintf(text, sizeof(text),
			 "member '%.64s' is missing, unknown or of the wrong type", culprit);
		connection_refuse(c, "BadMessage", text);
		return;
	}
	struct request *r = calloc(1, sizeof(*r));

	if (!r) {
		connection_refuse(c, "Failed", "out of memory");
		return;
	}
	if (peer_copy(&c->peer, &r->peer) < 0) {
		free(r);
		connection_refuse(c, "Failed", "out of memory");
		return;
	}
	r->connection = c;
	r->is_oneway = call.is_oneway;
	c->request = r;
	call_run(r, &call);
}

void connection_dispatch(struct connection *c)
{
	struct err e = { 0 };
	json_t *message;

	if (c->control->options.role_of) /* settings may have changed since it connected */
		c->role = peer_role(&c->peer, &c->control->options);
	if (c->role == ROLE_NOBODY) { /* and what a stranger says is not even read */
		char text[160];

		snprintf(text, sizeof(text), "uid %u may not ask modelgovd; %s may", c->peer.uid,
			 role_needed(ROLE_VIEWER));
		connection_refuse(c, "PermissionDenied", text);
		return;
	}
	if (inbox_take(&c->in, &message, &e) != 1) {
		connection_refuse(c, "BadMessage", e.text);
		return;
	}
	message_run(c, message);
	json_decref(message);
}
