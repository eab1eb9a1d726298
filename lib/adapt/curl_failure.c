#include "lib/adapt/curl_failure.h"

static const struct {
	CURLcode curl;
	enum vm_kind kind;
	const char *code;
} failures[] = {
	{ CURLE_COULDNT_RESOLVE_HOST, VM_E_UNAVAILABLE, "resolve" },
	{ CURLE_COULDNT_RESOLVE_PROXY, VM_E_UNAVAILABLE, "resolve" },
	{ CURLE_COULDNT_CONNECT, VM_E_UNAVAILABLE, "connect" },
	{ CURLE_OPERATION_TIMEDOUT, VM_E_UNAVAILABLE, "stalled" },
	{ CURLE_PEER_FAILED_VERIFICATION, VM_E_DENIED, "tls" },
	{ CURLE_SSL_CONNECT_ERROR, VM_E_DENIED, "tls" },
	{ CURLE_SSL_CIPHER, VM_E_DENIED, "tls" },
	{ CURLE_SSL_INVALIDCERTSTATUS, VM_E_DENIED, "tls" },
	{ CURLE_SSL_CERTPROBLEM, VM_E_DENIED, "certificate" },
	{ CURLE_SSL_CACERT_BADFILE, VM_E_NO_INPUT, "cacert" },
	{ CURLE_URL_MALFORMAT, VM_E_USAGE, "bad_url" },
	{ CURLE_UNSUPPORTED_PROTOCOL, VM_E_PROTOCOL, "http_reply" },
	{ CURLE_WEIRD_SERVER_REPLY, VM_E_PROTOCOL, "http_reply" },
	{ CURLE_OUT_OF_MEMORY, VM_E_SYSTEM, "no_memory" },
	{ CURLE_REMOTE_FILE_NOT_FOUND, VM_E_NO_INPUT, "not_found" },
	{ CURLE_LOGIN_DENIED, VM_E_DENIED, "forbidden" },
	{ CURLE_REMOTE_ACCESS_DENIED, VM_E_DENIED, "forbidden" },
	{ CURLE_USE_SSL_FAILED, VM_E_DENIED, "tls" },
	{ CURLE_FTP_COULDNT_RETR_FILE, VM_E_UNAVAILABLE, "server_error" },
	{ CURLE_FTP_COULDNT_USE_REST, VM_E_UNAVAILABLE, "restart" },
	{ CURLE_BAD_DOWNLOAD_RESUME, VM_E_UNAVAILABLE, "restart" },
	{ CURLE_FTP_WEIRD_PASS_REPLY, VM_E_PROTOCOL, "ftp_reply" },
	{ CURLE_FTP_WEIRD_PASV_REPLY, VM_E_PROTOCOL, "ftp_reply" },
	{ CURLE_FTP_WEIRD_227_FORMAT, VM_E_PROTOCOL, "ftp_reply" },
	{ CURLE_OK, VM_E_UNAVAILABLE, "connection_lost" }, /* the rest */
};

int
vm_failure_of_code(CURLcode code, const char *url, struct vm_error *err)
{
	size_t i = 0;

	while (failures[i].curl != CURLE_OK && failures[i].curl != code)
		i++;
	vm_error_set(err, failures[i].kind, failures[i].code, "%s: %s", url,
	    curl_easy_strerror(code));
	return code != CURLE_PEER_FAILED_VERIFICATION ?
	    -1 :
	    vm_error_hint(err,
		"vmfetch --cacert FILE, with the CA that vouches for it");
}

int
vm_failure_of_status(long status, const char *url, struct vm_error *err)
{
	if (status == 404 || status == 410)
		return vm_error_set(err, VM_E_NO_INPUT, "not_found",
		    "%s: HTTP %ld: there is no such file", url, status);
	if (status == 401 || status == 403 || status == 407)
		return vm_error_set(err, VM_E_DENIED, "forbidden",
		    "%s: HTTP %ld: the server does not let us", url, status);
	if (status == 416)
		return vm_error_set(err, VM_E_UNAVAILABLE, "restart",
		    "%s: HTTP %ld: the file has changed", url, status);
	if (status == 408 || status == 429 || status >= 500)
		return vm_error_set(err, VM_E_UNAVAILABLE, "server_error",
		    "%s: HTTP %ld", url, status);
	return vm_error_set(err, VM_E_PROTOCOL, "http_status",
	    "%s: unexpected HTTP status %ld", url, status);
}
