#include "lib/record/manifest_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/nearest.h"
#include "lib/record/manifest.h"
#include "lib/record/record.h"
#include "lib/record/vars.h"

/* The manifest being checked. */
struct whole {
	const struct vm_json *roles;
	const struct vm_yaml_node *root;
	struct vm_schema_run *run;
	struct vm_json *ports; /* {"8080":"web"}: host ports and who has them */
};

/* One role of it. */
struct part {
	const char *name;
	const struct vm_json *role;
	const struct vm_yaml_node *node;
	int64_t max; /* how many VMs it may have */
};

/* --- after -------------------------------------------------------------- */

enum mark { MARK_NEW = 0, MARK_OPEN, MARK_DONE };

struct order {
	const struct vm_json *roles;
	struct vm_json *names; /* the result */
	struct vm_json *marks; /* {"web":enum mark} */
	const char **ring;
};

/* Depth first; there are at most 100 roles. */
static int
visit(struct order *order, const char *name, struct vm_error *err)
{
	const struct vm_json *after;
	int64_t mark = MARK_NEW;

	if (vm_json_member(order->marks, name) != NULL)
		mark = vm_json_int(order->marks, name, MARK_NEW);
	if (mark == MARK_DONE)
		return 0;
	if (mark == MARK_OPEN) {
		if (order->ring != NULL)
			*order->ring = name;
		return vm_error_set(err, VM_E_DATA, "bad_manifest",
		    "role %s waits for itself through its after:", name);
	}
	if (vm_json_set_int(order->marks, name, MARK_OPEN, err) == -1)
		return -1;
	after = vm_json_get(vm_json_member(order->roles, name), "after");
	for (size_t i = 0; i < vm_json_count(after); i++) {
		const char *other = vm_json_text(vm_json_at(after, i));

		if (other != NULL &&
		    vm_json_member(order->roles, other) != NULL &&
		    visit(order, other, err) == -1)
			return -1;
	}
	if (vm_json_set_int(order->marks, name, MARK_DONE, err) == -1)
		return -1;
	return vm_json_append(order->names, vm_json_new_string(name), err);
}

