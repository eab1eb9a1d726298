# vmfetch against a server that misbehaves as it is told to (badhttp.pl).
# shellcheck shell=bash disable=SC2154 # set by common.bash and bats

load ../lib/common

setup()
{
	fresh
	mkdir web
	"$top/test/lib/mkqcow2.pl" >web/box.qcow2
	bad_server
}

# Starts the server; sets $url and $log.
bad_server()
{
	log=$BATS_TEST_TMPDIR/requests
	"$top/test/lib/badhttp.pl" "$PWD/web" "$log" 3>&- 4>&- &
	servers+=($!)
	wait_for test -e "$log.port"
	url=http://127.0.0.1:$(<"$log.port")
	sum=$(sha256sum web/box.qcow2 | cut -d' ' -f1)
}

asked() { grep -sc "^/$1/" "$log" || :; }
has_asked() { grep -sq "^/$1/" "$log"; }
hex() { printf %s "$1" | od -An -v -tx1 | tr -d ' \n'; }

# get MODES [OPTION...]: without a digest; got_it: and it is right.
get() { vmfetch --insecure "${@:2}" "$url/$1/box.qcow2"; }
got_it() { [ "$(jq -r .image.id <<<"$output")" = "$sum" ]; }
nothing_there()
{
	no_litter
	[ -z "$(ls "$VMPIPE_ROOT/images")" ]
	[ -z "$(ls "$VMPIPE_ROOT/aliases")" ]
}

@test "a transfer that breaks off goes on where it stopped" {
	for n in 65536 65537 100000 393215; do
		status_is 0 get "drop=$n" -a "drop-$n"
		got_it
		[ "$(asked "drop=$n")" = $(((393216 + n - 1) / n)) ]
		tail -1 "$log" | grep -q ' bytes=[0-9]*- "v0" -$'
		rm -r "$VMPIPE_ROOT"
	done
}

@test "without a strong ETag it is begun anew, unless a digest will tell" {
	status_is 69 get drop=100000,weak
	err_has "127.0.0.1"
	nothing_there
	[ "$(asked drop=100000,weak)" = 3 ]
	run ! grep -q bytes= "$log"
	status_is 0 vmfetch --checksum "sha256:$sum" \
	    "$url/drop=100000,noetag/box.qcow2"
	got_it
}

@test "a file that changes meanwhile is fetched as a whole" {
	status_is 0 get drop=100000,change
	[ "$(jq -r .image.id <<<"$output")" = "$(sed s/data/DATA/g \
	    web/box.qcow2 | sha256sum | cut -d' ' -f1)" ]
	status_is 65 vmfetch --checksum "sha256:$sum" \
	    "$url/drop=300000,change/box.qcow2"
	err_has "expected $sum"
}

@test "a server that ignores ranges is not appended to" {
	status_is 69 get drop=100000,norange
	err_has "cannot be continued"
	nothing_there
}

@test "wrong ranges are refused" {
	status_is 76 get drop=100000,lie
	err_has "asked to go on at byte 100000"
	status_is 76 get drop=100000,total
	nothing_there
}

@test "a digest that differs: 65, both shown, nothing kept, not retried" {
	wrong=${sum/[0-9]/a}
	[ "$wrong" != "$sum" ] || wrong=${sum/a/0}
	status_is 65 vmfetch --checksum "sha256:$wrong" "$url/x/box.qcow2"
	err_has "sha256 is $sum, expected $wrong"
	err_has "$url/x/box.qcow2"
	[ "$(jq -r .error.code <<<"$output")" = digest_mismatch ]
	[ "$(asked x)" = 1 ]
	nothing_there
	echo '<html>sorry</html>' >web/box.qcow2
	status_is 65 vmfetch --checksum "sha256:$sum" "$url/x/box.qcow2"
	err_has "expected $sum"
}

@test "statuses: 404 66, 403 77, 418 76, 503 69 after five tries" {
	status_is 66 get status=404
	status_is 77 get status=403
	status_is 77 get status=401
	status_is 76 get status=418
	[ "$(asked status=418)" = 1 ]
	status_is 69 get status=503
	[ "$(asked status=503)" = 5 ]
	nothing_there
	status_is 0 get fail=3
	got_it
	[ "$(asked fail=3)" = 4 ]
}

@test "an error's page, or a redirect's, that never ends" {
	status_is 66 timeout 20 vmfetch --insecure "$url/status=404,endless/x"
	status_is 69 timeout 20 vmfetch --insecure "$url/status=503,endless/x"
	status_is 76 timeout 20 vmfetch --insecure \
	    "$url/to=$(hex "$url/x/box.qcow2"),endless/x"
	nothing_there
}

@test "a part without a byte is not asked for for ever" {
	status_is 69 timeout 20 vmfetch --insecure \
	    "$url/drop=100000,hollow/box.qcow2"
	[ "$(asked drop=100000,hollow)" -lt 40 ]
	nothing_there
}

@test "Retry-After is honoured" {
	start=$(date +%s%N)
	status_is 0 get fail=1,after=1
	[ $(($(date +%s%N) - start)) -ge 1000000000 ]
}

