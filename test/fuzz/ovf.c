/*
 * An OVF and an .mf file as text: refused, or nothing in it that leads out.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/image/ovf.h"
#include "lib/image/ovf_checks.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void
check(const struct vm_ovf *ovf)
{
	if (ovf->disk_count == 0 || ovf->disk_count > VM_OVF_MAX_DISKS ||
	    ovf->nic_count > VM_OVF_MAX_NICS || ovf->cpus > 255)
		abort();
	for (size_t i = 0; i < ovf->disk_count; i++) {
		const char *href = ovf->disks[i].href;

		if (href[0] == '\0' || href[0] == '/' ||
		    strncmp(href, "../", 3) == 0 ||
		    strstr(href, "/../") != NULL || strchr(href, '\n') != NULL)
			abort();
	}
	for (size_t i = 0; i < ovf->nic_count; i++)
		if (ovf->networks[i] == NULL)
			abort();
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct vm_ovf_checks checks VM_CLEAN_OVF_CHECKS = { 0 };
	struct vm_ovf ovf VM_CLEAN_OVF = { 0 };
	struct vm_error err = { 0 };

	if (vm_ovf_parse((const char *)data, size, &ovf, &err) == 0)
		check(&ovf);
	if (vm_ovf_checks_expect(&checks, (const char *)data, size, &err) == 0)
		for (size_t i = 0; i < checks.expected_count; i++)
			if (checks.expected[i].name[0] == '\0')
				abort();
	return 0;
}
