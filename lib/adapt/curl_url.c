#include "lib/adapt/curl_url.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void
vm_url_clean_text(char **s)
{
	curl_free(*s);
}

void
vm_url_clean(CURLU **url)
{
	curl_url_cleanup(*url);
}

static bool
is_known(const char *scheme)
{
	return strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0 ||
	    strcmp(scheme, "ftp") == 0 || strcmp(scheme, "ftps") == 0;
}

char *
vm_url_get(CURLU *url, CURLUPart part)
{
	char *value = NULL;

	return curl_url_get(url, part, &value, CURLU_DEFAULT_PORT) ==
		CURLUE_OK ?
	    value :
	    NULL;
}

CURLU *
vm_url_parse(const char *text, char **user, char **password,
    struct vm_error *err)
{
	CURLU *url = curl_url();
	char *scheme VM_CLEAN_URL_TEXT = NULL;
	CURLUcode code;

	if (url == NULL) {
		vm_error_nomem(err);
		return NULL;
	}
	code = curl_url_set(url, CURLUPART_URL, text,
	    CURLU_NON_SUPPORT_SCHEME | CURLU_URLENCODE);
	if (code != CURLUE_OK ||
	    (scheme = vm_url_get(url, CURLUPART_SCHEME)) == NULL ||
	    !is_known(scheme)) {
		vm_error_set(err, VM_E_USAGE, "bad_url",
		    code != CURLUE_OK ?
			"URL: %s" :
			"URL scheme %s: only http, https, ftp, ftps, "
			"file, ssh, s3 and oci",
		    code != CURLUE_OK ? curl_url_strerror(code) : scheme);
		curl_url_cleanup(url);
		return NULL;
	}
	if (user != NULL) {
		*user = curl_url_get(url, CURLUPART_USER, user,
			    CURLU_URLDECODE) == CURLUE_OK ?
		    *user :
		    NULL;
		*password = curl_url_get(url, CURLUPART_PASSWORD, password,
				CURLU_URLDECODE) == CURLUE_OK ?
		    *password :
		    NULL;
	}
	curl_url_set(url, CURLUPART_USER, NULL, 0);
	curl_url_set(url, CURLUPART_PASSWORD, NULL, 0);
	curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0);
	return url;
}

char *
vm_url_format(CURLU *url, bool query)
{
	CURLU *copy VM_CLEAN_URL = curl_url_dup(url);
	char *text = NULL;

	if (copy == NULL ||
	    (!query &&
		curl_url_set(copy, CURLUPART_QUERY, NULL, 0) != CURLUE_OK) ||
	    curl_url_get(copy, CURLUPART_URL, &text, 0) != CURLUE_OK)
		return NULL;
	return text;
}

bool
vm_url_is_ftp(CURLU *url)
{
	char *scheme VM_CLEAN_URL_TEXT = vm_url_get(url, CURLUPART_SCHEME);

	return scheme != NULL && strncmp(scheme, "ftp", 3) == 0;
}

bool
vm_url_has_same(CURLU *a, CURLU *b, CURLUPart part)
{
	char *x VM_CLEAN_URL_TEXT = vm_url_get(a, part);
	char *y VM_CLEAN_URL_TEXT = vm_url_get(b, part);

	return x != NULL && y != NULL && strcasecmp(x, y) == 0;
}
