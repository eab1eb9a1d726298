# cloud.bash - cloud.pl, and an nginx with a certificate of ours before it.
# shellcheck shell=bash disable=SC2034,SC2154

# Serves cloud/; sets $plain and $tls (the same by https, CA in ca.pem) and
# $log.
serve_cloud()
{
	local port

	requires nginx openssl perl
	log=$BATS_TEST_TMPDIR/requests
	mkdir -p cloud web
	"$top/test/lib/cloud.pl" "$PWD/cloud" "$log" 3>&- 4>&- &
	servers+=($!)
	wait_for test -e "$log.port"
	plain=127.0.0.1:$(<"$log.port")
	make_certificate tls 'IP:127.0.0.1'
	port=$(free_port)
	serve "$PWD/web" "listen 127.0.0.1:$port ssl;
	    ssl_certificate $PWD/tls.pem; ssl_certificate_key $PWD/tls.key;
	    location / { proxy_pass http://$plain;
		proxy_buffering off; proxy_redirect off; proxy_set_header Host \$http_host; }"
	tls=127.0.0.1:$port
}

# asked METHOD PATH [CREDENTIAL]: how often.
asked() { grep -sc "^$1 $2 ${3:-}" "$log" || :; }

# is_not_stored PATTERN: nothing in the store says so.
is_not_stored() { ! grep -rqaE "$1" "$VMPIPE_ROOT"; }
