/*
 * vars.c - one scanner, used to check, to list and to expand.
 */
#include "lib/record/vars.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/base/nearest.h"
#include "lib/base/size.h"

#define INDEX_MAX 1000000000

enum variable_type {
	VAR_NAME,
	VAR_INDEX,
	VAR_SERVICE,
	VAR_ROLE,
	VAR_HOST,
	VAR_UUID,
	VAR_ADDRESS,
	VAR_MAC,
	VAR_ROLE_ADDRESS,
	VAR_ROLE_ADDRESSES,
	VAR_ENV
};

/* One {{...}}, taken apart. */
struct variable {
	enum variable_type type;
	char text[128];	    /* as written, without braces and blanks */
	char argument[128]; /* the role, the environment's name */
	uint64_t plus;	    /* index+N */
};

static const char *const simple[] = { "name", "index", "service", "role",
	"host", "uuid", "address", "mac", NULL };

static int
bad(struct vm_error *err, const struct variable *variable, const char *what)
{
	return vm_error_set(err, VM_E_DATA, "bad_variable", "{{%s}}: %s",
	    variable->text, what);
}

static int
bad_name(struct vm_error *err, const struct variable *variable)
{
	const char *near;
	char safe[160];

	near = vm_nearest_find(variable->text, simple);
	vm_log_escape(variable->text, safe, sizeof(safe));
	if (near == NULL)
		return vm_error_set(err, VM_E_DATA, "bad_variable",
		    "{{%s}}: unknown variable", safe);
	return vm_error_set(err, VM_E_DATA, "bad_variable",
	    "{{%s}}: unknown variable; did you mean {{%s}}?", safe, near);
}

/* roles.ROLE.address or roles.ROLE.addresses */
static int
parse_role(struct variable *variable, struct vm_error *err)
{
	const char *role = variable->text + strlen("roles.");
	const char *dot = strchr(role, '.');
	size_t len;

	if (dot == NULL || dot == role)
		return bad(err, variable, "expected roles.ROLE.address");
	if (strcmp(dot, ".address") == 0)
		variable->type = VAR_ROLE_ADDRESS;
	else if (strcmp(dot, ".addresses") == 0)
		variable->type = VAR_ROLE_ADDRESSES;
	else
		return bad(err, variable,
		    "of a role only address and addresses are known");
	len = (size_t)(dot - role);
	memcpy(variable->argument, role, len);
	variable->argument[len] = '\0';
	return 0;
}

static int
parse_env(struct variable *variable, struct vm_error *err)
{
	const char *name = variable->text + strlen("env.");

	if (!isalpha((unsigned char)name[0]) && name[0] != '_')
		return bad(err, variable, "expected env.NAME");
	for (const char *p = name; *p != '\0'; p++) {
		if (!isalnum((unsigned char)*p) && *p != '_')
			return bad(err, variable, "expected env.NAME");
	}
	variable->type = VAR_ENV;
	snprintf(variable->argument, sizeof(variable->argument), "%s", name);
	return 0;
}

static int
parse_index(struct variable *variable, struct vm_error *err)
{
	const char *rest = variable->text + strlen("index");

	variable->type = VAR_INDEX;
	while (*rest == ' ')
		rest++;
	if (*rest == '\0')
		return 0;
	if (*rest != '+')
		return bad_name(err, variable);
	do
		rest++;
	while (*rest == ' ');
	if (vm_size_parse_number(rest, 0, INDEX_MAX, &variable->plus, NULL) ==
	    -1)
		return bad(err, variable, "expected index+NUMBER");
	return 0;
}

/* What stands between the braces, len bytes at text. */
static int
parse_variable(const char *text, size_t len, struct variable *variable,
    struct vm_error *err)
{
	while (len > 0 && *text == ' ') {
		text++;
		len--;
	}
	while (len > 0 && text[len - 1] == ' ')
		len--;
	memset(variable, 0, sizeof(*variable));
	snprintf(variable->text, sizeof(variable->text), "%.*s",
	    len > 120 ? 120 : (int)len, text);
	if (strncmp(variable->text, "roles.", 6) == 0)
		return parse_role(variable, err);
	if (strncmp(variable->text, "env.", 4) == 0)
		return parse_env(variable, err);
	if (strncmp(variable->text, "index", 5) == 0)
		return parse_index(variable, err);
	for (size_t i = 0; simple[i] != NULL; i++) {
		if (strcmp(variable->text, simple[i]) == 0) {
			variable->type = (enum variable_type)i;
			return 0;
		}
	}
	return bad_name(err, variable);
}

