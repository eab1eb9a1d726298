#include "lib/adapt/curl_ftp.h"

#include <string.h>

#include "lib/adapt/curl_access.h"
#include "lib/adapt/curl_failure.h"
#include "lib/adapt/curl_http_session.h"
#include "lib/base/proc.h"

struct transfer {
	CURL *curl;
	const struct vm_ftp_place *place;
	const struct vm_http_request *request;
	const struct vm_http_sink *sink;
	struct vm_access_guard guard;
	struct vm_http_reply reply;
	uint64_t received; /* the file's bytes before the next one */
	bool answered;	   /* the size of this answer was looked at */
	bool begun;	   /* sink->begin was called */
	unsigned tries;
	struct vm_error error; /* from inside a callback */
};

/* The server says how long it is, or the end is the connection's. */
static int
answer(struct transfer *t, struct vm_error *err)
{
	curl_off_t left = -1;
	uint64_t total = VM_HTTP_UNKNOWN;

	t->answered = true;
	curl_easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &left);
	if (left >= 0)
		total = t->received + (uint64_t)left;
	if (t->reply.length == VM_HTTP_UNKNOWN)
		t->reply.length = total;
	else if (total != VM_HTTP_UNKNOWN && total != t->reply.length)
		return vm_error_set(err, VM_E_UNAVAILABLE, "restart",
		    "%s: the file has another length now", t->place->url);
	if (t->begun)
		return 0;
	t->begun = true;
	return t->sink->begin(t->sink->context, &t->reply, err);
}

/* How much of the file is wanted, as far as is known. */
static uint64_t
get_end(const struct transfer *t)
{
	uint64_t end = t->request->end;

	return end > 0 && end < t->reply.length ? end : t->reply.length;
}

static size_t
on_data(char *data, size_t size, size_t count, void *arg)
{
	struct transfer *t = arg;
	size_t len = size * count, wanted = len;

	if (!t->answered && answer(t, &t->error) == -1)
		return CURL_WRITEFUNC_ERROR;
	if (len > get_end(t) - t->received)
		wanted = get_end(t) - t->received;
	if (t->sink->data(t->sink->context, data, wanted, &t->error) == -1)
		return CURL_WRITEFUNC_ERROR;
	t->received += wanted;
	t->tries = 0;
	/* FTP knows no end but the file's: the rest is cut off. */
	return wanted < len ? CURL_WRITEFUNC_ERROR : len;
}

static int
on_progress(void *arg, curl_off_t total, curl_off_t now, curl_off_t up_total,
    curl_off_t up_now)
{
	const struct transfer *t = arg;

	(void)total, (void)now, (void)up_total, (void)up_now;
	return vm_session_is_stopped(t->request) ||
	    (t->request->end > 0 && t->received == t->request->end);
}

static void
set_request(struct transfer *t)
{
	const struct vm_http_access *access = t->request->access;
	CURL *curl = t->curl;

	curl_easy_reset(curl);
	vm_session_prepare(curl, t->request);
	curl_easy_setopt(curl, CURLOPT_URL, t->place->url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "ftp,ftps");
	curl_easy_setopt(curl, CURLOPT_USERNAME, t->place->user);
	curl_easy_setopt(curl, CURLOPT_PASSWORD, t->place->password);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_FTP_FILEMETHOD, CURLFTPMETHOD_NOCWD);
	curl_easy_setopt(curl, CURLOPT_FTP_SKIP_PASV_IP, 1L);
	if (strncmp(t->place->url, "ftps:", 5) == 0)
		curl_easy_setopt(curl, CURLOPT_USE_SSL, CURLUSESSL_ALL);
	curl_easy_setopt(curl, CURLOPT_RESUME_FROM_LARGE,
	    (curl_off_t)t->received);
	if (access != NULL)
		vm_access_apply(curl, access, true, &t->guard);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, t);
}

static int
fail_curl(const struct transfer *t, CURLcode code, struct vm_error *err)
{
	if (vm_proc_check_stop(err) == -1)
		return -1;
	if (code == CURLE_COULDNT_CONNECT && t->guard.refused[0] != '\0')
		return vm_error_set(err, VM_E_DENIED, "private_address",
		    "%s: its address %s is private", t->place->url,
		    t->guard.refused);
	return vm_failure_of_code(code, t->place->url, err);
}

static int
request_once(struct transfer *t, struct vm_error *err)
{
	CURLcode code;

	set_request(t);
	t->answered = false;
	code = curl_easy_perform(t->curl);
	if (code == CURLE_OK && !t->answered)
		(void)answer(t, &t->error); /* nothing in it */
	if (vm_error_is_set(&t->error)) {
		if (err != NULL)
			*err = t->error;
		return -1;
	}
	if (t->request->end > 0 && t->received == get_end(t))
		return 0;
	if (code == CURLE_OK && t->reply.length != VM_HTTP_UNKNOWN &&
	    t->received != t->reply.length)
		code = CURLE_PARTIAL_FILE;
	return code == CURLE_OK ? 0 : fail_curl(t, code, err);
}

static bool
is_worth_another(const struct transfer *t, const struct vm_error *failure)
{
	unsigned tries = t->request->tries ?: VM_HTTP_TRIES;

	if (vm_session_is_stopped(t->request) || t->tries >= tries)
		return false;
	return (strcmp(failure->code, "server_error") == 0 ||
		   strcmp(failure->code, "connection_lost") == 0) &&
	    (t->received == 0 || t->request->pinned);
}

int
vm_ftp_get(CURL *curl, const struct vm_ftp_place *place,
    const struct vm_http_request *request, const struct vm_http_sink *sink,
    struct vm_http_reply *reply, struct vm_error *err)
{
	struct transfer t = { .curl = curl,
		.place = place,
		.request = request,
		.sink = sink,
		.received = request->offset,
		.reply.length = request->length ?: VM_HTTP_UNKNOWN };
	struct vm_error failure = { 0 };

	if (strlen(place->url) < sizeof(t.reply.url))
		snprintf(t.reply.url, sizeof(t.reply.url), "%s", place->url);
	while (request_once(&t, &failure) == -1) {
		t.tries++;
		if (!is_worth_another(&t, &failure)) {
			if (err != NULL)
				*err = failure;
			return -1;
		}
		vm_session_back_off(curl, request, t.tries, &failure);
		vm_error_clear(&failure);
	}
	*reply = t.reply;
	return 0;
}
