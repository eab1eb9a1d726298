#include "lib/site/intent.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/fd.h"
#include "lib/base/nearest.h"
#include "lib/record/record.h"
#include "lib/store/publish.h"

#define DIRECTORY "services"
#define SUFFIX ".json"

/* services/, or -1 with VM_E_NO_INPUT while nothing was ever applied. */
static int
open_services(struct vm_store *store, bool create, struct vm_error *err)
{
	int fd;

	if (create && mkdirat(store->root_fd, DIRECTORY, 0750) == -1 &&
	    errno != EEXIST)
		return vm_error_errno(err, errno, DIRECTORY);
	fd = openat(store->root_fd, DIRECTORY,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return vm_error_errno(err, errno, DIRECTORY);
	return fd;
}

static int
no_service(const char *service, struct vm_error *err)
{
	vm_error_set(err, VM_E_NO_INPUT, "no_service",
	    "service %s: nothing was applied", service);
	return vm_error_hint(err, "vmsched apply MANIFEST");
}

static int
parse(const struct vm_buf *text, const char *service, struct vm_intent *intent,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *json = NULL;
	VM_CLEAN_INTENT struct vm_intent made = { 0 };
	VM_CLEAN_FREE char *name = NULL;
	const struct vm_json *replicas;

	json = vm_json_parse(text->data, text->len, err);
	if (json == NULL)
		return -1;
	if (vm_json_int(json, "vmpipe", 0) != 1)
		return vm_error_set(err, VM_E_CONFIG, "version",
		    "written by another version of vmpipe");
	name = vm_buf_printf(err, "%s.yaml", service);
	if (name == NULL ||
	    vm_manifest_parse(name, vm_json_string(json, "directory", "."),
		vm_json_string(json, "manifest", ""), &made.manifest,
		err) == -1)
		return -1;
	if (strcmp(vm_json_string(made.manifest.json, "service", ""),
		service) != 0)
		return vm_error_set(err, VM_E_DATA, "bad_intent",
		    "holds another service's manifest");
	replicas = vm_json_get(json, "replicas");
	if (replicas != NULL) {
		made.replicas = vm_json_copy(replicas);
		if (made.replicas == NULL)
			return vm_error_nomem(err);
	}
	*intent = made;
	made = (struct vm_intent){ 0 };
	return 0;
}

int
vm_intent_load(struct vm_store *store, const char *service,
    struct vm_intent *intent, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	VM_CLEAN_FREE char *file = NULL;
	VM_CLEAN_FD int fd = -1;
	struct vm_error failure = { 0 };

	if (vm_record_check_name(service, err) == -1)
		return -1;
	if (store == NULL)
		return no_service(service, err);
	file = vm_buf_printf(err, "%s" SUFFIX, service);
	if (file == NULL)
		return -1;
	fd = open_services(store, false, &failure);
	if (fd == -1 ||
	    vm_fd_read_file(fd, file, 2 * VM_MANIFEST_MAX, &text, &failure) ==
		-1) {
		if (failure.kind == VM_E_NO_INPUT)
			return no_service(service, err);
		if (err != NULL)
			*err = failure;
		return -1;
	}
	if (parse(&text, service, intent, err) == -1)
		return vm_error_wrap(err, DIRECTORY "/%s", file);
	return 0;
}

static struct vm_json *
to_json(const struct vm_intent *intent, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *json = vm_json_new_object();
	VM_CLEAN_FREE char *directory = NULL;

	directory = realpath(intent->manifest.directory, NULL);
	if (directory == NULL) {
		vm_error_errno(err, errno, "%s", intent->manifest.directory);
		return NULL;
	}
	if (json == NULL || vm_json_set_int(json, "vmpipe", 1, err) == -1 ||
	    vm_json_set_string(json, "service",
		vm_json_string(intent->manifest.json, "service", ""),
		err) == -1 ||
	    vm_json_set_string(json, "directory", directory, err) == -1 ||
	    vm_json_set_string(json, "manifest", intent->manifest.text, err) ==
		-1)
		return NULL;
	if (intent->replicas != NULL &&
	    vm_json_set_member(json, "replicas", vm_json_copy(intent->replicas),
		err) == -1)
		return NULL;
	return VM_TAKE(json);
}

int
vm_intent_save(struct vm_store *store, const struct vm_intent *intent,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *json = to_json(intent, err);
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	VM_CLEAN_FREE char *file = NULL;
	VM_CLEAN_FD int fd = -1;

	if (json == NULL || vm_json_format(json, false, &text, err) == -1)
		return -1;
	file = vm_buf_printf(err, "%s" SUFFIX,
	    vm_json_string(json, "service", ""));
	if (file == NULL)
		return -1;
	fd = open_services(store, true, err);
	if (fd == -1)
		return -1;
	return vm_publish_file(store, fd, file, 0600, text.data, text.len, true,
	    err);
}

int
vm_intent_remove(struct vm_store *store, const char *service,
    struct vm_error *err)
{
	VM_CLEAN_FREE char *file = NULL;
	VM_CLEAN_FD int fd = -1;

	file = vm_buf_printf(err, "%s" SUFFIX, service);
	if (file == NULL)
		return -1;
	fd = open_services(store, false, NULL);
	if (fd == -1)
		return 0;
	if (unlinkat(fd, file, 0) == -1 && errno != ENOENT)
		return vm_error_errno(err, errno, DIRECTORY "/%s", file);
	return 0;
}

/* "shop.json": a service; what else may lie there is none. */
static int
is_service(const struct dirent *entry)
{
	char name[VM_NAME_MAX + 1];
	size_t len = strlen(entry->d_name), suffix = strlen(SUFFIX);

	if (len <= suffix || len - suffix >= sizeof(name) ||
	    strcmp(entry->d_name + len - suffix, SUFFIX) != 0)
		return 0;
	memcpy(name, entry->d_name, len - suffix);
	name[len - suffix] = '\0';
	return vm_record_check_name(name, NULL) == 0;
}

struct vm_json *
vm_intent_list(struct vm_store *store, struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *list = vm_json_new_array();
	struct dirent **entries = NULL;
	int count, failed = 0;

	if (list == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	count = scandirat(store->root_fd, DIRECTORY, &entries, is_service,
	    alphasort);
	if (count == -1 && errno != ENOENT) {
		vm_error_errno(err, errno, DIRECTORY);
		return NULL;
	}
	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;

		failed |= vm_json_append(list,
		    vm_json_new_string_len(name, strlen(name) - strlen(SUFFIX)),
		    err);
		free(entries[i]);
	}
	free(entries);
	return failed == 0 ? VM_TAKE(list) : NULL;
}

const struct vm_json *
vm_intent_role(const struct vm_intent *intent, const char *role,
    struct vm_error *err)
{
	const struct vm_json *roles = vm_json_get(intent->manifest.json,
	    "roles");
	const struct vm_json *found = vm_json_member(roles, role);
	struct vm_nearest nearest = { .word = role };

	if (found != NULL)
		return found;
	for (void *it = vm_json_first(roles); it != NULL;
	     it = vm_json_next(roles, it))
		vm_nearest_offer(&nearest, vm_json_key(it));
	vm_error_set(err, VM_E_NO_INPUT, "no_role",
	    "service %s has no role %s%s%s%s",
	    vm_json_string(intent->manifest.json, "service", ""), role,
	    nearest.best != NULL ? "; did you mean " : "",
	    nearest.best != NULL ? nearest.best : "",
	    nearest.best != NULL ? "?" : "");
	return NULL;
}

size_t
vm_intent_count(const struct vm_intent *intent, const char *role)
{
	const struct vm_json *spec, *scaled, *over, *now;
	int64_t count;

	spec = vm_json_member(vm_json_get(intent->manifest.json, "roles"),
	    role);
	scaled = vm_json_member(intent->replicas, role);
	over = vm_json_get(scaled, "over");
	now = vm_json_get(spec, "replicas");
	count = vm_json_int(scaled, "count", -1);
	if (count >= 0 &&
	    (over == NULL || now == NULL ? over == now :
					   vm_json_is_equal(over, now)))
		return (size_t)count;
	return vm_manifest_initial(spec);
}

int
vm_intent_scale(struct vm_intent *intent, const char *role, size_t count,
    struct vm_error *err)
{
	const struct vm_json *spec = vm_intent_role(intent, role, err);
	const struct vm_json *over;
	struct vm_json *scaled;
	int64_t min, max;

	if (spec == NULL)
		return -1;
	min = vm_json_int(spec, "replicas.min", 0);
	max = vm_json_int(spec, "replicas.max", INT_MAX);
	if ((int64_t)count < min || (int64_t)count > max)
		return vm_error_set(err, VM_E_USAGE, "out_of_range",
		    "role %s: the manifest allows %" PRId64 " to %" PRId64
		    " VMs, not %zu",
		    role, min, max, count);
	if (intent->replicas == NULL) {
		intent->replicas = vm_json_new_object();
		if (intent->replicas == NULL)
			return vm_error_nomem(err);
	}
	scaled = vm_json_new_object();
	if (vm_json_set_member(intent->replicas, role, scaled, err) == -1 ||
	    vm_json_set_int(scaled, "count", (int64_t)count, err) == -1)
		return -1;
	over = vm_json_get(spec, "replicas");
	return over == NULL ?
	    0 :
	    vm_json_set_member(scaled, "over", vm_json_copy(over), err);
}

void
vm_intent_release(struct vm_intent *intent)
{
	vm_manifest_release(&intent->manifest);
	vm_json_free(intent->replicas);
	*intent = (struct vm_intent){ 0 };
}