/*
 * The next part of *text: 0 at the end, 1 literal bytes (part, len), 2 a
 * variable, -1 malformed.  *text moves behind it.
 */
static int
next_part(const char **text, const char **part, size_t *len,
    struct variable *variable, struct vm_error *err)
{
	const char *open = strstr(*text, "{{"), *close;

	if (**text == '\0')
		return 0;
	*part = *text;
	if (open != *text) {
		*len = open != NULL ? (size_t)(open - *text) : strlen(*text);
		*text += *len;
		return 1;
	}
	if (strncmp(open, "{{{{", 4) == 0) {
		*len = 2;
		*text += 4;
		return 1;
	}
	close = strstr(open, "}}");
	if (close == NULL)
		return vm_error_set(err, VM_E_DATA, "bad_variable",
		    "{{ without }}; write {{{{ for a literal {{");
	if (parse_variable(open + 2, (size_t)(close - open - 2), variable,
		err) == -1)
		return -1;
	*text = close + 2;
	return 2;
}

static int
check_place(const struct variable *variable, bool shared, struct vm_error *err)
{
	if (variable->type == VAR_ENV)
		return bad(err, variable,
		    "not supported by this version of vmpipe");
	if (shared && variable->type != VAR_SERVICE &&
	    variable->type != VAR_ROLE)
		return bad(err, variable,
		    "differs from clone to clone; move "
		    "the operation from customize: to instance:");
	return 0;
}

int
vm_vars_check_string(const char *text, bool shared, struct vm_error *err)
{
	struct variable variable;
	const char *part;
	size_t len;
	int kind;

	while ((kind = next_part(&text, &part, &len, &variable, err)) > 0) {
		if (kind == 2 && check_place(&variable, shared, err) == -1)
			return -1;
	}
	return kind;
}

/* The first network card's member, an address without its prefix length. */
static const char *
card_value(const struct vm_json *record, const char *member, char *out,
    size_t size)
{
	const struct vm_json *nics = vm_json_get(record, "identity.nics");
	const char *value;

	for (size_t i = 0; i < vm_json_count(nics); i++) {
		value = vm_json_string(vm_json_at(nics, i), member, NULL);
		if (value == NULL)
			continue;
		snprintf(out, size, "%.*s", (int)strcspn(value, "/"), value);
		return out;
	}
	return NULL;
}

static int
add_index(const struct vm_vars *vars, const struct variable *variable,
    struct vm_buf *out, struct vm_error *err)
{
	int64_t index = vm_json_int(vars->record, "index", -1);

	if (index < 0)
		return bad(err, variable, "this VM has no number");
	return vm_buf_format(out, err, "%" PRIu64,
	    (uint64_t)index + variable->plus);
}

static int
add_role(const struct vm_vars *vars, const struct variable *variable,
    struct vm_buf *out, struct vm_error *err)
{
	const struct vm_json *list;
	size_t count;

	list = vm_json_member(vars->roles, variable->argument);
	count = vm_json_count(list);
	if (count == 0)
		return vm_error_set(err, VM_E_DATA, "unknown_address",
		    "{{%s}}: no VM of role %s has an address yet; it gets one "
		    "when it is cloned with a private network",
		    variable->text, variable->argument);
	if (variable->type == VAR_ROLE_ADDRESS)
		count = 1;
	for (size_t i = 0; i < count; i++) {
		const char *address = vm_json_text(vm_json_at(list, i));

		if (address == NULL)
			return bad(err, variable, "not an address");
		if (i > 0 && vm_buf_add_string(out, ",", err) == -1)
			return -1;
		if (vm_buf_add(out, address, strcspn(address, "/"), err) == -1)
			return -1;
	}
	return 0;
}

static int
add_env(const struct vm_vars *vars, const struct variable *variable,
    struct vm_buf *out, struct vm_error *err)
{
	const char *value;

	if (!vars->allow_env)
		return bad(err, variable,
		    "the environment is used only with --allow-env");
	value = getenv(variable->argument);
	if (value == NULL)
		return bad(err, variable, "not set in the environment");
	return vm_buf_add_string(out, value, err);
}

static int
add_value(const struct vm_vars *vars, const struct variable *variable,
    struct vm_buf *out, struct vm_error *err)
{
	const char *value = NULL;
	char text[128];

