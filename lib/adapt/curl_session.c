#include "lib/adapt/curl_session.h"

#include <pthread.h>
#include <stdlib.h>

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
