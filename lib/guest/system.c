#include "lib/guest/system.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lib/guest/accounts.h"
#include "lib/guest/tree.h"

#define HOSTNAME_MAX_LEN 253
#define LABEL_MAX 63
#define OWN_ADDRESS "127.0.1.1"

static int
check_hostname(const char *name, struct vm_error *err)
{
	size_t label = 0, len = strlen(name);
	bool good = len > 0 && len <= HOSTNAME_MAX_LEN;

	for (size_t i = 0; good && i <= len; i++) {
		if (name[i] == '.' || name[i] == '\0') {
			good = label > 0 && label <= LABEL_MAX &&
			    name[i - 1] != '-';
			label = 0;
		} else {
			good = isalnum((unsigned char)name[i]) ||
			    (name[i] == '-' && label > 0);
			label++;
		}
	}
	if (good)
		return 0;
	return vm_error_set(err, VM_E_DATA, "bad_hostname",
	    "\"%.80s\": not a host name (letters, digits and '-' in labels of "
	    "at most 63, separated by dots)",
	    name);
}

/* Copy the lines of hosts that are not our own address's. */
static int
copy_hosts(const struct vm_buf *old, struct vm_buf *next, struct vm_error *err)
{
	const size_t len = strlen(OWN_ADDRESS);
	const char *p = old->data, *end;

	for (; p != NULL && *p != '\0'; p = end) {
		end = strchrnul(p, '\n');
		if (*end == '\n')
			end++;
		if (strncmp(p, OWN_ADDRESS, len) == 0 &&
		    isspace((unsigned char)p[len]))
			continue;
		if (vm_buf_add(next, p, (size_t)(end - p), err) == -1)
			return -1;
	}
	if (next->len > 0 && next->data[next->len - 1] != '\n')
		return vm_buf_add(next, "\n", 1, err);
	return 0;
}

static int
set_hosts(const struct vm_engine *engine, const char *name,
    struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf old = { 0 };
	VM_CLEAN_BUF struct vm_buf next = { 0 };
	int label = (int)strcspn(name, ".");

	if (vm_tree_read(engine, "/etc/hosts", &old, err) == -1 ||
	    copy_hosts(&old, &next, err) == -1)
		return -1;
	if (old.len == 0 &&
	    vm_buf_add_string(&next, "127.0.0.1\tlocalhost\n", err) == -1)
		return -1;
	if (vm_buf_format(&next, err, OWN_ADDRESS "\t%s", name) == -1)
		return -1;
	if (name[label] == '.' &&
	    vm_buf_format(&next, err, " %.*s", label, name) == -1)
		return -1;
	if (vm_buf_add(&next, "\n", 1, err) == -1)
		return -1;
	return vm_tree_write(engine, "/etc/hosts", next.data, next.len,
	    &vm_tree_keep, err);
}

int
vm_system_set_hostname(const struct vm_engine *engine, const char *name,
    struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf line = { 0 };

	if (check_hostname(name, err) == -1 ||
	    vm_buf_format(&line, err, "%s\n", name) == -1 ||
	    vm_tree_write(engine, "/etc/hostname", line.data, line.len,
		&vm_tree_keep, err) == -1)
		return -1;
	return set_hosts(engine, name, err);
}

int
vm_system_clear_hostname(const struct vm_engine *engine, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf old = { 0 };
	VM_CLEAN_BUF struct vm_buf next = { 0 };

	if (vm_tree_remove(engine, "/etc/hostname", err) == -1 ||
	    vm_tree_read(engine, "/etc/hosts", &old, err) == -1 ||
	    copy_hosts(&old, &next, err) == -1)
		return -1;
	if (next.len == old.len)
		return 0;
	return vm_tree_write(engine, "/etc/hosts",
	    next.data == NULL ? "" : next.data, next.len, &vm_tree_keep, err);
}

int
vm_system_authorize_key(const struct vm_engine *engine, const char *user,
    const char *key, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf passwd = { 0 };
	VM_CLEAN_BUF struct vm_buf path = { 0 };
	char home[VM_ACCOUNT_FIELD_MAX], uid[VM_ACCOUNT_FIELD_MAX],
	    gid[VM_ACCOUNT_FIELD_MAX];
	size_t len = strcspn(key, "\r\n");

	if (vm_tree_read(engine, "/etc/passwd", &passwd, err) == -1)
		return -1;
	if (!vm_accounts_get(&passwd, user, 2, uid) ||
	    !vm_accounts_get(&passwd, user, 3, gid) ||
	    !vm_accounts_get(&passwd, user, 5, home))
		return vm_error_set(err, VM_E_DATA, "no_user",
		    "%s: no such user in the guest", user);
	struct vm_tree_attr attr = { .mode = 0700,
		.uid = strtoll(uid, NULL, 10),
		.gid = strtoll(gid, NULL, 10) };
	if (vm_buf_format(&path, err, "%s/.ssh", home) == -1 ||
	    vm_tree_make_dirs(engine, path.data, &attr, err) == -1)
		return -1;
	attr.mode = 0600;
	if (vm_buf_add_string(&path, "/authorized_keys", err) == -1)
		return -1;
	VM_CLEAN_FREE char *line = strndup(key, len);
	if (line == NULL)
		return vm_error_nomem(err);
	return vm_tree_append_line(engine, path.data, line, true, &attr, err);
}

int
vm_system_relabel(const struct vm_engine *engine, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	int there = vm_tree_read(engine, "/etc/selinux/config", &text, err);
	char *rest = text.data, *line;
	bool is_on = false;

	if (there != 1)
		return there;
	while ((line = strsep(&rest, "\n")) != NULL)
		if (strncmp(line, "SELINUX=", 8) == 0)
			is_on = strncmp(line + 8, "disabled", 8) != 0;
	if (!is_on)
		return 0;
	return vm_tree_write(engine, "/.autorelabel", "", 0, &vm_tree_keep,
	    err);
}
