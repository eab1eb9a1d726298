#include "lib/source/origin.h"

#include <string.h>

#include "lib/source/oci.h"
#include "lib/source/s3.h"
#include "lib/source/ssh.h"

static int
refuse(const char *why, struct vm_error *err)
{
	return vm_error_set(err, VM_E_USAGE, "usage", "%s", why);
}

/* --- before -------------------------------------------------------------- */

static int
prepare_s3(struct vm_source *source, bool insecure, struct vm_error *err)
{
	struct vm_aws aws VM_CLEAN_AWS = { 0 };
	char *url VM_CLEAN_FREE = NULL;

	if (vm_aws_load(&aws, err) == -1)
		return -1;
	url = vm_s3_locate(source->location, &aws, time(NULL), err);
	if (url == NULL)
		return -1;
	source->plain = strncmp(url, "http://", 7) == 0;
	if (!source->plain || aws.key_id == NULL || insecure)
		return 0;
	vm_error_set(err, VM_E_DENIED, "insecure",
	    "the endpoint %s is plain http: anybody on the way could use the "
	    "signature",
	    aws.endpoint);
	return vm_error_hint(err, "vmfetch --insecure to let them");
}

static int
prepare_oci(struct vm_source *source, bool insecure, struct vm_error *err)
{
	struct vm_oci_ref ref;

	if (source->checksums != NULL || source->keyring != NULL)
		return refuse("a registry's image has no file of checksums: "
			      "say oci://...@sha256:HEX",
		    err);
	if (vm_oci_ref_parse(source->location, &ref, err) == -1)
		return -1;
	source->plain = insecure && vm_oci_is_loopback(&ref);
	return 0;
}

int
vm_origin_prepare(struct vm_source *source, const struct vm_reach *reach,
    struct vm_error *err)
{
	const struct vm_http_access *access = &reach->access;
	bool auth = access->user != NULL || access->token != NULL;

	switch (source->kind) {
	case VM_SOURCE_HTTP:
		if (access->token != NULL &&
		    strncmp(source->shown, "ftp", 3) == 0)
			return refuse("ftp knows no tokens: --auth-file with "
				      "user:password",
			    err);
		return 0;
	case VM_SOURCE_SSH:
		if (auth || access->cert_file != NULL || access->no_private)
			return refuse("--auth-file, --cert and --no-private "
				      "say nothing to ssh: its configuration "
				      "does (ssh_config(5))",
			    err);
		return 0;
	case VM_SOURCE_S3:
		if (auth)
			return refuse("--auth-file says nothing to S3: "
				      "AWS_ACCESS_KEY_ID and "
				      "~/.aws/credentials do",
			    err);
		return prepare_s3(source, reach->insecure, err);
	case VM_SOURCE_OCI:
		return prepare_oci(source, reach->insecure, err);
	default:
		return 0;
	}
}

/* --- now ----------------------------------------------------------------- */

static int
get_ssh(const struct vm_source *source, const struct vm_http_request *request,
    const struct vm_http_sink *sink, struct vm_http_reply *reply,
    struct vm_error *err)
{
	const struct vm_ssh_request own = {
		.url = source->location,
		.offset = request->offset,
		.length = request->length,
		.stall_ms = request->stall_ms,
		.pinned = source->digest[0] != '\0',
		.stop = request->stop,
	};

	return vm_ssh_get(&own, sink, reply, err);
}

/* What a failure may come from that the server does not say in its status. */
static int
hint_s3(const struct vm_source *source, const struct vm_aws *aws,
    struct vm_error *err)
{
	if (err == NULL)
		return -1;
	if (strcmp(err->code, "forbidden") == 0 && aws->key_id == NULL)
		return vm_error_hint(err,
		    "AWS_PROFILE=NAME vmfetch %s: there are no credentials "
		    "for S3",
		    source->shown);
	if (strcmp(err->code, "redirect") == 0 ||
	    strcmp(err->code, "http_status") == 0)
		return vm_error_hint(err,
		    "AWS_REGION=REGION vmfetch %s: it may be in another "
		    "region than %s",
		    source->shown, aws->region);
	return -1;
}

static int
get_s3(const struct vm_source *source, const struct vm_http_request *request,
    const struct vm_http_sink *sink, struct vm_http_reply *reply,
    struct vm_error *err)
{
	struct vm_http_request own = *request;
	struct vm_aws aws VM_CLEAN_AWS = { 0 };
	char *url VM_CLEAN_FREE = NULL;
	int result;

	if (vm_aws_load(&aws, err) == -1)
		return -1;
	url = vm_s3_locate(source->location, &aws, time(NULL), err);
	if (url == NULL)
		return -1;
	own.url = url;
	own.secret_query = true;
	result = vm_http_get(&own, sink, reply, err);
	explicit_bzero(url, strlen(url));
	return result == -1 ? hint_s3(source, &aws, err) : 0;
}

static int
get_oci(const struct vm_source *source, const struct vm_http_request *request,
    const struct vm_http_sink *sink, struct vm_http_reply *reply,
    struct vm_error *err)
{
	struct vm_http_request own = *request;
	struct vm_oci oci VM_CLEAN_OCI = { 0 };
	char digest[VM_OCI_DIGEST], *url VM_CLEAN_FREE = NULL;

	if (vm_oci_open(source->location, source->plain, request->access, &oci,
		err) == -1)
		return -1;
	if (source->digest[0] != '\0' && source->digest_type == VM_HASH_SHA256)
		snprintf(digest, sizeof(digest), "sha256:%.64s",
		    source->digest);
	else if (vm_oci_find(&oci, digest, err) == -1)
		return -1;
	url = vm_oci_locate(&oci, digest, err);
	if (url == NULL)
		return -1;
	own.url = url;
	own.access = &oci.access;
	return vm_http_get(&own, sink, reply, err);
}

int
vm_origin_get(const struct vm_source *source,
    const struct vm_http_request *request, const struct vm_http_sink *sink,
    struct vm_http_reply *reply, struct vm_error *err)
{
	switch (source->kind) {
	case VM_SOURCE_SSH:
		return get_ssh(source, request, sink, reply, err);
	case VM_SOURCE_S3:
		return get_s3(source, request, sink, reply, err);
	case VM_SOURCE_OCI:
		return get_oci(source, request, sink, reply, err);
	default:
		return vm_http_get(request, sink, reply, err);
	}
}

int
vm_origin_pin(struct vm_source *source, const struct vm_http_access *access,
    struct vm_error *err)
{
	struct vm_oci oci VM_CLEAN_OCI = { 0 };
	char digest[VM_OCI_DIGEST];

	if (source->kind != VM_SOURCE_OCI)
		return 0;
	if (vm_oci_open(source->location, source->plain, access, &oci, err) ==
		-1 ||
	    vm_oci_find(&oci, digest, err) == -1)
		return -1;
	return vm_source_pin(source, digest, err) == -1 ? -1 : 1;
}
