#include "lib/source/sigv4.h"

#include <string.h>

#include "lib/adapt/crypto_hash.h"
#include "lib/adapt/crypto_hmac.h"
#include "lib/base/buf.h"
#include "lib/source/percent.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define STAMP_TEXT 17 /* 20130524T000000Z */
#define DAY 8	      /* of these */
#define SCOPE_TEXT 128

/* Everything of the query but the signature; parameters stand in order. */
static int
add_parameters(const struct vm_sigv4 *r, const char *stamp, const char *scope,
    struct vm_buf *query, struct vm_error *err)
{
	char *id VM_CLEAN_FREE = vm_percent_encode(r->key_id, false, err);
	char *place VM_CLEAN_FREE = vm_percent_encode(scope, false, err);
	char *token VM_CLEAN_FREE = NULL;

	if (id == NULL || place == NULL ||
	    vm_buf_format(query, err,
		"X-Amz-Algorithm=" ALGORITHM "&X-Amz-Credential=%s%%2F%s"
		"&X-Amz-Date=%s&X-Amz-Expires=%u",
		id, place, stamp, r->expires_s) == -1)
		return -1;
	if (r->token != NULL) {
		token = vm_percent_encode(r->token, false, err);
		if (token == NULL ||
		    vm_buf_format(query, err, "&X-Amz-Security-Token=%s",
			token) == -1)
			return -1;
	}
	return vm_buf_add_string(query, "&X-Amz-SignedHeaders=host", err);
}

/* The text whose code the signature is. */
static char *
make_text(const struct vm_sigv4 *r, const char *stamp, const char *scope,
    const char *query, struct vm_error *err)
{
	char hex[VM_HASH_SHA256_HEX];
	char *request VM_CLEAN_FREE = vm_buf_printf(err,
	    "GET\n%s\n%s\nhost:%s\n\nhost\nUNSIGNED-PAYLOAD", r->path, query,
	    r->host);

	if (request == NULL ||
	    vm_hash_sha256(request, strlen(request), hex, err) == -1)
		return NULL;
	return vm_buf_printf(err, ALGORITHM "\n%s\n%s\n%s", stamp, scope, hex);
}

/* A code of codes: the secret never signs more than the day. */
static int
sign(const struct vm_sigv4 *r, const char *stamp, const char *text,
    unsigned char code[VM_HMAC_BYTES], struct vm_error *err)
{
	const char *const steps[] = { r->region, "s3", "aws4_request", text };
	char *key VM_CLEAN_FREE = vm_buf_printf(err, "AWS4%s", r->secret);
	int result;

	if (key == NULL)
		return -1;
	result = vm_hmac_sha256(key, strlen(key), stamp, DAY, code, err);
	explicit_bzero(key, strlen(key));
	for (size_t i = 0; result == 0 && i < sizeof(steps) / sizeof(steps[0]);
	     i++) {
		unsigned char last[VM_HMAC_BYTES];

		memcpy(last, code, sizeof(last));
		result = vm_hmac_sha256(last, sizeof(last), steps[i],
		    strlen(steps[i]), code, err);
	}
	return result;
}

char *
vm_sigv4_query(const struct vm_sigv4 *r, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf query = { 0 };
	char stamp[STAMP_TEXT], scope[SCOPE_TEXT];
	unsigned char code[VM_HMAC_BYTES];
	char *text VM_CLEAN_FREE = NULL;
	struct tm tm;

	if (gmtime_r(&r->now, &tm) == NULL ||
	    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm) == 0 ||
	    strlen(r->region) > SCOPE_TEXT / 2) {
		vm_error_set(err, VM_E_CONFIG, "bad_region",
		    "S3: region or clock make no sense");
		return NULL;
	}
	snprintf(scope, sizeof(scope), "%.8s/%.64s/s3/aws4_request", stamp,
	    r->region);
	if (add_parameters(r, stamp, scope, &query, err) == -1 ||
	    (text = make_text(r, stamp, scope, query.data, err)) == NULL ||
	    sign(r, stamp, text, code, err) == -1 ||
	    vm_buf_add_string(&query, "&X-Amz-Signature=", err) == -1)
		return NULL;
	for (size_t i = 0; i < sizeof(code); i++)
		if (vm_buf_format(&query, err, "%02x", code[i]) == -1)
			return NULL;
	return vm_buf_take(&query, err);
}
