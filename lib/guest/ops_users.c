#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/adapt/crypt.h"
#include "lib/guest/accounts.h"
#include "lib/guest/ops_private.h"
#include "lib/guest/system.h"

#define PASSWD "/etc/passwd"
#define SHADOW "/etc/shadow"
#define GROUP "/etc/group"
#define GSHADOW "/etc/gshadow"
#define SKELETON "/etc/skel"
#define SECRET_MAX ((size_t)4096)
#define KEY_MAX ((size_t)64 << 10)
#define DAY 86400

/* What /etc says about accounts, while one is being changed. */
struct etc {
	struct vm_buf passwd, shadow, group, gshadow;
	bool has_gshadow;
};

static void
release_etc(struct etc *etc)
{
	vm_buf_release(&etc->passwd);
	vm_buf_release(&etc->shadow);
	vm_buf_release(&etc->group);
	vm_buf_release(&etc->gshadow);
}

static int
read_etc(const struct vm_engine *engine, struct etc *etc, struct vm_error *err)
{
	int gshadow;

	if (vm_tree_read(engine, PASSWD, &etc->passwd, err) == -1 ||
	    vm_tree_read(engine, SHADOW, &etc->shadow, err) == -1 ||
	    vm_tree_read(engine, GROUP, &etc->group, err) == -1 ||
	    (gshadow = vm_tree_read(engine, GSHADOW, &etc->gshadow, err)) == -1)
		return -1;
	etc->has_gshadow = gshadow == 1;
	return 0;
}

static int
write_etc(const struct vm_engine *engine, const struct etc *etc,
    struct vm_error *err)
{
	const struct {
		const char *path;
		const struct vm_buf *text;
	} files[] = { { PASSWD, &etc->passwd }, { SHADOW, &etc->shadow },
		{ GROUP, &etc->group }, { GSHADOW, &etc->gshadow } };
	size_t count = etc->has_gshadow ? 4 : 3;

	for (size_t i = 0; i < count; i++)
		if (vm_tree_write(engine, files[i].path, files[i].text->data,
			files[i].text->len, &vm_tree_keep, err) == -1)
			return -1;
	return 0;
}

/* The hash for a secret: {"hash"}, {"file","sha256"} or {"plain"}. */
static int
get_hash(const struct vm_op_context *context, const struct vm_json *secret,
    char hash[VM_CRYPT_TEXT], struct vm_error *err)
{
	const char *given = vm_json_string(secret, "hash", NULL);
	const char *plain = vm_json_string(secret, "plain", NULL);
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	int result;

	if (given != NULL) {
		if (strlen(given) >= VM_CRYPT_TEXT ||
		    strpbrk(given, ":\r\n") != NULL)
			return vm_error_set(err, VM_E_DATA, "bad_password",
			    "not a password hash of crypt(5)");
		snprintf(hash, VM_CRYPT_TEXT, "%s", given);
		return 0;
	}
	if (plain != NULL)
		return vm_crypt_hash(plain, hash, err);
	if (vm_op_read_file(context, secret, SECRET_MAX, &text, err) == -1)
		return -1;
	if (text.data != NULL)
		text.data[strcspn(text.data, "\r\n")] = '\0';
	result = vm_crypt_hash(text.data == NULL ? "" : text.data, hash, err);
	if (text.data != NULL)
		explicit_bzero(text.data, text.len);
	return result;
}

/* Copy what is in `from` to the new home; directories too. */
static int
copy_skeleton(const struct vm_engine *engine, const char *from, const char *to,
    const struct vm_tree_attr *owner, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf names = { 0 };
	int there = vm_tree_has(engine, from, err);

	if (there != 1)
		return there;
	if (engine->ops->list(engine->state, from, &names, err) == -1)
		return -1;
	for (size_t at = 0; at < names.len; at += strlen(names.data + at) + 1) {
		VM_CLEAN_BUF struct vm_buf text = { 0 };
		VM_CLEAN_FREE char *source = vm_buf_printf(err, "%s/%s", from,
		    names.data + at);
		VM_CLEAN_FREE char *dest = vm_buf_printf(err, "%s/%s", to,
		    names.data + at);
		struct vm_engine_stat st;
		struct vm_tree_attr attr = *owner;

		if (source == NULL || dest == NULL ||
		    engine->ops->stat(engine->state, source, &st, err) == -1)
			return -1;
		attr.mode = (int)st.mode;
		if (st.type == VM_ENGINE_DIR &&
		    (vm_tree_make_dirs(engine, dest, &attr, err) == -1 ||
			copy_skeleton(engine, source, dest, owner, err) == -1))
			return -1;
		if (st.type == VM_ENGINE_FILE &&
		    (engine->ops->read(engine->state, source, &text, err) ==
			    -1 ||
			vm_tree_write(engine, dest, text.data, text.len, &attr,
			    err) == -1))
			return -1;
	}
	return 0;
}

