#include "lib/image/ovf_manifest.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/store/publish.h"

#define FILE_MAX ((size_t)1 << 20)
#define SERVICE_MAX 50 /* leaves room for "-vm-10000" in a VM's name */
#define NAME_MAX_LEN 63
#define SHOWN 256

/* What a manifest admits (schema_role.c). */
#define MEMORY_MIN ((int64_t)16 << 20)
#define MEMORY_MAX ((int64_t)16 << 40)
#define ALIAS_MAX 63
#define DISKS_MAX 9 /* with the first */

/* --- for image.json ------------------------------------------------------ */

static int
describe(const struct vm_ovf *ovf, struct vm_json *made, struct vm_error *err)
{
	struct vm_json *networks = vm_json_new_array();

	if (vm_json_set(made, "networks", networks, err) == -1)
		return -1;
	for (size_t i = 0; i < ovf->nic_count; i++)
		if (vm_json_append(networks,
			vm_json_new_string(ovf->networks[i]), err) == -1)
			return -1;
	if ((ovf->cpus > 0 &&
		vm_json_set_int(made, "cpus", ovf->cpus, err) == -1) ||
	    (ovf->memory > 0 && ovf->memory <= INT64_MAX &&
		vm_json_set_int(made, "memory", (int64_t)ovf->memory, err) ==
		    -1) ||
	    (ovf->disks[0].capacity > 0 &&
		ovf->disks[0].capacity <= INT64_MAX &&
		vm_json_set_int(made, "disk", (int64_t)ovf->disks[0].capacity,
		    err) == -1))
		return -1;
	return vm_json_set_int(made, "blank_disks", (int64_t)ovf->blank_count,
	    err);
}

