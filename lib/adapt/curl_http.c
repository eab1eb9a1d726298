#include "lib/adapt/curl_http.h"

#include <stdlib.h>
#include <string.h>

#include "lib/adapt/curl_access.h"
#include "lib/adapt/curl_failure.h"
#include "lib/adapt/curl_ftp.h"
#include "lib/adapt/curl_range.h"
#include "lib/adapt/curl_http_session.h"
#include "lib/adapt/curl_url.h"
#include "lib/base/clean.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/proc.h"

#define HOPS_MAX 5
#define DROPPED_MAX ((size_t)1 << 20) /* of an error's page */

/* One GET from its first request to its last byte. */
struct transfer {
	const struct vm_http_request *request;
	const struct vm_http_sink *sink;
	CURL *curl;
	CURLU *url; /* where we are now, no credentials */
	char *text; /* it as text, and the part that may be shown */
	char *shown;
	char *user, *password;
	struct curl_slist *headers;
	struct vm_access_guard guard;
	struct vm_http_reply reply;
	uint64_t received; /* the file's bytes before the next one */
	bool strange;	   /* redirected to a host that is not ours to trust */
	bool begun;	   /* sink->begin was called */
	bool answered;	   /* this response was looked at */
	bool deliver;	   /* and its body is for the sink */
	size_t dropped;	   /* bytes of a body that is not */
	unsigned hops, tries;
	struct vm_error error; /* from inside a callback */
};

static void
release(struct transfer *t)
{
	if (t->request->session == NULL)
		curl_easy_cleanup(t->curl);
	curl_url_cleanup(t->url);
	curl_slist_free_all(t->headers);
	curl_free(t->text);
	curl_free(t->shown);
	curl_free(t->user);
	curl_free(t->password);
}

/* --- redirects ------------------------------------------------------------ */

/* A query that the server made is often a signature that lets anybody in. */
static int
show_url(struct transfer *t, struct vm_error *err)
{
	bool secret = t->hops > 0 || t->request->secret_query;

	curl_free(VM_TAKE(t->text));
	curl_free(VM_TAKE(t->shown));
	t->text = vm_url_format(t->url, true);
	t->shown = vm_url_format(t->url, !secret);
	return t->text == NULL || t->shown == NULL ? vm_error_nomem(err) : 0;
}

/* May we go where the server sends us?  Then that is where we are. */
static int
follow(struct transfer *t, struct vm_error *err)
{
	char *from VM_CLEAN_URL_TEXT = NULL;
	CURLU *url VM_CLEAN_URL = NULL;
	const char *location = NULL;
	struct vm_error why = { 0 };

	curl_easy_getinfo(t->curl, CURLINFO_REDIRECT_URL, &location);
	if (++t->hops > HOPS_MAX)
		return vm_error_set(err, VM_E_PROTOCOL, "redirect",
		    "%s: more than %d redirects", t->shown, HOPS_MAX);
	if (location == NULL)
		return vm_error_set(err, VM_E_PROTOCOL, "redirect",
		    "%s: redirected to nowhere", t->shown);
	url = vm_url_parse(location, NULL, NULL, &why);
	if (url != NULL && vm_url_is_ftp(url)) {
		vm_error_set(&why, VM_E_PROTOCOL, "redirect", "it is no http");
		curl_url_cleanup(VM_TAKE(url));
	}
	if (url == NULL)
		return vm_error_set(err, VM_E_PROTOCOL, "redirect",
		    "%s: redirect refused: %s", t->shown, why.message);
	from = vm_url_get(t->url, CURLUPART_SCHEME);
	if (from != NULL && strcmp(from, "https") == 0 &&
	    !vm_url_has_same(t->url, url, CURLUPART_SCHEME))
		return vm_error_set(err, VM_E_DENIED, "downgrade",
		    "%s: redirected from https to http", t->shown);
	if (!vm_url_has_same(t->url, url, CURLUPART_HOST) ||
	    !vm_url_has_same(t->url, url, CURLUPART_PORT) ||
	    !vm_url_has_same(t->url, url, CURLUPART_SCHEME)) {
		curl_free(VM_TAKE(t->user));
		curl_free(VM_TAKE(t->password));
		t->strange = true;
	}
	curl_url_cleanup(t->url);
	t->url = VM_TAKE(url);
	return show_url(t, err);
}