/* The group of the user's own name, and its number. */
static int
add_own_group(struct etc *etc, const char *name, uint32_t id, uint32_t *gid,
    struct vm_error *err)
{
	char field[VM_ACCOUNT_FIELD_MAX], line[2 * VM_ACCOUNT_FIELD_MAX];

	if (vm_accounts_get(&etc->group, name, 2, field)) {
		*gid = (uint32_t)strtoul(field, NULL, 10);
		return 0;
	}
	*gid = id;
	snprintf(line, sizeof line, "%s:x:%u:", name, id);
	if (vm_accounts_add(&etc->group, line, err) == -1)
		return -1;
	if (!etc->has_gshadow || vm_accounts_has(&etc->gshadow, name))
		return 0;
	snprintf(line, sizeof line, "%s:!::", name);
	return vm_accounts_add(&etc->gshadow, line, err);
}

/* A new account, without a password ("*" still lets keys log in). */
static int
add_account(struct etc *etc, const char *name, const char *shell,
    struct vm_tree_attr *owner, struct vm_error *err)
{
	VM_CLEAN_FREE char *line = NULL;
	uint32_t uid, gid;

	if (vm_accounts_free_id(&etc->passwd, &etc->group, &uid, err) == -1 ||
	    add_own_group(etc, name, uid, &gid, err) == -1)
		return -1;
	line = vm_buf_printf(err, "%s:x:%u:%u::/home/%s:%s", name, uid, gid,
	    name, shell);
	if (line == NULL || vm_accounts_add(&etc->passwd, line, err) == -1)
		return -1;
	owner->uid = uid;
	owner->gid = gid;
	if (vm_accounts_has(&etc->shadow, name))
		return 0;
	VM_CLEAN_FREE char *shadow = vm_buf_printf(err,
	    "%s:*:%lld:0:99999:7:::", name, (long long)(time(NULL) / DAY));
	return shadow == NULL ? -1 : vm_accounts_add(&etc->shadow, shadow, err);
}

static int
join_groups(struct etc *etc, const char *name, const struct vm_json *groups,
    struct vm_error *err)
{
	for (size_t i = 0; i < vm_json_count(groups); i++) {
		const char *group = vm_json_text(vm_json_at(groups, i));

		if (vm_accounts_join(&etc->group, group, 3, name, err) == -1)
			return -1;
		if (vm_accounts_has(&etc->gshadow, group) &&
		    vm_accounts_join(&etc->gshadow, group, 3, name, err) == -1)
			return -1;
	}
	return 0;
}

/* Everything that /etc says about the account; *owner when it is new. */
static int
change_account(const struct vm_op_context *context, const struct vm_json *args,
    struct etc *etc, bool *is_new, struct vm_tree_attr *owner,
    struct vm_error *err)
{
	const struct vm_json *secret = vm_json_get(args, "password");
	const char *name = vm_json_string(args, "name", "");
	const char *shell = vm_json_string(args, "shell", NULL);
	char hash[VM_CRYPT_TEXT];

	*is_new = !vm_accounts_has(&etc->passwd, name);
	if (*is_new) {
		int bash = vm_tree_has(context->engine, "/bin/bash", err);

		if (bash == -1 ||
		    add_account(etc, name,
			shell != NULL ? shell :
			    bash      ? "/bin/bash" :
					"/bin/sh",
			owner, err) == -1)
			return -1;
	} else if (shell != NULL &&
	    vm_accounts_set(&etc->passwd, name, 6, shell, err) == -1) {
		return -1;
	}
	if (join_groups(etc, name, vm_json_get(args, "groups"), err) == -1)
		return -1;
	if (secret == NULL)
		return 0;
	if (get_hash(context, secret, hash, err) == -1)
		return -1;
	return vm_accounts_set(&etc->shadow, name, 1, hash, err);
}

