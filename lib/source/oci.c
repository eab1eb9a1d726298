#include "lib/source/oci.h"

#include <string.h>

#include "lib/adapt/crypto_hash.h"
#include "lib/adapt/json.h"
#include "lib/source/arch.h"
#include "lib/source/auth.h"
#include "lib/source/oci_auth.h"
#include "lib/source/percent.h"

#define TOKEN_MAX ((size_t)64 << 10)
#define ACCEPT                                                                 \
	"application/vnd.oci.image.index.v1+json, "                            \
	"application/vnd.oci.image.manifest.v1+json, "                         \
	"application/vnd.docker.distribution.manifest.list.v2+json, "          \
	"application/vnd.docker.distribution.manifest.v2+json"

/* --- access -------------------------------------------------------------- */

static int
hint_login(const struct vm_oci *oci, struct vm_error *err)
{
	return err != NULL && strcmp(err->code, "forbidden") == 0 ?
	    vm_error_hint(err, "podman login %s", oci->ref.name) :
	    -1;
}

/* A server that may hear our password: by https, or here. */
static int
check_realm(const struct vm_oci *oci, const char *realm, struct vm_error *err)
{
	if (strncmp(realm, "https://", 8) == 0 ||
	    (oci->plain && strncmp(realm, "http://", 7) == 0 &&
		vm_http_is_same_origin(realm, oci->base)))
		return 0;
	return vm_error_set(err, VM_E_DENIED, "downgrade",
	    "%s: sent to %.200s for a token, which is not https", oci->ref.name,
	    realm);
}

static int
take_token(struct vm_oci *oci, const struct vm_buf *reply, struct vm_error *err)
{
	struct vm_json *json VM_CLEAN_JSON = vm_json_parse(reply->data,
	    reply->len, NULL);
	const char *token = vm_json_string(json, "token",
	    vm_json_string(json, "access_token", ""));

	if (token[0] == '\0')
		return vm_error_set(err, VM_E_PROTOCOL, "bad_token",
		    "%s: no token in what its token server answers",
		    oci->ref.name);
	for (const char *c = token; *c != '\0'; c++)
		if (*c <= ' ' || *c > '~')
			return vm_error_set(err, VM_E_PROTOCOL, "bad_token",
			    "%s: its token server answers nonsense",
			    oci->ref.name);
	if (vm_buf_reserve(&oci->token, strlen(token) + 1, err) == -1 ||
	    vm_buf_add_string(&oci->token, token, err) == -1)
		return -1;
	oci->access.token = oci->token.data;
	oci->access.user = oci->access.password = NULL;
	return 0;
}

static int
fetch_token(struct vm_oci *oci, const struct vm_oci_challenge *challenge,
    struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf reply = { 0 };
	const char *realm = challenge->realm;
	char *service VM_CLEAN_FREE = vm_percent_encode(challenge->service,
	    false, err);
	char *scope VM_CLEAN_FREE = vm_percent_encode(oci->ref.repository,
	    false, err);
	char *url VM_CLEAN_FREE = NULL;
	struct vm_http_access access = oci->access;
	struct vm_http_request request = { .access = &access };
	int result;

	if (service == NULL || scope == NULL ||
	    check_realm(oci, realm, err) == -1)
		return -1;
	url = vm_buf_printf(err,
	    "%s%cservice=%s&scope=repository%%3A%s%%3Apull", realm,
	    strchr(realm, '?') == NULL ? '?' : '&', service, scope);
	if (url == NULL)
		return -1;
	request.url = url;
	if (!vm_http_is_same_origin(realm, oci->base)) /* it is not for that */
		access.cert_file = access.key_file = NULL;
	result = vm_http_read(&request, TOKEN_MAX, &reply, err) == -1 ?
	    hint_login(oci, err) :
	    take_token(oci, &reply, err);
	if (reply.data != NULL)
		explicit_bzero(reply.data, reply.len);
	return result;
}

/* Ask what it wants, and have it. */
static int
log_in(struct vm_oci *oci, struct vm_error *err)
{
	char *url VM_CLEAN_FREE = vm_buf_printf(err, "%s://%s/v2/",
	    oci->plain ? "http" : "https", oci->ref.host);
	char header[VM_HTTP_CHALLENGE] = "";
	const struct vm_http_access nobody = {
		.ca_file = oci->access.ca_file,
		.cert_file = oci->access.cert_file,
		.key_file = oci->access.key_file,
		.no_private = oci->access.no_private,
	};
	const struct vm_http_request request = {
		.url = url, .access = &nobody, .challenge = header
	};
	VM_CLEAN_BUF struct vm_buf reply = { 0 };
	struct vm_oci_challenge challenge;
	struct vm_error failure = { 0 };

	if (url == NULL)
		return -1;
	if (vm_http_read(&request, TOKEN_MAX, &reply, &failure) == 0) {
		oci->access.user = oci->access.password = NULL;
		return 0;
	}
	if (header[0] == '\0') {
		if (err != NULL)
			*err = failure;
		return vm_error_wrap(err, "no registry");
	}
	if (vm_oci_auth_parse(header, &challenge, err) == -1)
		return -1;
	return challenge.bearer ? fetch_token(oci, &challenge, err) : 0;
}

int
vm_oci_open(const char *url, bool plain, const struct vm_http_access *access,
    struct vm_oci *oci, struct vm_error *err)
{
	struct vm_oci made VM_CLEAN_OCI = { .plain = plain };

