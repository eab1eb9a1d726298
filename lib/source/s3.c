#include "lib/source/s3.h"

#include <string.h>

#include "lib/base/buf.h"
#include "lib/source/percent.h"
#include "lib/source/sigv4.h"

#define SCHEME "s3://"
#define SCHEME_LEN (sizeof(SCHEME) - 1)
#define BUCKET_MAX 63
#define KEY_MAX 1024
#define LOWER "abcdefghijklmnopqrstuvwxyz0123456789-"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ_."

/* Where a request goes: scheme, Host header, path before the bucket's. */
struct place {
	const char *scheme;
	char *host, *base;
};

static void
release(struct place *place)
{
	free(place->host);
	free(place->base);
}

bool
vm_s3_is_url(const char *text)
{
	return strncmp(text, SCHEME, SCHEME_LEN) == 0;
}

/* --- what is typed ------------------------------------------------------- */

/* A path with such a component means another one over HTTP. */
static bool
has_dots(const char *key)
{
	for (;;) {
		size_t len = strcspn(key, "/");

		if ((len == 1 && key[0] == '.') ||
		    (len == 2 && key[0] == '.' && key[1] == '.'))
			return true;
		if (key[len] == '\0')
			return false;
		key += len + 1;
	}
}

static bool
has_controls(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return true;
	return false;
}

int
vm_s3_check(const char *text, struct vm_error *err)
{
	const char *bucket = vm_s3_is_url(text) ? text + SCHEME_LEN : "";
	size_t len = strspn(bucket, LOWER UPPER);
	const char *key = bucket + len + 1;

	if (bucket[len] != '/' || len < 3 || len > BUCKET_MAX ||
	    strspn(bucket, "-.") != 0)
		return vm_error_set(err, VM_E_USAGE, "bad_url",
		    "%.200s: not s3://BUCKET/KEY with a bucket's name of 3 to "
		    "63 letters, digits, dots and hyphens",
		    text);
	if (key[0] == '\0' || strlen(key) > KEY_MAX || has_dots(key) ||
	    has_controls(key) || key[strlen(key) - 1] == '/')
		return vm_error_set(err, VM_E_USAGE, "bad_url",
		    "%.200s: not the key of an object", text);
	return 0;
}

/* --- where it is --------------------------------------------------------- */

/* The part after the scheme, without a port that goes without saying. */
static char *
take_host(const char *from, size_t len, const char *port, struct vm_error *err)
{
	size_t end = strlen(port);

	if (len > end && strncmp(from + len - end, port, end) == 0)
		len -= end;
	return vm_buf_printf(err, "%.*s", (int)len, from);
}

/* An endpoint of one's own: the bucket is in the path. */
static int
use_endpoint(struct place *place, const char *endpoint, struct vm_error *err)
{
	bool tls = strncmp(endpoint, "https://", 8) == 0;
	const char *host = endpoint + (tls ? 8 : 7);
	size_t len, rest;

	if (!tls && strncmp(endpoint, "http://", 7) != 0)
		return vm_error_set(err, VM_E_CONFIG, "bad_endpoint",
		    "S3: the endpoint %.100s is no http or https URL",
		    endpoint);
	len = strcspn(host, "/");
	rest = strlen(host + len);
	while (rest > 0 && host[len + rest - 1] == '/')
		rest--;
	if (len == 0 || strcspn(host, "@?#\\") < len ||
	    strpbrk(host + len, "?#%") != NULL || has_controls(host) ||
	    strchr(host, ' ') != NULL || has_dots(host + len))
		return vm_error_set(err, VM_E_CONFIG, "bad_endpoint",
		    "S3: the endpoint is no plain URL of a host");
	place->scheme = tls ? "https" : "http";
	place->host = take_host(host, len, tls ? ":443" : ":80", err);
	place->base = vm_buf_printf(err, "%.*s", (int)rest, host + len);
	return place->host == NULL || place->base == NULL ? -1 : 0;
}

/* AWS itself; *in_host: the bucket is in the host's name. */
static int
use_aws(struct place *place, const char *region, const char *bucket, size_t len,
    bool *in_host, struct vm_error *err)
{
	const char *end = strncmp(region, "cn-", 3) == 0 ? ".cn" : "";

	*in_host = strcspn(bucket, UPPER "/") == len;
	place->scheme = "https";
	place->host = vm_buf_printf(err, "%.*s%ss3.%s.amazonaws.com%s",
	    *in_host ? (int)len : 0, bucket, *in_host ? "." : "", region, end);
	place->base = vm_buf_printf(err, "%s", "");
	return place->host == NULL || place->base == NULL ? -1 : 0;
}

char *
vm_s3_locate(const char *text, const struct vm_aws *aws, time_t now,
    struct vm_error *err)
{
	const char *bucket = text + SCHEME_LEN;
	size_t len = strcspn(bucket, "/");
	struct place place VM_CLEAN(release) = { 0 };
	char *path VM_CLEAN_FREE = NULL, *object VM_CLEAN_FREE = NULL;
	char *query VM_CLEAN_FREE = NULL;
	struct vm_sigv4 request = { .region = aws->region,
		.key_id = aws->key_id,
		.secret = aws->secret,
		.token = aws->token,
		.now = now,
		.expires_s = VM_S3_EXPIRES_S };
	bool in_host = false;

	if (aws->region[strspn(aws->region, LOWER)] != '\0') {
		vm_error_set(err, VM_E_CONFIG, "bad_region",
		    "S3: %.64s is no region's name", aws->region);
		return NULL;
	}
	if ((aws->endpoint != NULL ? use_endpoint(&place, aws->endpoint, err) :
				     use_aws(&place, aws->region, bucket, len,
					 &in_host, err)) == -1)
		return NULL;
	object = vm_percent_encode(in_host ? bucket + len + 1 : bucket, true,
	    err);
	if (object == NULL ||
	    (path = vm_buf_printf(err, "%s/%s", place.base, object)) == NULL)
		return NULL;
	if (aws->key_id == NULL)
		return vm_buf_printf(err, "%s://%s%s", place.scheme, place.host,
		    path);
	request.host = place.host;
	request.path = path;
	query = vm_sigv4_query(&request, err);
	return query == NULL ? NULL :
			       vm_buf_printf(err, "%s://%s%s?%s", place.scheme,
				   place.host, path, query);
}
