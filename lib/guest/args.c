#include "lib/guest/args.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lib/adapt/crypt.h"
#include "lib/adapt/crypto_hash.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/guest/caller_key.h"
#include "lib/record/manifest_files.h"
#include "lib/record/schema.h"
#include "lib/store/file.h"

#define SECRET_MAX ((size_t)4096)
#define RANDOM_LEN 16

/* How an option's value becomes arguments. */
typedef int add_function(struct vm_json *ops, const char *name,
    const char *value, struct vm_error *err);

struct option {
	const char *name; /* of the option, without the dashes */
	add_function *add;
	const char *first, *second; /* members of PART:REST */
};

/* Check {name: args} and append it; args is taken. */
static int
append(struct vm_json *ops, const char *option, struct vm_json *args,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *op = vm_json_new_object();
	VM_CLEAN_FREE char *name = strdup(option);
	struct vm_json *checked;

	if (op == NULL || name == NULL) {
		vm_json_free(args);
		return vm_error_nomem(err);
	}
	for (char *p = name; *p != '\0'; p++)
		if (*p == '-')
			*p = '_';
	if (vm_json_set_member(op, name, args, err) == -1)
		return -1;
	checked = vm_schema_check_json(&vm_schema_operation, op, "", true, err);
	if (checked != NULL)
		return vm_json_append(ops, checked, err);
	if (err != NULL && err->kind == VM_E_DATA)
		err->kind = VM_E_USAGE;
	return vm_error_wrap(err, "--%s", option);
}

static int
add_text(struct vm_json *ops, const char *name, const char *value,
    struct vm_error *err)
{
	return append(ops, name, vm_json_new_string(value), err);
}

static int
add_list(struct vm_json *ops, const char *name, const char *value,
    struct vm_error *err)
{
	VM_CLEAN_FREE char *copy = strdup(value);
	VM_CLEAN_JSON struct vm_json *list = vm_json_new_array();
	char *rest = copy, *item;

	if (copy == NULL)
		return vm_error_nomem(err);
	while ((item = strsep(&rest, ",")) != NULL)
		if (vm_json_append(list, vm_json_new_string(item), err) == -1)
			return -1;
	return append(ops, name, VM_TAKE(list), err);
}

/* {first: the part before the first colon, second: the rest}. */
static struct vm_json *
split(const char *name, const char *value, const char *first,
    const char *second, struct vm_error *err)
{
	const char *colon = strchr(value, ':');
	VM_CLEAN_JSON struct vm_json *args = vm_json_new_object();

	if (colon == NULL) {
		vm_error_set(err, VM_E_USAGE, "usage",
		    "--%s %s: a colon and a second part are missing", name,
		    value);
		return NULL;
	}
	if (vm_json_set(args, first,
		vm_json_new_string_len(value, (size_t)(colon - value)),
		err) == -1 ||
	    vm_json_set_string(args, second, colon + 1, err) == -1)
		return NULL;
	return VM_TAKE(args);
}

static int
add_link(struct vm_json *ops, const char *name, const char *value,
    struct vm_error *err)
{
	VM_CLEAN_FREE char *copy = strdup(value);
	char *rest = copy, *target, *link;

	if (copy == NULL)
		return vm_error_nomem(err);
	target = strsep(&rest, ":");
	if (rest == NULL)
		return vm_error_set(err, VM_E_USAGE, "usage",
		    "--%s %s: TARGET:LINK is meant", name, value);
	while ((link = strsep(&rest, ":")) != NULL) {
		struct vm_json *args = vm_json_new_object();

		if (vm_json_set_string(args, "target", target, err) == -1 ||
		    vm_json_set_string(args, "path", link, err) == -1) {
			vm_json_free(args);
			return -1;
		}
		if (append(ops, name, args, err) == -1)
			return -1;
	}
	return 0;
}

/* Letters and digits that cannot be taken for one another; 5 bits each. */
static int
make_password(char out[RANDOM_LEN + 1], struct vm_error *err)
{
	static const char alphabet[] = "abcdefghijkmnpqrstuvwxyz23456789";
	unsigned char noise[RANDOM_LEN];

	if (vm_hash_random(noise, sizeof noise, err) == -1)
		return -1;
	for (size_t i = 0; i < RANDOM_LEN; i++)
		out[i] = alphabet[noise[i] & 31];
	out[RANDOM_LEN] = '\0';
	vm_log(VM_LOG_WARN, "root's password is %s", out);
	return 0;
}

static int
hash_file(const char *path, char hash[VM_CRYPT_TEXT], struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	int result;

	if (vm_fd_read_file(AT_FDCWD, path, SECRET_MAX, &text, err) == -1)
		return -1;
	if (text.data != NULL)
		text.data[strcspn(text.data, "\r\n")] = '\0';
	result = vm_crypt_hash(text.data == NULL ? "" : text.data, hash, err);
	if (text.data != NULL)
		explicit_bzero(text.data, text.len);
	return result;
}