	if (access != NULL)
		made.access = *access;
	if (vm_oci_ref_parse(url, &made.ref, err) == -1)
		return -1;
	made.base = vm_buf_printf(err, "%s://%s/v2/%s",
	    plain ? "http" : "https", made.ref.host, made.ref.repository);
	if (made.base == NULL ||
	    (made.access.user == NULL && made.access.token == NULL &&
		vm_oci_auth_find(&made.ref, &made.secret, &made.access, err) ==
		    -1) ||
	    (made.access.token == NULL && log_in(&made, err) == -1))
		return -1;
	*oci = made;
	made = (struct vm_oci){ 0 };
	return 0;
}

void
vm_oci_close(struct vm_oci *oci)
{
	free(oci->base);
	vm_auth_forget(&oci->secret);
	vm_auth_forget(&oci->token);
	*oci = (struct vm_oci){ 0 };
}

/* --- manifests ----------------------------------------------------------- */

static int
refuse(const char *why, struct vm_error *err)
{
	return vm_error_set(err, VM_E_DATA, "bad_manifest", "the manifest %s",
	    why);
}

/* Read the manifest of this name; by digest it must have that one. */
static struct vm_json *
read_manifest(const struct vm_oci *oci, const char *reference,
    struct vm_error *err)
{
	char *url VM_CLEAN_FREE = vm_buf_printf(err, "%s/manifests/%s",
	    oci->base, reference);
	const struct vm_http_request request = {
		.url = url, .access = &oci->access, .accept = ACCEPT
	};
	VM_CLEAN_BUF struct vm_buf text = { 0 };
	struct vm_json *json VM_CLEAN_JSON = NULL;
	char hex[VM_HASH_SHA256_HEX];

	if (url == NULL)
		return NULL;
	if (vm_http_read(&request, VM_OCI_MANIFEST_MAX, &text, err) == -1) {
		if (err != NULL && strcmp(err->code, "too_large") == 0)
			vm_error_wrap(err, "the manifest");
		hint_login(oci, err);
		return NULL;
	}
	if (vm_hash_sha256(text.data, text.len, hex, err) == -1)
		return NULL;
	if (strncmp(reference, "sha256:", 7) == 0 &&
	    strcmp(reference + 7, hex) != 0) {
		vm_error_set(err, VM_E_DATA, "digest_mismatch",
		    "the manifest is not what was asked for: sha256 is %s, "
		    "expected %s",
		    hex, reference + 7);
		return NULL;
	}
	json = vm_json_parse(text.data, text.len, NULL);
	if (vm_json_type(json) != VM_JSON_OBJECT) {
		refuse("is not JSON", err);
		return NULL;
	}
	return VM_TAKE(json);
}

/* The digest that a descriptor has; 0 when it is one that we know. */
static int
take_digest(const struct vm_json *descriptor, char digest[VM_OCI_DIGEST],
    struct vm_error *err)
{
	const char *text = vm_json_string(descriptor, "digest", "");

	if (strlen(text) != VM_OCI_DIGEST - 1 ||
	    strncmp(text, "sha256:", 7) != 0 ||
	    strspn(text + 7, "0123456789abcdef") != 64)
		return refuse("names something without its sha256", err);
	memcpy(digest, text, VM_OCI_DIGEST);
	return 0;
}

static bool
is_for_us(const struct vm_json *entry, size_t count)
{
	const struct vm_json *platform = vm_json_get(entry, "platform");

	if (platform == NULL)
		return count == 1;
	return strcmp(vm_json_string(platform, "os", ""), "linux") == 0 &&
	    strcmp(vm_json_string(platform, "architecture", ""),
		vm_arch_host()->go) == 0;
}

static int
choose_manifest(const struct vm_json *manifests, char digest[VM_OCI_DIGEST],
    struct vm_error *err)
{
	size_t count = vm_json_count(manifests);

	for (size_t i = 0; i < count; i++)
		if (is_for_us(vm_json_at(manifests, i), count))
			return take_digest(vm_json_at(manifests, i), digest,
			    err);
	return vm_error_set(err, VM_E_NO_INPUT, "no_architecture",
	    "there is none of it for linux on %s", vm_arch_host()->go);
}

static int
choose_layer(const struct vm_json *manifest, char digest[VM_OCI_DIGEST],
    struct vm_error *err)
{
	const struct vm_json *layers = vm_json_get(manifest, "layers");
	const struct vm_json *largest = NULL;
	int64_t most = 0;

	for (size_t i = 0; i < vm_json_count(layers); i++) {
		const struct vm_json *layer = vm_json_at(layers, i);
		int64_t size = vm_json_int(layer, "size", 0);

		if (size > most) {
			largest = layer;
			most = size;
		}
	}
	return largest == NULL ? refuse("has no layers", err) :
				 take_digest(largest, digest, err);
}

int
vm_oci_find(const struct vm_oci *oci, char digest[VM_OCI_DIGEST],
    struct vm_error *err)
{
	struct vm_json *top VM_CLEAN_JSON = read_manifest(oci,
	    oci->ref.reference, err);
	struct vm_json *chosen VM_CLEAN_JSON = NULL;
	const struct vm_json *manifests = vm_json_get(top, "manifests");
	char own[VM_OCI_DIGEST];

	if (top == NULL)
		return -1;
	if (vm_json_type(manifests) != VM_JSON_ARRAY)
		return choose_layer(top, digest, err);
	if (choose_manifest(manifests, own, err) == -1)
		return -1;
	chosen = read_manifest(oci, own, err);
	return chosen == NULL ? -1 : choose_layer(chosen, digest, err);
}

char *
vm_oci_locate(const struct vm_oci *oci, const char *digest,
    struct vm_error *err)
{
	return vm_buf_printf(err, "%s/blobs/%s", oci->base, digest);
}