/* --- one response -------------------------------------------------------- */

static long
get_status(const struct transfer *t)
{
	long status = 0;

	curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

static void
copy_header(const struct transfer *t, const char *name, char *out, size_t size)
{
	struct curl_header *header;

	out[0] = '\0';
	if (curl_easy_header(t->curl, name, 0, CURLH_HEADER, -1, &header) ==
		CURLHE_OK &&
	    strlen(header->value) < size)
		snprintf(out, size, "%s", header->value);
}

static bool
can_resume(const struct transfer *t)
{
	const char *etag = t->reply.etag;

	return t->request->pinned ||
	    (etag[0] != '\0' && strncmp(etag, "W/", 2) != 0);
}

static int
begin(struct transfer *t, struct vm_error *err)
{
	curl_off_t length = -1;

	curl_easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	if (get_status(t) != 206) /* else check_range() knows it */
		t->reply.length = length < 0 ? VM_HTTP_UNKNOWN :
					       (uint64_t)length;
	copy_header(t, "ETag", t->reply.etag, sizeof(t->reply.etag));
	copy_header(t, "Last-Modified", t->reply.modified,
	    sizeof(t->reply.modified));
	if (strchr(t->text, '?') == NULL &&
	    strlen(t->shown) < sizeof(t->reply.url))
		snprintf(t->reply.url, sizeof(t->reply.url), "%s", t->shown);
	t->begun = true;
	return t->sink->begin(t->sink->context, &t->reply, err);
}

static int
fail_restart(const struct transfer *t, struct vm_error *err)
{
	return vm_error_set(err, VM_E_UNAVAILABLE, "restart",
	    "%s: the file has changed, or cannot be continued", t->shown);
}

/* Is not the whole file asked for? */
static bool
is_part(const struct transfer *t)
{
	return t->received > 0 || t->request->end > 0;
}

/* A 206 must go on exactly where we stopped, in the same file. */
static int
check_range(struct transfer *t, struct vm_error *err)
{
	uint64_t first, last, total;
	char range[128], etag[sizeof(t->reply.etag)];

	copy_header(t, "ETag", etag, sizeof(etag));
	if (t->reply.etag[0] != '\0' && etag[0] != '\0' &&
	    strcmp(t->reply.etag, etag) != 0)
		return fail_restart(t, err);
	copy_header(t, "Content-Range", range, sizeof(range));
	if (!vm_range_parse(range, &first, &last, &total) ||
	    first != t->received || first > last || last >= total ||
	    (t->reply.length != VM_HTTP_UNKNOWN && t->reply.length != total))
		return vm_error_set(err, VM_E_PROTOCOL, "bad_range",
		    "%s: asked to go on at byte %llu, the server answered "
		    "\"%s\"",
		    t->shown, (unsigned long long)t->received, range);
	t->reply.length = total;
	return 0;
}

/* The headers are there: is the body for the sink? */
static int
answer(struct transfer *t, struct vm_error *err)
{
	long status = get_status(t);

	t->answered = true;
	t->deliver = false;
	if (status != 200 && status != 206)
		return 0;
	if (is_part(t) && status == 200)
		return fail_restart(t, err);
	if (status == 206 && !is_part(t))
		return vm_error_set(err, VM_E_PROTOCOL, "bad_range",
		    "%s: a part, though all was asked for", t->shown);
	if (status == 206 && check_range(t, err) == -1)
		return -1;
	t->deliver = true;
	return t->begun ? 0 : begin(t, err);
}

static size_t
on_data(char *data, size_t size, size_t count, void *arg)
{
	struct transfer *t = arg;
	size_t len = size * count;

	if (!t->answered && answer(t, &t->error) == -1)
		return CURL_WRITEFUNC_ERROR;
	if (!t->deliver) {
		t->dropped += len;
		return t->dropped > DROPPED_MAX ? CURL_WRITEFUNC_ERROR : len;
	}
	if (t->request->end > 0 && len > t->request->end - t->received) {
		vm_error_set(&t->error, VM_E_PROTOCOL, "bad_range",
		    "%s: more than was asked for", t->shown);
		return CURL_WRITEFUNC_ERROR;
	}
	if (t->sink->data(t->sink->context, data, len, &t->error) == -1)
		return CURL_WRITEFUNC_ERROR;
	t->received += len;
	t->tries = 0;
	return len;
}

static int
on_progress(void *arg, curl_off_t total, curl_off_t now, curl_off_t up_total,
    curl_off_t up_now)
{
	(void)total, (void)now, (void)up_total, (void)up_now;
	return vm_session_is_stopped(((struct transfer *)arg)->request);
}

/* --- one request --------------------------------------------------------- */

static int
add_header(struct transfer *t, const char *name, const char *value,
    struct vm_error *err)
{
	struct curl_slist *list;
	char line[512];

	if (value == NULL || value[0] == '\0')
		return 0;
	snprintf(line, sizeof(line), "%s: %s", name, value);
	list = curl_slist_append(t->headers, line);
	if (list == NULL)
		return vm_error_nomem(err);
	t->headers = list;
	return 0;
}

static int
set_headers(struct transfer *t, struct vm_error *err)
{
	char range[64];

	curl_slist_free_all(VM_TAKE(t->headers));
	if (add_header(t, "Accept", t->request->accept, err) == -1)
		return -1;
	if (is_part(t)) {
		vm_range_format(t->received, t->request->end, range,
		    sizeof(range));
		if (add_header(t, "Range", range, err) == -1)
			return -1;
		if (strncmp(t->reply.etag, "W/", 2) == 0)
			return 0;
		return add_header(t, "If-Range", t->reply.etag, err);
	}
	if (add_header(t, "If-None-Match", t->request->etag, err) == -1)
		return -1;
	return add_header(t, "If-Modified-Since", t->request->modified, err);
}

static int
set_request(struct transfer *t, struct vm_error *err)
{
	CURL *curl = t->curl;

	if (set_headers(t, err) == -1)
		return -1;
	curl_easy_reset(curl);
	curl_easy_setopt(curl, CURLOPT_URL, t->text);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	vm_session_prepare(curl, t->request);
	curl_easy_setopt(curl, CURLOPT_USERNAME, t->user);
	curl_easy_setopt(curl, CURLOPT_PASSWORD, t->password);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, t->headers);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "vmfetch/" VM_VERSION);
	if (t->request->access != NULL)
		vm_access_apply(curl, t->request->access, !t->strange,
		    &t->guard);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, t);
	return 0;
}