struct vm_json *
vm_manifest_order_roles(const struct vm_json *roles, const char **ring,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *names = vm_json_new_array();
	VM_CLEAN_JSON struct vm_json *marks = vm_json_new_object();
	struct order order = {
		.roles = roles, .names = names, .marks = marks, .ring = ring
	};

	if (names == NULL || marks == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	for (void *it = vm_json_first(roles); it != NULL;
	     it = vm_json_next(roles, it)) {
		if (visit(&order, vm_json_key(it), err) == -1)
			return NULL;
	}
	return VM_TAKE(names);
}

static void
check_ring(struct whole *whole)
{
	VM_CLEAN_JSON struct vm_json *names = NULL;
	struct vm_error err = { 0 };
	const char *ring = NULL;
	const struct vm_yaml_node *role;

	names = vm_manifest_order_roles(whole->roles, &ring, &err);
	if (names != NULL)
		return;
	if (ring == NULL) {
		vm_schema_fail(whole->run, &err);
		return;
	}
	role = vm_yaml_value(vm_yaml_value(whole->root, "roles"), ring);
	vm_schema_problem(whole->run, vm_yaml_key(role, "after"), "%s",
	    err.message);
}

/* --- one role ------------------------------------------------------------- */

static void
refuse_role(struct whole *whole, const struct vm_yaml_node *at,
    const char *name)
{
	struct vm_nearest nearest = { .word = name };

	for (void *it = vm_json_first(whole->roles); it != NULL;
	     it = vm_json_next(whole->roles, it))
		vm_nearest_offer(&nearest, vm_json_key(it));
	if (nearest.best != NULL)
		vm_schema_problem(whole->run, at,
		    "no role \"%s\" here; did you mean \"%s\"?", name,
		    nearest.best);
	else
		vm_schema_problem(whole->run, at, "no role \"%s\" here", name);
}

static void
check_after(struct whole *whole, const struct part *part)
{
	const struct vm_yaml_node *list, *item;

	list = vm_yaml_value(part->node, "after");
	if (list == NULL)
		return;
	for (item = list->first; item != NULL; item = item->next) {
		if (vm_json_member(whole->roles, item->text) == NULL)
			refuse_role(whole, item, item->text);
	}
}

/* The first text below node with these words in it, else node itself. */
static const struct vm_yaml_node *
find_text(const struct vm_yaml_node *node, const char *words)
{
	const struct vm_yaml_node *child, *found;

	for (child = node->first; child != NULL; child = child->next) {
		found = find_text(child, words);
		if (found->type == VM_YAML_SCALAR &&
		    strstr(found->text, words) != NULL)
			return found;
	}
	return node;
}

/* {{roles.X.address}}: is there an X? */
static void
check_references(struct whole *whole, const struct part *part,
    const char *member)
{
	VM_CLEAN_JSON struct vm_json *names = vm_json_new_array();
	struct vm_error err = { 0 };

	if (names == NULL)
		return;
	if (vm_vars_list_roles(vm_json_member(part->role, member), names,
		&err) == -1) {
		vm_schema_fail(whole->run, &err);
		return;
	}
	for (size_t i = 0; i < vm_json_count(names); i++) {
		const char *name = vm_json_text(vm_json_at(names, i));
		char words[160];

		if (vm_json_member(whole->roles, name) != NULL)
			continue;
		snprintf(words, sizeof(words), "roles.%s.", name);
		refuse_role(whole,
		    find_text(vm_yaml_value(part->node, member), words), name);
	}
}

static void
check_replicas(struct whole *whole, const struct part *part)
{
	const struct vm_yaml_node *at = vm_yaml_value(part->node, "replicas");
	int64_t min = vm_json_int(part->role, "replicas.min", 0);
	int64_t max = vm_json_int(part->role, "replicas.max", INT64_MAX);
	int64_t initial = vm_json_int(part->role, "replicas.initial", -1);

	if (min > max)
		vm_schema_problem(whole->run, at,
		    "min %" PRId64 " is more than max %" PRId64, min, max);
	else if (initial != -1 && (initial < min || initial > max))
		vm_schema_problem(whole->run, at,
		    "initial %" PRId64 " is not between min and max", initial);
}

/* A port of this host can lead into one VM only. */
static void
check_forward(struct whole *whole, const struct part *part,
    const struct vm_yaml_node *forward)
{
	const struct vm_yaml_node *host = vm_yaml_value(forward, "host");
	struct vm_error err = { 0 };
	const char *owner;

	if (host == NULL || strtol(host->text, NULL, 10) == 0)
		return;
	owner = vm_json_text(vm_json_member(whole->ports, host->text));
	if (owner != NULL)
		vm_schema_problem(whole->run, host,
		    "port %s of the host is already used by role %s",
		    host->text, owner);
	else if (part->max > 1)
		vm_schema_problem(whole->run, host,
		    "port %s of the host "
		    "cannot lead to each of several VMs; write 0 for any free "
		    "port",
		    host->text);
	if (vm_json_set_member(whole->ports, host->text,
		vm_json_new_string(part->name), &err) == -1)
		vm_schema_fail(whole->run, &err);
}

static void
check_networks(struct whole *whole, const struct part *part)
{
	const struct vm_yaml_node *list = vm_yaml_value(part->node, "networks");
	const struct vm_yaml_node *network, *other, *node, *forward;

	for (network = list != NULL ? list->first : NULL; network != NULL;
	     network = network->next) {
		node = vm_yaml_value(network, "private");
		for (other = list->first; node != NULL && other != network;
		     other = other->next) {
			const struct vm_yaml_node *same = vm_yaml_value(other,
			    "private");

			if (same != NULL && strcmp(same->text, node->text) == 0)
				vm_schema_problem(whole->run, node,
				    "network \"%s\" is already in this list",
				    node->text);
		}
		node = vm_yaml_value(network, "address");
		if (node != NULL && part->max > 1 &&
		    strstr(node->text, "index") == NULL)
			vm_schema_problem(whole->run, node,
			    "%s would be the "
			    "address of several VMs; use {{index}} in it",
			    node->text);
		node = vm_yaml_value(network, "mac");
		if (node != NULL && part->max > 1)
			vm_schema_problem(whole->run, node,
			    "%s would be the MAC address of several VMs",
			    node->text);
		node = vm_yaml_value(network, "forward");
		for (forward = node != NULL ? node->first : NULL;
		     forward != NULL; forward = forward->next)
			check_forward(whole, part, forward);
	}
}

/* What of a disk must not be that of another one of the VM. */
static void
check_disk_member(struct whole *whole, const struct part *part,
    const char *member)
{
	static const char *const lists[] = { "disks", "volumes" };
	VM_CLEAN_JSON struct vm_json *seen = vm_json_new_object();
	struct vm_error err = { 0 };

	for (size_t i = 0; i < 2 && seen != NULL; i++) {
		const struct vm_yaml_node *list = vm_yaml_value(part->node,
		    lists[i]);
		const struct vm_yaml_node *disk = list != NULL ? list->first :
								 NULL;

		for (; disk != NULL; disk = disk->next) {
			const struct vm_yaml_node *at = vm_yaml_value(disk,
			    member);
			const char *where;

			if (at == NULL)
				continue;
			where = vm_json_text(vm_json_member(seen, at->text));
			/* the list's own twins the schema has found */
			if (where != NULL &&
			    (strcmp(where, lists[i]) != 0 ||
				strcmp(member, "name") != 0))
				vm_schema_problem(whole->run, at,
				    "%s is already the %s of one of %s",
				    at->text, member, where);
			if (vm_json_set_member(seen, at->text,
				vm_json_new_string(lists[i]), &err) == -1)
				vm_schema_fail(whole->run, &err);
		}
	}
}

/* SERVICE-ROLE-INDEX is a VM's name. */
static void
check_name(struct whole *whole, const struct part *part, const char *service)
{
	const struct vm_yaml_node *at;
	char number[24];
	size_t len;

	snprintf(number, sizeof(number), "%" PRId64, part->max);
	len = strlen(service) + 1 + strlen(part->name) + 1 + strlen(number);
	at = vm_yaml_key(vm_yaml_value(whole->root, "roles"), part->name);
	if (len > VM_NAME_MAX)
		vm_schema_problem(whole->run, at,
		    "%s-%s-%s is longer than the "
		    "%d characters that a VM's name may have",
		    service, part->name, number, VM_NAME_MAX);
}

void
vm_manifest_check_whole(const struct vm_json *json,
    const struct vm_yaml_node *root, struct vm_schema_run *run)
{
	VM_CLEAN_JSON struct vm_json *ports = vm_json_new_object();
	const struct vm_json *roles = vm_json_get(json, "roles");
	struct whole whole = {
		.roles = roles, .root = root, .run = run, .ports = ports
	};
	size_t all = vm_schema_enter(run, "roles"), mark;

	for (void *it = vm_json_first(roles); it != NULL;
	     it = vm_json_next(roles, it)) {
		struct part part = { .name = vm_json_key(it),
			.role = vm_json_value(it) };
		int64_t initial = (int64_t)vm_manifest_initial(part.role);

		part.node = vm_yaml_value(vm_yaml_value(root, "roles"),
		    part.name);
		part.max = vm_json_int(part.role, "replicas.max", initial);
		mark = vm_schema_enter(run, part.name);
		check_name(&whole, &part, vm_json_string(json, "service", ""));
		check_after(&whole, &part);
		check_references(&whole, &part, "customize");
		check_references(&whole, &part, "instance");
		check_references(&whole, &part, "networks");
		check_replicas(&whole, &part);
		check_networks(&whole, &part);
		check_disk_member(&whole, &part, "name");
		check_disk_member(&whole, &part, "mount");
		vm_schema_leave(run, mark);
	}
	check_ring(&whole);
	vm_schema_leave(run, all);
}
