# vmfetch from ftp and ftps servers (ftpd.pl).
# shellcheck shell=bash disable=SC2154 # set by common.bash and bats

load ../lib/common
load ../lib/tls

setup()
{
	fresh
	mkdir web
	head -c 5000000 /dev/urandom >web/box.raw
	truncate -s 5000192 web/box.raw
	sum=$(sha256sum web/box.raw | cut -d' ' -f1)
	log=$BATS_TEST_TMPDIR/requests
	ftp_server
	url=ftp://127.0.0.1:$(<"$log.port")
}

# ftp_server [CERT KEY]: starts it; the port is in $log.port.
ftp_server()
{
	rm -f "$log.port"
	"$top/test/lib/ftpd.pl" "$PWD/web" "$log" "$@" 3>&- 4>&- &
	servers+=($!)
	wait_for test -e "$log.port"
}

# get URL [OPTION...]: pinned.
get() { vmfetch --checksum "sha256:$sum" --stall-timeout 1s "$@"; }
got_it()
{
	[ "$(jq -r .image.id <<<"$output")" = "$sum" ]
	cmp "$VMPIPE_ROOT/images/$sum/$sum.raw" web/box.raw
	no_litter
}
rests() { awk -v p="$1/" 'index($1, p) == 1 { print $2 }' "$log" | paste -sd' '; }
who() { awk -v p="$1/" 'index($1, p) == 1 { print $3 }' "$log" | sort -u; }

@test "a file; anonymous; plain ftp wants a digest" {
	status_is 0 get "$url/a/box.raw"
	got_it
	[ "$(rests a)" = 0 ]
	[ "$(who a)" = anonymous:ftp@example.com ]
	status_is 77 vmfetch "$url/b/box.raw"
	err_has "plain ftp"
	err_has "--checksum sha256:HEX"
	rm -r "$VMPIPE_ROOT"
	status_is 0 vmfetch --insecure "$url/b/box.raw"
	got_it
	rm -r "$VMPIPE_ROOT"
	(cd web && sha256sum box.raw >SHA256SUMS)
	status_is 0 vmfetch --insecure --checksums auto "$url/c/box.raw"
	got_it
	[ "$(jq -r .trust.by "$VMPIPE_ROOT/images/$sum/image.json")" = checksums ]
}

@test "user and password, from the URL or a file, shown to nobody" {
	secret=s3cr3t-$RANDOM
	status_is 0 get --insecure -vv "${url/ftp:\/\//ftp://amy:$secret@}/a/box.raw"
	got_it
	[ "$(who a)" = "amy:$secret" ]
	[[ $output$stderr != *"$secret"* ]]
	run ! grep -rq "$secret" "$VMPIPE_ROOT"
	rm -r "$VMPIPE_ROOT"
	echo "amy:$secret" >auth
	chmod 600 auth
	status_is 77 get --auth-file auth "$url/b/box.raw"
	status_is 0 get --insecure --auth-file auth "$url/b/box.raw"
	[ "$(who b)" = "amy:$secret" ]
	rm -r "$VMPIPE_ROOT"
	echo a-token >auth
	status_is 64 get --insecure --auth-file auth "$url/c/box.raw"
	err_has "ftp knows no tokens"
	status_is 77 get --insecure "${url/ftp:\/\//ftp://amy:wrong@}/d/box.raw"
}

@test "a transfer that breaks off goes on, when a digest tells" {
	status_is 0 get "$url/drop=2000000/box.raw"
	got_it
	[ "$(rests drop=2000000)" = "0 2000000 4000000" ]
	rm -r "$VMPIPE_ROOT"
	status_is 69 vmfetch --insecure "$url/drop=3000000/box.raw"
	[ "$(rests drop=3000000)" = "0 0 0" ]
	status_is 69 get "$url/drop=1000000,norest/box.raw"
	no_litter
	status_is 65 get "$url/longer/box.raw"
	status_is 0 get "$url/fail=2/box.raw"
	got_it
}

@test "a stall ends in 69, the part is gone on with" {
	status_is 69 get "$url/stall=3500000,once/box.raw"
	[ "$(jq -r .error.code <<<"$output")" = stalled ]
	status_is 0 get "$url/stall=3500000,once/box.raw"
	got_it
	[ "$(rests stall=3500000,once)" = "0 3145728" ]
}

@test "no such file, nobody there, no SIZE" {
	status_is 66 get "$url/a/none.raw"
	[ "$(jq -r .error.code <<<"$output")" = not_found ]
	status_is 0 get "$url/nosize/box.raw"
	got_it
	rm -r "$VMPIPE_ROOT"
	status_is 77 get --no-private "$url/b/box.raw" -a b
	[ "$(jq -r .error.code <<<"$output")" = private_address ]
	status_is 64 get "$url/a%0d%0aDELE b/box.raw" -a c
	stop_servers
	status_is 69 vmfetch --insecure "$url/c/box.raw"
	status_is 64 get "gopher://127.0.0.1/box.raw"
}

@test "mirrors: over ftp, and in pieces" {
	status_is 0 get "$url/a/box.raw" --mirror "$url/b/box.raw" --parallel 2
	got_it
	for at in 0 2097152 4194304; do
		awk -v at=$at '$2 == at { n++ } END { exit !n }' "$log"
	done
}

@test "ftps: verified, also without a digest" {
	perl -e 'use IO::Socket::SSL' 2>/dev/null ||
	    skip "requires libio-socket-ssl-perl"
	make_certificate tls IP:127.0.0.1
	ftp_server "$PWD/tls.pem" "$PWD/tls.key"
	tls=ftps://127.0.0.1:$(<"$log.port")
	status_is 77 vmfetch "$tls/a/box.raw"
	[ "$(jq -r .error.code <<<"$output")" = tls ]
	status_is 0 vmfetch --cacert ca.pem "$tls/a/box.raw"
	got_it
	rm -r "$VMPIPE_ROOT"
	status_is 0 get --cacert ca.pem "$tls/drop=2000000/box.raw"
	got_it
	[ "$(rests drop=2000000)" = "0 2000000 4000000" ]
}
