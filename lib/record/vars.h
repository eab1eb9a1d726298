/*
 * vars.h - {{name}} and its like in the manifest's text values.
 *
 * Known: name, index, index+N, service, role, host, uuid, address, mac,
 * roles.ROLE.address, roles.ROLE.addresses, env.NAME (only where allowed).
 * A value is data wherever it lands: it replaces text inside one string and is
 * never parsed again.  "{{{{" stands for "{{".
 */
#ifndef VM_RECORD_VARS_H
#define VM_RECORD_VARS_H

#include "lib/adapt/json.h"
#include "lib/base/error.h"

struct vm_vars {
	const struct vm_json *record; /* a VM record (index, identity ...) */
	const struct vm_json *roles;  /* {"db":["10.0.0.1"]} or NULL */
	bool allow_env;
};

/*
 * A copy of value with every string expanded.  VM_E_DATA "bad_variable"
 * (unknown: the nearest known as hint; malformed) or "unknown_address" (known
 * name, no value yet: says whose and when it will be known).
 */
struct vm_json *vm_vars_expand(const struct vm_vars *vars,
    const struct vm_json *value, struct vm_error *err) VM_MUST_CHECK;

/* The same for one string; the result is the caller's. */
char *vm_vars_expand_string(const struct vm_vars *vars, const char *text,
    struct vm_error *err) VM_MUST_CHECK;

/* Only look: are all variables in value known names (for `vmsched check`)? */
int vm_vars_check(const struct vm_json *value, struct vm_error *err)
    VM_MUST_CHECK;

#endif