struct vm_json *
vm_ovf_manifest_describe(const struct vm_ovf *ovf, struct vm_error *err)
{
	struct vm_json *made VM_CLEAN_JSON = vm_json_new_object();

	if (made == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	return describe(ovf, made, err) == -1 ? NULL : VM_TAKE(made);
}

/* --- the text ------------------------------------------------------------ */

/* Some text as a name in a manifest: [a-z0-9][a-z0-9-]*; "" as `otherwise`. */
static void
make_name(const char *text, const char *otherwise, size_t max,
    char name[NAME_MAX_LEN + 1])
{
	size_t len = 0;

	for (; *text != '\0' && len < max; text++) {
		char c = (char)tolower((unsigned char)*text);
		bool is_plain = (c >= 'a' && c <= 'z') ||
		    (c >= '0' && c <= '9');

		if (is_plain)
			name[len++] = c;
		else if (len > 0 && name[len - 1] != '-')
			name[len++] = '-';
	}
	while (len > 0 && name[len - 1] == '-')
		len--;
	name[len] = '\0';
	if (len == 0)
		snprintf(name, NAME_MAX_LEN + 1, "%s", otherwise);
}

static int
add_networks(const struct vm_json *networks, struct vm_buf *text,
    struct vm_error *err)
{
	const char *first = vm_json_text(vm_json_at(networks, 0));

	if (vm_json_count(networks) == 0)
		return 0;
	if (vm_buf_add_string(text, "    networks:\n", err) == -1)
		return -1;
	for (size_t i = 0; i < vm_json_count(networks); i++) {
		const char *network = vm_json_text(vm_json_at(networks, i));
		char name[NAME_MAX_LEN + 1];

		make_name(network, "network", NAME_MAX_LEN, name);
		if ((strcmp(network, first) == 0 ?
			    vm_buf_add_string(text, "      - {user: true}\n",
				err) :
			    vm_buf_format(text, err,
				"      - {private: \"%s\"}\n", name)) == -1)
			return -1;
	}
	return 0;
}

/* How many of the disks a role can name: by alias, and not too many. */
static size_t
count_disks(const struct vm_json *facts, const char *alias)
{
	size_t disks = vm_json_count(vm_json_get(facts, "disks"));

	if (disks == 0 || strlen(alias) + strlen("-9") > ALIAS_MAX)
		return 1;
	return disks < DISKS_MAX ? disks : DISKS_MAX;
}

static int
add_disks(const struct vm_json *facts, const char *alias, struct vm_buf *text,
    struct vm_error *err)
{
	size_t disks = count_disks(facts, alias);

	for (size_t i = 2; i <= disks; i++)
		if (vm_buf_format(text, err,
			"%s      - {name: disk%zu, image: \"%s-%zu\"}\n",
			i == 2 ? "    disks:\n" : "", i, alias, i) == -1)
			return -1;
	return 0;
}

static int
add_machine(const struct vm_json *facts, const char *alias, struct vm_buf *text,
    struct vm_error *err)
{
	const struct vm_json *ovf = vm_json_get(facts, "ovf");
	int64_t cpus = vm_json_int(ovf, "cpus", 0);
	int64_t memory = vm_json_int(ovf, "memory", 0);
	int64_t disk = vm_json_int(ovf, "disk", 0);

	if (cpus > 0 &&
	    vm_buf_format(text, err, "    cpus: %lld\n", (long long)cpus) == -1)
		return -1;
	if (memory >= MEMORY_MIN && memory <= MEMORY_MAX &&
	    (memory % (1 << 20) == 0 ?
		    vm_buf_format(text, err, "    memory: %lldM\n",
			(long long)(memory >> 20)) :
		    vm_buf_format(text, err, "    memory: %lld\n",
			(long long)memory)) == -1)
		return -1;
	if (disk > vm_json_int(facts, "virtual_size", 0) &&
	    vm_buf_format(text, err, "    disk: %lld\n", (long long)disk) == -1)
		return -1;
	if (add_disks(facts, alias, text, err) == -1)
		return -1;
	return add_networks(vm_json_get(ovf, "networks"), text, err);
}

/* What a role cannot say. */
static int
add_remarks(const struct vm_json *facts, const char *alias, struct vm_buf *text,
    struct vm_error *err)
{
	size_t disks = vm_json_count(vm_json_get(facts, "disks"));
	long long blank = vm_json_int(facts, "ovf.blank_disks", 0);

	for (size_t i = count_disks(facts, alias) + 1; i <= disks; i++)
		if (vm_buf_format(text, err,
			"# Disk %zu is the image %s-%zu: not in this role.\n",
			i, alias, i) == -1)
			return -1;
	if (blank == 0)
		return 0;
	return vm_buf_format(text, err,
	    "# %lld empty disk%s of the OVF %s left out.\n", blank,
	    blank == 1 ? "" : "s", blank == 1 ? "is" : "are");
}

static int
format(const struct vm_json *facts, const char *alias, struct vm_buf *text,
    struct vm_error *err)
{
	char service[NAME_MAX_LEN + 1], source[SHOWN];

	if (vm_json_get(facts, "ovf") == NULL)
		return vm_error_set(err, VM_E_DATA, "no_ovf",
		    "the image came without an OVF, so there is nothing to "
		    "write a manifest from");
	make_name(alias, "appliance", SERVICE_MAX, service);
	vm_log_escape(vm_json_string(facts, "source", ""), source,
	    sizeof(source));
	if (vm_buf_format(text, err, "# As the OVF describes it: %s\n",
		source) == -1 ||
	    add_remarks(facts, alias, text, err) == -1 ||
	    vm_buf_format(text, err,
		"vmpipe: 1\nservice: \"%s\"\nroles:\n  vm:\n"
		"    image: {source: \"%s\"}\n",
		service, alias) == -1)
		return -1;
	return add_machine(facts, alias, text, err);
}

/* --- the file ------------------------------------------------------------ */

/* There is a file: is it this one? */
static int
compare(int dir_fd, const char *name, const struct vm_buf *text,
    struct vm_error *err)
{
	struct vm_buf old VM_CLEAN_BUF = { 0 };

	if (vm_fd_read_file(dir_fd, name, FILE_MAX, &old, NULL) == 0 &&
	    old.len == text->len && memcmp(old.data, text->data, old.len) == 0)
		return 0;
	vm_error_set(err, VM_E_EXISTS, "exists",
	    "there already, and says something else");
	return vm_error_hint(err,
	    "vmfetch --manifest-out with a name that is free");
}

int
vm_ovf_manifest_write(struct vm_store *store, const char *path,
    const struct vm_json *facts, const char *alias, struct vm_error *err)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;
	char *directory VM_CLEAN_FREE = slash == NULL ?
	    vm_buf_printf(err, ".") :
	    vm_buf_printf(err, "%.*s", (int)(slash - path + 1), path);
	struct vm_buf text VM_CLEAN_BUF = { 0 };
	struct vm_error failure = { 0 };
	VM_CLEAN_FD int dir_fd = -1;

	if (directory == NULL || format(facts, alias, &text, err) == -1)
		return -1;
	dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd == -1)
		return vm_error_errno(err, errno, "%s", path);
	if (vm_publish_file(store, dir_fd, name, 0644, text.data, text.len,
		false, &failure) == 0)
		return 0;
	if (failure.kind != VM_E_EXISTS) {
		if (err != NULL)
			*err = failure;
	} else if (compare(dir_fd, name, &text, err) == 0) {
		return 0;
	}
	return vm_error_wrap(err, "%s", path);
}
