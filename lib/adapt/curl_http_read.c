#include <string.h>

#include "lib/adapt/curl_http.h"
#include "lib/adapt/curl_url.h"

struct reading {
	struct vm_buf *buf;
	size_t max;
};

static int
begin(void *context, const struct vm_http_reply *reply, struct vm_error *err)
{
	const struct reading *reading = context;

	if (reply->length == VM_HTTP_UNKNOWN || reply->length <= reading->max)
		return 0;
	return vm_error_set(err, VM_E_DATA, "too_large", "more than %zu bytes",
	    reading->max);
}

static int
take(void *context, const void *data, size_t len, struct vm_error *err)
{
	const struct reading *reading = context;

	if (len > reading->max - reading->buf->len)
		return vm_error_set(err, VM_E_DATA, "too_large",
		    "more than %zu bytes", reading->max);
	return vm_buf_add(reading->buf, data, len, err);
}

int
vm_http_read(const struct vm_http_request *request, size_t max,
    struct vm_buf *buf, struct vm_error *err)
{
	VM_CLEAN_BUF struct vm_buf got = { 0 };
	struct reading reading = { &got, max };
	const struct vm_http_sink sink = { begin, take, &reading };
	struct vm_http_reply reply;

	/* Begun anew when it broke off and cannot be continued. */
	for (int attempt = 1;; attempt++) {
		struct vm_error failure = { 0 };

		vm_buf_reset(&got);
		if (vm_http_get(request, &sink, &reply, &failure) == 0)
			break;
		if (attempt == 3 ||
		    (strcmp(failure.code, "restart") != 0 &&
			strcmp(failure.code, "connection_lost") != 0)) {
			if (err != NULL)
				*err = failure;
			return -1;
		}
	}
	vm_buf_release(buf);
	*buf = got;
	got = (struct vm_buf){ 0 };
	return 0;
}

/* --- URLs ----------------------------------------------------------------- */

static char *
copy_url(CURLU *url, struct vm_error *err)
{
	char *full VM_CLEAN_URL_TEXT = NULL;
	char *copy;

	if (curl_url_get(url, CURLUPART_URL, &full, 0) != CURLUE_OK ||
	    (copy = strdup(full)) == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	return copy;
}

char *
vm_http_clean_url(const char *text, struct vm_error *err)
{
	CURLU *url VM_CLEAN_URL = vm_url_parse(text, NULL, NULL, err);

	return url == NULL ? NULL : copy_url(url, err);
}

char *
vm_http_beside(const char *text, const char *name, struct vm_error *err)
{
	char *user VM_CLEAN_URL_TEXT = NULL, *password VM_CLEAN_URL_TEXT = NULL;
	CURLU *url VM_CLEAN_URL = vm_url_parse(text, &user, &password, err);
	char *path VM_CLEAN_URL_TEXT = NULL;
	char *beside VM_CLEAN_FREE = NULL;

	if (url == NULL)
		return NULL;
	path = vm_url_get(url, CURLUPART_PATH);
	if (path == NULL || strrchr(path, '/') == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	strrchr(path, '/')[1] = '\0';
	beside = vm_buf_printf(err, "%s%s", path, name);
	if (beside == NULL)
		return NULL;
	if (curl_url_set(url, CURLUPART_PATH, beside, 0) != CURLUE_OK ||
	    curl_url_set(url, CURLUPART_QUERY, NULL, 0) != CURLUE_OK ||
	    (user != NULL &&
		curl_url_set(url, CURLUPART_USER, user, CURLU_URLENCODE) !=
		    CURLUE_OK) ||
	    (password != NULL &&
		curl_url_set(url, CURLUPART_PASSWORD, password,
		    CURLU_URLENCODE) != CURLUE_OK)) {
		vm_error_nomem(err);
		return NULL;
	}
	return copy_url(url, err);
}

bool
vm_http_is_same_origin(const char *a, const char *b)
{
	CURLU *x VM_CLEAN_URL = vm_url_parse(a, NULL, NULL, NULL);
	CURLU *y VM_CLEAN_URL = vm_url_parse(b, NULL, NULL, NULL);

	return x != NULL && y != NULL &&
	    vm_url_has_same(x, y, CURLUPART_SCHEME) &&
	    vm_url_has_same(x, y, CURLUPART_HOST) &&
	    vm_url_has_same(x, y, CURLUPART_PORT);
}

char *
vm_http_file_name(const char *text, struct vm_error *err)
{
	CURLU *url VM_CLEAN_URL = vm_url_parse(text, NULL, NULL, err);
	char *path VM_CLEAN_URL_TEXT = NULL;
	const char *slash;

	if (url == NULL)
		return NULL;
	if (curl_url_get(url, CURLUPART_PATH, &path, CURLU_URLDECODE) !=
	    CURLUE_OK) {
		vm_error_set(err, VM_E_USAGE, "bad_url",
		    "URL: a path that cannot be decoded");
		return NULL;
	}
	slash = strrchr(path, '/');
	return vm_buf_printf(err, "%s", slash == NULL ? path : slash + 1);
}
