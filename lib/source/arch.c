#include "lib/source/arch.h"

#include <sys/utsname.h>

#include <stddef.h>
#include <string.h>

static const struct vm_arch table[] = {
	{ "x86_64", "amd64", "amd64" },
	{ "aarch64", "arm64", "arm64" },
	{ "armv7l", "arm", "armhf" },
	{ "i686", "386", "i386" },
	{ "loongarch64", "loong64", "loong64" },
	{ "ppc64le", "ppc64le", "ppc64el" },
	{ "riscv64", "riscv64", "riscv64" },
	{ "s390x", "s390x", "s390x" },
};

const struct vm_arch *
vm_arch_host(void)
{
	static struct utsname name;
	static const struct vm_arch other = { name.machine, name.machine,
		name.machine };

	if (uname(&name) == -1)
		return &other;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(table[i].kernel, name.machine) == 0)
			return &table[i];
	return &other;
}

bool
vm_arch_is_host(const char *name)
{
	const struct vm_arch *host = vm_arch_host();

	return strcmp(name, host->kernel) == 0 || strcmp(name, host->go) == 0 ||
	    strcmp(name, host->debian) == 0;
}
