# tls.bash - a CA of our own, and an nginx with a certificate by it.
# shellcheck shell=bash disable=SC2034,SC2154

# make_certificate NAME SUBJECT_ALT_NAME [DAYS]: NAME.pem and NAME.key by the
# CA in ca.pem and ca.key, which is made when it is not there.
make_certificate()
{
	local ec=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)

	[[ -e ca.pem ]] || openssl req -x509 "${ec[@]}" -keyout ca.key \
	    -out ca.pem -subj /CN=ca -days 2 2>/dev/null
	openssl req "${ec[@]}" -keyout "$1.key" -out "$1.csr" \
	    -subj "/CN=$1" 2>/dev/null
	openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key \
	    -days "${3:-2}" -extfile <(echo "subjectAltName=$2") \
	    -out "$1.pem" 2>/dev/null
}

# serve_tls SUBJECT_ALT_NAME [PROTOCOLS [DIRECTIVE...]]: web/ by http at $url
# and by https at $tls.
serve_tls()
{
	local port

	requires openssl
	port=$(free_port)
	tls=https://127.0.0.1:$port
	[[ -e tls.pem ]] || make_certificate tls "$1"
	serve "$PWD/web" "listen 127.0.0.1:$port ssl;
	    ssl_certificate $PWD/tls.pem; ssl_certificate_key $PWD/tls.key;
	    location /down { return 302 http://127.0.0.1/box.qcow2; }
	    ssl_protocols ${2:-TLSv1.2 TLSv1.3};" "${@:3}"
}