@test "redirects: five, never to another scheme, none for ever" {
	status_is 0 get "to=$(hex "$url/plain/box.qcow2")"
	got_it
	status_is 0 get "to=$(hex "/relative/box.qcow2")"
	for to in file:///etc/shadow scp://localhost/etc/shadow \
	    gopher://localhost/ dict://localhost/ ftp://localhost/x; do
		status_is 76 get "to=$(hex "$to")"
		err_has "redirect refused"
	done
	status_is 0 get hops=5
	status_is 76 get hops=6
	err_has "more than 5 redirects"
}

@test "a password goes to its own host and nowhere else" {
	secret=s3cr3t-$RANDOM$RANDOM
	with=${url/http:\/\//http://amy:$secret@}
	other=${url/127.0.0.1/localhost}
	status_is 0 vmfetch -vv --insecure "$with/x/box.qcow2"
	got_it
	grep -q "^/x/box.qcow2 - - Basic_$(printf 'amy:%s' "$secret" |
	    base64)\$" "$log"
	[[ $output$stderr != *"$secret"* ]]
	status_is 66 vmfetch --insecure \
	    "$with/to=$(hex "$other/status=404/gone")/x"
	[[ $output$stderr != *"$secret"* ]]
	grep -q "^/status=404/gone - - -\$" "$log"
	run ! grep -rq "$secret" "$VMPIPE_ROOT"
}

@test "a stall ends in 69, a signal at once" {
	status_is 69 get rate=100 --stall-timeout 1s # so little is a stall
	[ "$(jq -r .error.code <<<"$output")" = stalled ]
	status_is 69 get stall=100000 --stall-timeout 1s
	err_has "stall=100000"
	nothing_there
	vmfetch --insecure "$url/stall=5/box.qcow2" 2>err >out &
	pid=$!
	wait_for has_asked stall=5
	kill -INT "$pid"
	status=0
	wait "$pid" || status=$?
	[ "$status" = 130 ]
	nothing_there
}


@test "nonsense, nobody there, no such host" {
	status_is 76 get garbage
	stop_servers
	status_is 69 get x
	[ "$(jq -r .error.code <<<"$output")" = connect ]
	[ "$(jq -r .error.retryable <<<"$output")" = true ]
	status_is 69 vmfetch https://nowhere.invalid/box.qcow2
	nothing_there
}

@test "a refresh asks whether it has changed" {
	status_is 0 get etag304,change
	first=$output
	status_is 0 get etag304,change
	[ "$(asked etag304,change)" = 1 ]
	status_is 0 get etag304,change --refresh
	[ "$(jq .image.generation <<<"$output")" = 2 ]
	status_is 0 vmfetch --refresh --all --insecure
	[ "$(asked etag304,change)" = 3 ]
	[ "$(jq .image.generation <<<"$output")" = 2 ]
	images=("$VMPIPE_ROOT"/images/*)
	[ "${#images[@]}" = 2 ]
	status_is 0 vmfetch -a box box@1
	[ "$(jq .image.generation <<<"$output")" = 1 ]
	[ "$(jq -r .image.id <<<"$output")" = "$(jq -r .image.id <<<"$first")" ]
	status_is 0 get etag304,change
	[ "$(jq .image.generation <<<"$output")" = 1 ]
}

@test "not modified is no answer to a digest" {
	status_is 0 get etag304
	status_is 65 vmfetch --checksum "sha256:${sum//[0-4]/5}" \
	    "$url/etag304/box.qcow2"
	status_is 65 vmfetch --checksum "sha512:$sum$sum" \
	    "$url/etag304/box.qcow2"
	[ "$(asked etag304)" = 3 ]
}

@test "http without a digest needs --insecure" {
	status_is 77 vmfetch "$url/x/box.qcow2"
	err_has "--checksum sha256:HEX"
	[ ! -e "$log" ]
}

@test "without a length the end is the connection's" {
	status_is 0 get nolength
	got_it
	status_is 65 get nolength,drop=100000
}

@test "the second waits, says so after --lock-timeout, takes over a dead one" {
	serve "$PWD/web" 'limit_rate 60k;'
	vmfetch --insecure "$url/box.qcow2" >/dev/null 3>&- &
	first=$!
	wait_for is_fetching
	status_is 75 vmfetch --insecure --lock-timeout 100ms "$url/box.qcow2"
	err_has "another process is fetching it"
	[ "$(jq -r .error.retryable <<<"$output")" = true ]
	qemu-img convert -f qcow2 -O raw web/box.qcow2 web/disk.raw
	vmfetch --insecure "$url/disk.raw" -a other >/dev/null 3>&- &
	other=$!
	vmfetch --insecure "$url/box.qcow2" >out 3>&- &
	second=$!
	kill -9 "$first"
	wait "$second"
	[ "$(jq -r .image.id out)" = "$sum" ]
	kill "$other"
	wait "$other" || :
}
is_fetching() { grep -qs ' 393216$' "$VMPIPE_ROOT"/locks/fetch-*; }