static int
fail_curl(const struct transfer *t, CURLcode code, struct vm_error *err)
{
	if (vm_proc_check_stop(err) == -1)
		return -1;
	if (code == CURLE_COULDNT_CONNECT && t->guard.refused[0] != '\0')
		return vm_error_set(err, VM_E_DENIED, "private_address",
		    "%s: its address %s is private", t->shown,
		    t->guard.refused);
	return vm_failure_of_code(code, t->shown, err);
}

/* A server may give less than the range that it was asked for. */
static bool
is_complete(const struct transfer *t)
{
	uint64_t end = t->request->end > 0 ? t->request->end : VM_HTTP_UNKNOWN;

	if (t->reply.length < end)
		end = t->reply.length;
	return end == VM_HTTP_UNKNOWN || t->received >= end;
}

/* 0 done, 1 to be asked again at once (redirected, incomplete), -1 failed. */
static int
request_once(struct transfer *t, struct vm_error *err)
{
	uint64_t before = t->received;
	CURLcode code;
	long status;

	if (set_request(t, err) == -1)
		return -1;
	t->answered = false;
	t->dropped = 0;
	code = curl_easy_perform(t->curl);
	if (code == CURLE_OK && !t->answered && answer(t, &t->error) == -1)
		code = CURLE_WRITE_ERROR;
	if (vm_error_is_set(&t->error)) {
		if (err != NULL)
			*err = t->error;
		return -1;
	}
	status = get_status(t);
	if (code != CURLE_OK && t->dropped <= DROPPED_MAX)
		return fail_curl(t, code, err);
	if (t->deliver && t->received == before && !is_complete(t))
		return fail_curl(t, CURLE_GOT_NOTHING, err);
	if (t->deliver)
		return is_complete(t) ? 0 : 1;
	if (status == 304 && t->received == 0 &&
	    (t->request->etag != NULL || t->request->modified != NULL)) {
		t->reply.not_modified = true;
		return t->sink->begin(t->sink->context, &t->reply, err);
	}
	if (status == 301 || status == 302 || status == 303 || status == 307 ||
	    status == 308)
		return follow(t, err) == -1 ? -1 : 1;
	if (status == 401 && t->request->challenge != NULL && !t->strange)
		copy_header(t, "WWW-Authenticate", t->request->challenge,
		    VM_HTTP_CHALLENGE);
	return vm_failure_of_status(status, t->shown, err);
}

