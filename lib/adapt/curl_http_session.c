#include "lib/adapt/curl_http_session.h"

#include <pthread.h>
#include <stdlib.h>

#include "lib/base/clean.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/proc.h"

#define CONNECT_MS 30000L
#define STALL_MS 30000
#define STALL_BYTES 512 /* a second; below it is a stall */
#define BACKOFF_MS 250
#define RETRY_AFTER_MAX_MS 120000
#define BUFFER (256L << 10)

/* A handle keeps its connections when it is reset for the next request. */
struct vm_http_session {
	CURL *curl;
};

static void
start_curl(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

CURL *
vm_session_start(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, start_curl);
	return curl_easy_init();
}

CURL *
vm_session_handle(const struct vm_http_session *session)
{
	return session->curl;
}

struct vm_http_session *
vm_http_session_new(void)
{
	struct vm_http_session *session = calloc(1, sizeof(*session));

	if (session != NULL && (session->curl = vm_session_start()) == NULL)
		free(VM_TAKE(session));
	return session;
}

void
vm_http_session_clean(struct vm_http_session **owned)
{
	if (*owned != NULL)
		curl_easy_cleanup((*owned)->curl);
	free(VM_TAKE(*owned));
}

void
vm_session_prepare(CURL *curl, const struct vm_http_request *request)
{
	uint64_t stall = request->stall_ms ?: STALL_MS;

	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT,
	    (long)(request->min_rate ?: STALL_BYTES));
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME,
	    (long)((stall + 999) / 1000));
	curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, BUFFER);
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
}

bool
vm_session_is_stopped(const struct vm_http_request *request)
{
	return vm_proc_stopped() != 0 ||
	    (request->stop != NULL && atomic_load(request->stop));
}

void
vm_session_back_off(CURL *curl, const struct vm_http_request *request,
    unsigned tries, const struct vm_error *failure)
{
	uint64_t until, ms = (uint64_t)BACKOFF_MS << (tries - 1);
	curl_off_t after = 0;

	curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &after);
	if (after > 0)
		ms = (uint64_t)after < RETRY_AFTER_MAX_MS / 1000 ?
		    (uint64_t)after * 1000 :
		    RETRY_AFTER_MAX_MS;
	vm_log(VM_LOG_INFO, "%s; trying again in %llu ms", failure->message,
	    (unsigned long long)ms);
	until = vm_clock_ms() + ms;
	while (vm_clock_ms() < until && !vm_session_is_stopped(request)) {
		uint64_t left = until - vm_clock_ms();

		vm_clock_wait(left < 100 ? left : 100);
	}
}
