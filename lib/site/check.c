#include "lib/site/check.h"

#include <string.h>

#include "lib/base/log.h"
#include "lib/record/manifest_files.h"

int
vm_check_load(const char *path, struct vm_manifest *manifest,
    struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf problems = { 0 };
	const char *line, *newline;

	if (vm_manifest_load(path, manifest, &problems, err) == 0)
		return 0;
	line = problems.data != NULL ? problems.data : "";
	while ((newline = strchr(line, '\n')) != NULL && newline[1] != '\0') {
		vm_log(VM_LOG_ERROR, "%.*s", (int)(newline - line), line);
		line = newline + 1;
	}
	if (newline != NULL && err->kind == VM_E_DATA)
		vm_error_set(err, VM_E_DATA, "bad_manifest", "%.*s",
		    (int)(newline - line), line);
	return -1;
}

int
vm_check_manifest(const char *path, struct vm_error *err)
{
	VM_CLEAN_MANIFEST struct vm_manifest manifest = { 0 };
	const struct vm_json *roles;

	if (vm_check_load(path, &manifest, err) == -1)
		return -1;
	roles = vm_json_get(manifest.json, "roles");
	for (void *it = vm_json_first(roles); it != NULL;
	     it = vm_json_next(roles, it)) {
		if (vm_manifest_digest_files(vm_json_value(it),
			manifest.directory, err) == -1)
			return vm_error_wrap(err, "%s: roles.%s", manifest.path,
			    vm_json_key(it));
	}
	vm_log(VM_LOG_WARN, "%s: ok: service %s, %zu role%s", manifest.path,
	    vm_json_string(manifest.json, "service", ""), vm_json_count(roles),
	    vm_json_count(roles) == 1 ? "" : "s");
	return 0;
}
