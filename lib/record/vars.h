/*
 * vars.h - {{name}} and its like in the manifest's text values.
 *
 *	name index index+N	the VM's name and number (index from 1)
 *	service role host uuid	of the VM; host is where it runs
 *	address mac		of its first network card that has one
 *	roles.ROLE.address	the first address among the VMs of a role
 *	roles.ROLE.addresses	all of them, with commas between
 *	env.NAME		the caller's environment, only where allowed
 *
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
 * (unknown, with the nearest known one; malformed; not known for this VM) or
 * "unknown_address" (a known name, no value yet: says whose it is).
 */
struct vm_json *vm_vars_expand(const struct vm_vars *vars,
    const struct vm_json *value, struct vm_error *err) VM_MUST_CHECK;

/* The same for one string; the result is the caller's. */
char *vm_vars_expand_string(const struct vm_vars *vars, const char *text,
    struct vm_error *err) VM_MUST_CHECK;

/*
 * Only look: is every variable known, and welcome there?  "bad_variable".
 * `shared`: below customize:, where only what is the same for all clones of a
 * role is (service, role).  env.NAME is refused: no command allows it yet.
 */
int vm_vars_check_string(const char *text, bool shared, struct vm_error *err)
    VM_MUST_CHECK;

/* The names of roles that text refers to, in order, into a JSON array. */
int vm_vars_list_roles(const struct vm_json *value, struct vm_json *roles,
    struct vm_error *err) VM_MUST_CHECK;

#endif