/* --- the whole ----------------------------------------------------------- */

static bool
is_worth_another(const struct transfer *t, const struct vm_error *err)
{
	unsigned tries = t->request->tries ?: VM_HTTP_TRIES;

	if (vm_session_is_stopped(t->request) || t->tries >= tries)
		return false;
	if (strcmp(err->code, "server_error") == 0)
		return true;
	return strcmp(err->code, "connection_lost") == 0 &&
	    (!is_part(t) || can_resume(t));
}

static int
transfer(struct transfer *t, struct vm_error *err)
{
	struct vm_error failure = { 0 };
	int result;

	for (;;) {
		result = request_once(t, &failure);
		if (result == 0)
			return 0;
		if (result == 1)
			continue;
		t->tries++;
		if (!is_worth_another(t, &failure))
			break;
		vm_session_back_off(t->curl, t->request, t->tries, &failure);
		t->hops = 0;
		vm_error_clear(&failure);
	}
	if (err != NULL)
		*err = failure;
	return -1;
}

static int
get_ftp(const struct transfer *t, struct vm_http_reply *reply,
    struct vm_error *err)
{
	const struct vm_ftp_place place = { t->text, t->user, t->password };

	return vm_ftp_get(t->curl, &place, t->request, t->sink, reply, err);
}

int
vm_http_get(const struct vm_http_request *request,
    const struct vm_http_sink *sink, struct vm_http_reply *reply,
    struct vm_error *err)
{
	struct transfer t = { .request = request, .sink = sink };
	int result = -1;

	t.received = request->offset;
	t.reply.length = request->length ?: VM_HTTP_UNKNOWN;
	if (request->if_range != NULL)
		snprintf(t.reply.etag, sizeof(t.reply.etag), "%s",
		    request->if_range);
	t.curl = request->session != NULL ?
	    vm_session_handle(request->session) :
	    vm_session_start();
	if (t.curl == NULL)
		vm_error_nomem(err);
	else if ((t.url = vm_url_parse(request->url, &t.user, &t.password,
		      err)) != NULL &&
	    show_url(&t, err) == 0)
		result = vm_url_is_ftp(t.url) ? get_ftp(&t, &t.reply, err) :
						transfer(&t, err);
	if (result == 0)
		*reply = t.reply;
	release(&t);
	return result;
}