static int
add_password(struct vm_json *ops, const char *name, const char *value,
    struct vm_error *err)
{
	char hash[VM_CRYPT_TEXT], password[RANDOM_LEN + 1];
	struct vm_json *args;
	int result = 0;

	if (strncmp(value, "password:", 9) == 0)
		result = vm_crypt_hash(value + 9, hash, err);
	else if (strncmp(value, "file:", 5) == 0)
		result = hash_file(value + 5, hash, err);
	else if (strcmp(value, "random") == 0)
		result = make_password(password, err) == -1 ?
		    -1 :
		    vm_crypt_hash(password, hash, err);
	else if (strcmp(value, "disabled") == 0)
		snprintf(hash, sizeof hash, "*");
	else
		return vm_error_set(err, VM_E_USAGE, "usage",
		    "--%s: password:TEXT, file:FILE, random or disabled is "
		    "meant",
		    name);
	if (result == -1)
		return -1;
	args = vm_json_new_object();
	if (vm_json_set_string(args, "hash", hash, err) == -1) {
		vm_json_free(args);
		return -1;
	}
	return append(ops, name, args, err);
}

static int
add_key(struct vm_json *ops, const char *name, const char *value,
    struct vm_error *err)
{
	size_t user = strcspn(value, ":");
	const char *selector = value + user;
	VM_CLEAN_JSON struct vm_json *args = vm_json_new_object();
	int result = vm_json_set(args, "user",
	    vm_json_new_string_len(value, user), err);

	if (result == 0 && strncmp(selector, ":file:", 6) == 0)
		result = vm_json_set_string(args, "file", selector + 6, err);
	else if (result == 0 && strncmp(selector, ":string:", 8) == 0)
		result = vm_json_set_string(args, "key", selector + 8, err);
	else if (result == 0 && selector[0] != '\0')
		result = vm_error_set(err, VM_E_USAGE, "usage",
		    "--%s %s: USER, USER:file:FILE or USER:string:KEY is "
		    "meant",
		    name, value);
	return result == -1 ? -1 : append(ops, name, VM_TAKE(args), err);
}

static const struct option options[] = {
	{ "hostname", add_text, NULL, NULL },
	{ "timezone", add_text, NULL, NULL },
	{ "mkdir", add_text, NULL, NULL },
	{ "delete", add_text, NULL, NULL },
	{ "run", add_text, NULL, NULL },
	{ "run-command", add_text, NULL, NULL },
	{ "firstboot", add_text, NULL, NULL },
	{ "firstboot-command", add_text, NULL, NULL },
	{ "install", add_list, NULL, NULL },
	{ "write", NULL, "path", "content" },
	{ "append-line", NULL, "path", "line" },
	{ "upload", NULL, "source", "path" },
	{ "chmod", NULL, "mode", "path" },
	{ "link", add_link, NULL, NULL },
	{ "root-password", add_password, NULL, NULL },
	{ "ssh-inject", add_key, NULL, NULL },
};

int
vm_args_add(struct vm_json *ops, const char *name, const char *value,
    struct vm_error *err)
{
	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
		const struct option *option = &options[i];
		struct vm_json *args;

		if (strcmp(option->name, name) != 0)
			continue;
		if (option->add != NULL)
			return option->add(ops, name, value, err);
		args = split(name, value, option->first, option->second, err);
		return args == NULL ? -1 : append(ops, name, args, err);
	}
	return vm_error_set(err, VM_E_BUG, "bad_option",
	    "--%s stands for no operation", name);
}

static int
import_file(void *context, struct vm_json *object, const char *path,
    struct vm_error *err)
{
	char hex[VM_HASH_SHA256_HEX];

	if (vm_file_import(context, AT_FDCWD, path, hex, err) == -1)
		return -1;
	return vm_json_set_string(object, "sha256", hex, err);
}

int
vm_args_import(struct vm_store *store, struct vm_json *ops, bool dry_run,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *role = vm_json_new_object();
	struct vm_json *copy = vm_json_copy(ops);

	if (vm_json_set(role, "customize", copy, err) == -1)
		return -1;
	if ((dry_run ?
		    vm_manifest_digest_files(role, ".", err) :
		    vm_manifest_each_file(role, import_file, store, err)) == -1)
		return -1;
	/* the same elements, completed */
	for (size_t i = 0; i < vm_json_count(ops); i++) {
		char index[24];

		snprintf(index, sizeof index, "%zu", i);
		if (vm_json_set(ops, index, vm_json_copy(vm_json_at(copy, i)),
			err) == -1)
			return -1;
	}
	return vm_caller_key_resolve(ops, err);
}
