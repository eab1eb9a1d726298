#include "lib/guest/caller_key.h"

#include <sys/stat.h>

#include <fcntl.h>
#include <glob.h>
#include <string.h>

#include "lib/base/fd.h"

#define KEY_MAX ((size_t)16 << 10)

/* The newest of the files that match; the index, or -1. */
static int
newest(const glob_t *found)
{
	struct timespec best = { 0 };
	int which = -1;

	for (size_t i = 0; i < found->gl_pathc; i++) {
		struct stat st;

		if (strstr(found->gl_pathv[i], "-cert.pub") != NULL ||
		    stat(found->gl_pathv[i], &st) == -1 || !S_ISREG(st.st_mode))
			continue;
		if (which == -1 || st.st_mtim.tv_sec > best.tv_sec ||
		    (st.st_mtim.tv_sec == best.tv_sec &&
			st.st_mtim.tv_nsec > best.tv_nsec)) {
			best = st.st_mtim;
			which = (int)i;
		}
	}
	return which;
}

/* The key's one line, owned by the caller. */
static char *
read_key(struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	VM_CLEAN_FREE char *pattern = NULL;
	glob_t found = { 0 };
	const char *home = getenv("HOME");
	int which = -1, result = -1;

	if (home != NULL && home[0] == '/') {
		pattern = vm_buf_printf(err, "%s/.ssh/id*.pub", home);
		if (pattern == NULL)
			return NULL;
		if (glob(pattern, 0, NULL, &found) == 0)
			which = newest(&found);
	}
	if (which >= 0)
		result = vm_fd_read_file(AT_FDCWD, found.gl_pathv[which],
		    KEY_MAX, &text, err);
	globfree(&found);
	if (which == -1) {
		vm_error_set(err, VM_E_NO_INPUT, "no_key",
		    "no public key of yours (~/.ssh/id*.pub) to inject");
		vm_error_hint(err, "ssh-keygen -t ed25519");
		return NULL;
	}
	if (result == -1)
		return NULL;
	if (text.data != NULL)
		text.data[strcspn(text.data, "\r\n")] = '\0';
	if (text.data == NULL || strchr(text.data, ' ') == NULL) {
		vm_error_set(err, VM_E_DATA, "no_key", "%s: not a public key",
		    pattern);
		return NULL;
	}
	return vm_buf_printf(err, "%s", text.data);
}

int
vm_caller_key_resolve(struct vm_json *ops, struct vm_error *err)
{
	VM_CLEAN_FREE char *key = NULL;

	for (size_t i = 0; i < vm_json_count(ops); i++) {
		struct vm_json *args = vm_json_member(vm_json_at(ops, i),
		    "ssh_inject");

		if (args == NULL || vm_json_get(args, "key") != NULL ||
		    vm_json_get(args, "file") != NULL)
			continue;
		if (key == NULL && (key = read_key(err)) == NULL)
			return -1;
		if (vm_json_set_string(args, "key", key, err) == -1)
			return -1;
	}
	return 0;
}
