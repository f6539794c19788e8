/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interface: what the method table promises, as Varlink text, and parameters held against it. Pure;
 * knows neither sockets nor peers.
 */
#ifndef MODELGOV_CONTROL_INTERFACE_H
#define MODELGOV_CONTROL_INTERFACE_H

#include "control.h"

#define SERVICE_INTERFACE "org.varlink.service"

/*
 * A signature is "(a: ?string, b: []int) -> (...)". Inputs are bool, int, float, string, object,
 * and arrays or maps ("[string]int") of them; "?" lets a value be null or absent.
 */
bool signature_is_valid(const char *signature);

/*
 * Holds parameters (an object, or NULL for none) against the inputs of a valid signature. 0, or
 * -EINVAL and the name of the parameter that is missing, unknown or of another type.
 */
int signature_check(const char *signature, const json_t *parameters, char *ret_culprit,
		    size_t size);

/* The interface of the table, for GetInterfaceDescription; caller frees, NULL without memory. */
char *interface_describe(const struct method *methods);

/* The same of org.varlink.service, which every Varlink server offers. */
extern const char service_description[];

#endif
