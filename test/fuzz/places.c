/*
 * What is typed as ssh:, s3: or oci:, and what a registry asks for: refused, or
 * taken apart into words that can be no option and no command.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/source/oci_auth.h"
#include "lib/source/s3.h"
#include "lib/source/ssh_url.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void
check_ssh(const char *text)
{
	struct vm_ssh_url url VM_CLEAN_SSH_URL = { 0 };
	char *command VM_CLEAN_FREE = NULL;

	if (vm_ssh_url_parse(text, &url, NULL) == -1)
		return;
	if (url.host[0] == '\0' || url.host[0] == '-' || url.user[0] == '-' ||
	    strpbrk(url.host, " '\"$;&|`\\/@\n") != NULL ||
	    strpbrk(url.user, " '\"$;&|`\\/@:\n") != NULL ||
	    url.path[0] == '-' || strchr(url.path, '\n') != NULL)
		abort();
	command = vm_ssh_url_command(&url, 0, NULL);
	if (command != NULL && strchr(command, '\n') != NULL)
		abort();
}

static void
check_oci(const char *text)
{
	struct vm_oci_ref ref;

	if (vm_oci_ref_parse(text, &ref, NULL) == -1)
		return;
	if (strpbrk(ref.host, "/@?# ") != NULL ||
	    strpbrk(ref.repository, "@?#% :") != NULL ||
	    strstr(ref.repository, "..") != NULL ||
	    strpbrk(ref.reference, "/?#% @") != NULL)
		abort();
}

static void
check_s3(const char *text)
{
	char region[] = "us-east-1";
	const struct vm_aws aws = { .region = region };
	char *url VM_CLEAN_FREE = NULL;

	if (!vm_s3_is_url(text) || vm_s3_check(text, NULL) == -1)
		return;
	url = vm_s3_locate(text, &aws, 0, NULL);
	if (url != NULL &&
	    (strstr(url, "amazonaws.com/") == NULL ||
		strpbrk(url, "?#@ ") != NULL))
		abort();
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	char *text VM_CLEAN_FREE = strndup((const char *)data, size);
	struct vm_oci_challenge challenge;

	if (text == NULL)
		return 0;
	check_ssh(text);
	check_oci(text);
	check_s3(text);
	if (vm_oci_auth_parse(text, &challenge, NULL) == 0 &&
	    challenge.bearer && challenge.realm[0] == '\0')
		abort();
	return 0;
}
