#include <stdio.h>
#include <string.h>

#include "lib/view/view.h"
#include "lib/view/view_object.h"

static const char *const formats[] = { "ssh-config", "known-hosts", "hosts",
	"ansible", NULL };

int
vm_view_parse_format(const char *word, enum vm_view_format *format,
    struct vm_error *err)
{
	for (size_t i = 0; formats[i] != NULL; i++) {
		if (strcmp(formats[i], word) == 0) {
			*format = (enum vm_view_format)i;
			return 0;
		}
	}
	return vm_view_refuse_word("format", word, formats, err);
}

/* One word of printable ASCII, spaces inside allowed where asked for. */
static bool
is_plain(const char *text, bool spaces)
{
	if (text[0] == '\0' || text[0] == ' ' || text[0] == '#')
		return false;
	for (; *text != '\0'; text++) {
		if (*text < ' ' || *text > '~' || *text == '"' ||
		    *text == '\\' || (*text == ' ' && !spaces))
			return false;
	}
	return true;
}

/* The text at path when it is plain, else NULL. */
static const char *
get_plain(const struct vm_json *record, const char *path, bool spaces)
{
	const char *text = vm_json_string(record, path, NULL);

	return text != NULL && is_plain(text, spaces) ? text : NULL;
}

/* How vmssh gets there. */
struct access {
	const char *name, *user, *host;
	long long port;
};

static bool
get_access(const struct vm_json *record, struct access *access)
{
	access->name = get_plain(record, "name", false);
	access->user = get_plain(record, "ssh.user", false);
	access->host = get_plain(record, "ssh.host", false);
	access->port = vm_json_int(record, "ssh.port", 22);
	return access->name != NULL && access->user != NULL &&
	    access->host != NULL && access->port > 0 && access->port < 65536;
}

static int
add_ssh_config(const struct vm_json *record, struct vm_buf *out,
    struct vm_error *err)
{
	struct access access;

	if (!get_access(record, &access))
		return 0;
	return vm_buf_format(out, err,
	    "Host %s\n"
	    "\tHostName %s\n"
	    "\tPort %lld\n"
	    "\tUser %s\n"
	    "\tHostKeyAlias %s\n"
	    "\tStrictHostKeyChecking yes\n",
	    access.name, access.host, access.port, access.user, access.name);
}

/* By name, as ssh-config's HostKeyAlias looks for it, and by address. */
static int
add_known_hosts(const struct vm_json *record, struct vm_buf *out,
    struct vm_error *err)
{
	const struct vm_json *keys = vm_json_get(record,
	    "identity.ssh_host_keys");
	const char *name = get_plain(record, "name", false);
	struct access access;
	bool reachable = get_access(record, &access);

	for (size_t i = 0; name != NULL && i < vm_json_count(keys); i++) {
		const char *key = vm_json_text(vm_json_at(keys, i));

		if (key == NULL || !is_plain(key, true))
			continue;
		if (vm_buf_format(out, err, "%s", name) == -1)
			return -1;
		if (reachable &&
		    vm_buf_format(out, err, ",[%s]:%lld", access.host,
			access.port) == -1)
			return -1;
		if (vm_buf_format(out, err, " %s\n", key) == -1)
			return -1;
	}
	return 0;
}

/* "10.0.0.13/24" is the address 10.0.0.13. */
static int
add_hosts(const struct vm_json *record, struct vm_buf *out,
    struct vm_error *err)
{
	const struct vm_json *nics = vm_json_get(record, "identity.nics");
	const char *name = get_plain(record, "name", false);
	const char *hostname = get_plain(record, "identity.hostname", false);

	if (name == NULL)
		return 0;
	for (size_t i = 0; i < vm_json_count(nics); i++) {
		const char *address = get_plain(vm_json_at(nics, i), "address",
		    false);

		if (address == NULL)
			continue;
		if (vm_buf_format(out, err, "%.*s\t%s",
			(int)strcspn(address, "/"), address, name) == -1)
			return -1;
		if (hostname != NULL && strcmp(hostname, name) != 0 &&
		    vm_buf_format(out, err, " %s", hostname) == -1)
			return -1;
		if (vm_buf_add_string(out, "\n", err) == -1)
			return -1;
	}
	return 0;
}

/* A group per role: [shop_web]; a dash would be refused in its name. */
static void
format_group(const struct vm_json *record, char *out, size_t size)
{
	const char *service = get_plain(record, "service", false);
	const char *role = get_plain(record, "role", false);

	if (service != NULL && role != NULL)
		snprintf(out, size, "%s_%s", service, role);
	else
		snprintf(out, size, "ungrouped");
	for (char *c = out; *c != '\0'; c++)
		if (*c == '-')
			*c = '_';
}

static int
add_ansible(const struct vm_json *record, const char *group, struct vm_buf *out,
    struct vm_error *err)
{
	struct access access;
	char own[256];

	format_group(record, own, sizeof(own));
	if (strcmp(own, group) != 0 || !get_access(record, &access))
		return 0;
	return vm_buf_format(out, err,
	    "%s ansible_host=%s ansible_port=%lld ansible_user=%s\n",
	    access.name, access.host, access.port, access.user);
}

/* Each group once, in the order in which it first comes. */
static int
add_groups(const struct vm_records *records, struct vm_buf *out,
    struct vm_error *err)
{
	VM_CLEAN_JSON struct vm_json *done = vm_json_new_object();
	char group[256];

	if (done == NULL)
		return vm_error_nomem(err);
	for (size_t i = 0; i < records->count; i++) {
		format_group(records->items[i], group, sizeof(group));
		if (vm_json_member(done, group) != NULL)
			continue;
		if (vm_json_set_member(done, group, vm_json_new_null(), err) ==
			-1 ||
		    vm_buf_format(out, err, "%s[%s]\n", i > 0 ? "\n" : "",
			group) == -1)
			return -1;
		for (size_t j = i; j < records->count; j++)
			if (add_ansible(records->items[j], group, out, err) ==
			    -1)
				return -1;
	}
	return 0;
}

int
vm_view_export(const struct vm_records *records, enum vm_view_format format,
    struct vm_buf *out, struct vm_error *err)
{
	static int (*const add[])(const struct vm_json *, struct vm_buf *,
	    struct vm_error *) = {
		[VM_VIEW_SSH_CONFIG] = add_ssh_config,
		[VM_VIEW_KNOWN_HOSTS] = add_known_hosts,
		[VM_VIEW_HOSTS] = add_hosts,
	};

	if (format == VM_VIEW_ANSIBLE)
		return add_groups(records, out, err);
	for (size_t i = 0; i < records->count; i++)
		if (add[format](records->items[i], out, err) == -1)
			return -1;
	return 0;
}