	switch (variable->type) {
	case VAR_INDEX:
		return add_index(vars, variable, out, err);
	case VAR_ROLE_ADDRESS:
	case VAR_ROLE_ADDRESSES:
		return add_role(vars, variable, out, err);
	case VAR_ENV:
		return add_env(vars, variable, out, err);
	case VAR_UUID:
		value = vm_json_string(vars->record, "identity.uuid", NULL);
		break;
	case VAR_ADDRESS:
		value = card_value(vars->record, "address", text, sizeof(text));
		if (value == NULL)
			return vm_error_set(err, VM_E_DATA, "unknown_address",
			    "{{address}}: this VM has no fixed address; give "
			    "it a private network, or a bridge with address:");
		break;
	case VAR_MAC:
		value = card_value(vars->record, "mac", text, sizeof(text));
		break;
	default:
		value = vm_json_string(vars->record, simple[variable->type],
		    NULL);
		break;
	}
	if (value == NULL)
		return bad(err, variable, "not known for this VM");
	return vm_buf_add_string(out, value, err);
}

char *
vm_vars_expand_string(const struct vm_vars *vars, const char *text,
    struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf out = { 0 };
	struct variable variable;
	const char *part;
	size_t len;
	int kind;

	while ((kind = next_part(&text, &part, &len, &variable, err)) > 0) {
		if (kind == 1 && vm_buf_add(&out, part, len, err) == -1)
			return NULL;
		if (kind == 2 && add_value(vars, &variable, &out, err) == -1)
			return NULL;
	}
	return kind == 0 ? vm_buf_take(&out, err) : NULL;
}

static struct vm_json *
expand_children(const struct vm_vars *vars, const struct vm_json *value,
    struct vm_error *err)
{
	bool is_map = vm_json_type(value) == VM_JSON_OBJECT;
	VM_CLEAN_JSON struct vm_json *copy = is_map ? vm_json_new_object() :
						      vm_json_new_array();

	if (copy == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	for (void *it = is_map ? vm_json_first(value) : NULL; it != NULL;
	     it = vm_json_next(value, it)) {
		struct vm_json *child = vm_vars_expand(vars, vm_json_value(it),
		    err);

		if (child == NULL ||
		    vm_json_set_member(copy, vm_json_key(it), child, err) == -1)
			return NULL;
	}
	for (size_t i = 0; !is_map && i < vm_json_count(value); i++) {
		struct vm_json *child = vm_vars_expand(vars,
		    vm_json_at(value, i), err);

		if (child == NULL || vm_json_append(copy, child, err) == -1)
			return NULL;
	}
	return VM_TAKE(copy);
}

struct vm_json *
vm_vars_expand(const struct vm_vars *vars, const struct vm_json *value,
    struct vm_error *err)
{
	VM_CLEAN_FREE char *text = NULL;
	enum vm_json_type type = vm_json_type(value);
	struct vm_json *copy;

	if (type == VM_JSON_OBJECT || type == VM_JSON_ARRAY)
		return expand_children(vars, value, err);
	if (type == VM_JSON_STRING) {
		text = vm_vars_expand_string(vars, vm_json_text(value), err);
		if (text == NULL)
			return NULL;
		copy = vm_json_new_string(text);
		if (copy == NULL)
			vm_error_set(err, VM_E_DATA, "bad_variable",
			    "a value is not UTF-8");
		return copy;
	}
	copy = vm_json_copy(value);
	if (copy == NULL)
		vm_error_nomem(err);
	return copy;
}

static int
list_in_string(const char *text, struct vm_json *roles, struct vm_error *err)
{
	struct variable variable;
	const char *part;
	size_t len;
	int kind;

	while ((kind = next_part(&text, &part, &len, &variable, err)) > 0) {
		if (kind == 2 &&
		    (variable.type == VAR_ROLE_ADDRESS ||
			variable.type == VAR_ROLE_ADDRESSES) &&
		    vm_json_append(roles, vm_json_new_string(variable.argument),
			err) == -1)
			return -1;
	}
	return kind;
}

int
vm_vars_list_roles(const struct vm_json *value, struct vm_json *roles,
    struct vm_error *err)
{
	for (void *it = vm_json_type(value) == VM_JSON_OBJECT ?
		 vm_json_first(value) :
		 NULL;
	     it != NULL; it = vm_json_next(value, it)) {
		if (vm_vars_list_roles(vm_json_value(it), roles, err) == -1)
			return -1;
	}
	for (size_t i = 0;
	     vm_json_type(value) == VM_JSON_ARRAY && i < vm_json_count(value);
	     i++) {
		if (vm_vars_list_roles(vm_json_at(value, i), roles, err) == -1)
			return -1;
	}
	if (vm_json_type(value) == VM_JSON_STRING)
		return list_in_string(vm_json_text(value), roles, err);
	return 0;
}