static int
make_home(const struct vm_engine *engine, const char *name,
    const struct vm_tree_attr *owner, struct vm_error *err)
{
	VM_CLEAN_FREE char *home = vm_buf_printf(err, "/home/%s", name);

	if (home == NULL || vm_tree_make_dirs(engine, home, owner, err) == -1)
		return -1;
	return copy_skeleton(engine, SKELETON, home, owner, err);
}

/* A file for sudo(8); it skips names with a dot, so those become '_'. */
static int
allow_sudo(const struct vm_engine *engine, const char *name,
    struct vm_error *err)
{
	const struct vm_tree_attr dir = { 0750, 0, 0 }, file = { 0440, 0, 0 };
	VM_CLEAN_BUF struct vm_buf path = { 0 };
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	char *p;

	if (vm_tree_make_dirs(engine, "/etc/sudoers.d", &dir, err) == -1 ||
	    vm_buf_format(&path, err, "/etc/sudoers.d/vmpipe-%s", name) == -1)
		return -1;
	for (p = path.data + strlen("/etc/sudoers.d/"); *p != '\0'; p++)
		if (*p == '.')
			*p = '_';
	if (vm_buf_format(&text, err, "%s ALL=(ALL:ALL) NOPASSWD: ALL\n",
		name) == -1)
		return -1;
	return vm_tree_write(engine, path.data, text.data, text.len, &file,
	    err);
}

/* One KEY: {"key"} or {"file","sha256"}, each line of which is a key. */
static int
add_key(const struct vm_op_context *context, const char *user,
    const struct vm_json *key, struct vm_error *err)
{
	const char *given = vm_json_string(key, "key", NULL);
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	char *rest, *line;

	if (given != NULL)
		return vm_system_authorize_key(context->engine, user, given,
		    err);
	if (vm_op_read_file(context, key, KEY_MAX, &text, err) == -1)
		return -1;
	rest = text.data;
	while ((line = strsep(&rest, "\r\n")) != NULL)
		if (line[0] != '\0' && line[0] != '#' &&
		    vm_system_authorize_key(context->engine, user, line, err) ==
			-1)
			return -1;
	return 0;
}

int
vm_op_user(const struct vm_op_context *context, const struct vm_json *args,
    struct vm_error *err)
{
	const struct vm_json *keys = vm_json_get(args, "ssh_keys");
	const char *name = vm_json_string(args, "name", "");
	VM_CLEAN(release_etc) struct etc etc = { 0 };
	struct vm_tree_attr owner = { .mode = 0700 };
	bool is_new;

	if (vm_accounts_check_name(name, err) == -1 ||
	    read_etc(context->engine, &etc, err) == -1 ||
	    change_account(context, args, &etc, &is_new, &owner, err) == -1 ||
	    write_etc(context->engine, &etc, err) == -1)
		return -1;
	if (is_new && make_home(context->engine, name, &owner, err) == -1)
		return -1;
	for (size_t i = 0; i < vm_json_count(keys); i++)
		if (add_key(context, name, vm_json_at(keys, i), err) == -1)
			return -1;
	if (!vm_json_bool(args, "sudo", false))
		return 0;
	return allow_sudo(context->engine, name, err);
}

int
vm_op_root_password(const struct vm_op_context *context,
    const struct vm_json *args, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf shadow = { 0 };
	char hash[VM_CRYPT_TEXT];

	if (get_hash(context, args, hash, err) == -1 ||
	    vm_tree_read(context->engine, SHADOW, &shadow, err) == -1 ||
	    vm_accounts_set(&shadow, "root", 1, hash, err) == -1)
		return -1;
	return vm_tree_write(context->engine, SHADOW, shadow.data, shadow.len,
	    &vm_tree_keep, err);
}

int
vm_op_ssh_inject(const struct vm_op_context *context,
    const struct vm_json *args, struct vm_error *err)
{
	return add_key(context, vm_json_string(args, "user", ""), args, err);
}
