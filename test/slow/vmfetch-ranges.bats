# vmfetch --parallel: one file over several connections (badhttp.pl).
# shellcheck shell=bash disable=SC2154 # set by common.bash and bats

load ../lib/common

# 42 MiB are 21 pieces: more than are ever held at once.
setup_file()
{
	mkdir "$BATS_FILE_TMPDIR/web"
	cd "$BATS_FILE_TMPDIR/web" || return
	head -c 44040000 /dev/urandom >box.raw
	truncate -s 44040192 box.raw
	sed 's/\x80/\x81/g' box.raw >liar.raw
	(cat box.raw && head -c 512 /dev/zero) >longer.raw
}

setup()
{
	fresh
	web=$BATS_FILE_TMPDIR/web
	size=$(stat -c %s "$web/box.raw")
	sum=$(sha256sum "$web/box.raw" | cut -d' ' -f1)
	log=$BATS_TEST_TMPDIR/requests
	"$top/test/lib/badhttp.pl" "$web" "$log" 3>&- 4>&- &
	servers+=($!)
	wait_for test -e "$log.port"
	url=http://127.0.0.1:$(<"$log.port")
	dead=http://127.0.0.1:$(free_port)/box.raw
}

# get URL [OPTION...]: pinned.
get() { vmfetch --checksum "sha256:$sum" --stall-timeout 2s "$@"; }
got_it()
{
	[ "$(jq -r .image.id <<<"$output")" = "$sum" ]
	cmp "$VMPIPE_ROOT/images/$sum/$sum.raw" "$web/box.raw"
	no_litter
}
ranges() { awk -v p="/$1/" 'index($1, p) == 1 { print $2 }' "$log"; }
asked() { ranges "$1" | grep -c . || :; }
warnings() { grep -c "$1" <<<"$stderr" || :; }


# covered: each piece was asked for, by somebody.
covered()
{
	for ((at = 0; at < size; at += 2097152)); do
		grep -q "bytes=$at-$((at + 2097151)) " "$log" || return 1
	done
}

@test "with mirrors: pieces from each of them" {
	status_is 0 get "$url/a/box.raw" --mirror "$url/b/box.raw" \
	    --mirror "$url/c/box.raw"
	got_it
	[ -z "$stderr" ]
	[ "$(ranges a | head -1)" = - ]
	covered
	for m in a b c; do [ "$(asked $m)" -gt 1 ]; done
}

@test "one server: one connection, unless more are asked for" {
	status_is 0 get "$url/a/box.raw"
	got_it
	[ "$(ranges a)" = - ]
	rm -r "$VMPIPE_ROOT"
	status_is 0 vmfetch --insecure --parallel 4 "$url/b/box.raw"
	got_it
	covered
	[ "$(awk '$1 ~ "^/b/" && $2 != "-" { print $3 }' "$log" | sort -u)" = \
	    '"v0"' ]
	rm -r "$VMPIPE_ROOT"
	status_is 0 vmfetch --insecure --parallel 4 "$url/weak/box.raw"
	got_it
	[ "$(ranges weak)" = - ]
	rm -r "$VMPIPE_ROOT"
	status_is 0 get "$url/c/box.raw" --mirror "$url/d/box.raw" --parallel 1
	got_it
	[ "$(ranges c)" = - ]
	[ "$(asked d)" = 0 ]
	status_is 64 get "$url/c/box.raw" --parallel 0
	status_is 64 get "$url/c/box.raw" --parallel 9
}

@test "a server that knows no ranges gives it as a whole" {
	status_is 0 get "$url/norange/box.raw" --parallel 3
	got_it
	[ "$(ranges norange | tail -1)" = - ]
	rm -r "$VMPIPE_ROOT"
	status_is 0 get "$url/norange,x/box.raw" --mirror "$url/b/box.raw"
	got_it
	[ "$(warnings "norange,x/box.raw.*without it")" = 1 ]
}

@test "dead, missing, failing, other lengths: dropped, one warning each" {
	status_is 0 get "$url/a/box.raw" --mirror "$dead" \
	    --mirror "$url/status=404/box.raw" \
	    --mirror "$url/status=503/box.raw" \
	    --mirror "$url/x/longer.raw" --mirror "$url/lie/box.raw" \
	    --mirror "$url/b/box.raw" --parallel 7
	got_it
	for bad in "$dead" status=404 status=503 longer.raw lie; do
		[ "$(warnings "$bad.*going on without it")" = 1 ]
	done
	[ "$(grep -c . <<<"$stderr")" = 5 ]
}

@test "connections that break off are taken up where they were" {
	status_is 0 get "$url/drop=1500000/box.raw" \
	    --mirror "$url/drop=700000/box.raw" --parallel 4
	got_it
	status_is 0 vmfetch --insecure --parallel 3 -a x \
	    "$url/drop=900000,x/box.raw"
	got_it
}

@test "one that hangs: others take its pieces, nobody waits for it" {
	start=$SECONDS
	status_is 0 get "$url/a/box.raw" --mirror "$url/stall=100000/box.raw" \
	    --mirror "$url/b/box.raw" --stall-timeout 5m
	got_it
	((SECONDS - start < 30))
	[ "$(warnings "stall=100000/box.raw: much slower.*without it")" = 1 ]
}

@test "a slow one is dropped while others are left, and used when alone" {
	slow=$url/rate=100000/box.raw
	status_is 0 get "$url/a/box.raw" --mirror "$slow"
	got_it
	[ "$(warnings "rate=100000/box.raw: much slower.*without it")" = 1 ]
	rm -r "$VMPIPE_ROOT"
	status_is 0 get "$url/rate=12000000/box.raw" --mirror "$dead"
	got_it
	[ "$(warnings "$dead.*without it")" = 1 ]
	rm -r "$VMPIPE_ROOT"
	status_is 0 get "$url/rate=12000000/box.raw" --parallel 2
	got_it
	[ -z "$stderr" ]
}

@test "a mirror with other bytes is found out and named" {
	status_is 0 get "$url/a/box.raw" --mirror "$url/b/liar.raw"
	got_it
	err_has "$url/b/liar.raw: it has other bytes"
	[ "$(warnings "other bytes")" = 1 ]
	rm -r "$VMPIPE_ROOT"
	status_is 0 get "$url/a/liar.raw" -a box --mirror "$url/b/box.raw" \
	    --mirror "$url/c/box.raw"
	got_it
	err_has "$url/a/liar.raw: it has other bytes"
	rm -r "$VMPIPE_ROOT"
	status_is 65 get "$url/a/liar.raw" --mirror "$url/b/liar.raw"
	[ "$(jq -r .error.code <<<"$output")" = digest_mismatch ]
	no_litter
}

@test "a file that is replaced meanwhile is begun anew" {
	cp -r "$web" web
	log=$PWD/other
	"$top/test/lib/badhttp.pl" "$PWD/web" "$log" 3>&- 4>&- &
	servers+=($!)
	wait_for test -e "$log.port"
	url=http://127.0.0.1:$(<"$log.port")
	printf data | dd of=web/box.raw bs=1 seek=30000000 conv=notrunc \
	    status=none
	status_is 0 vmfetch --insecure --parallel 3 "$url/change/box.raw"
	new=$(sed s/data/DATA/g web/box.raw | sha256sum | cut -d' ' -f1)
	[ "$(jq -r .image.id <<<"$output")" = "$new" ]
}

# half: so much is kept that the next one can go on.
half() { (($(cat "$VMPIPE_ROOT"/incoming/*/sums 2>/dev/null | wc -l) > 20)); }

@test "killed with -9, or stopped: gone on with" {
	for signal in KILL TERM; do
		vmfetch --checksum "sha256:$sum" --limit-rate 16M \
		    "$url/$signal/box.raw" --mirror "$url/b/box.raw" \
		    >out 2>err 3>&- &
		pid=$!
		wait_for half
		kill -$signal "$pid"
		status=0
		wait "$pid" || status=$?
		[ "$status" = "$((128 + $(kill -l $signal)))" ]
		status_is 0 get "$url/$signal/box.raw" \
		    --mirror "$url/b/box.raw"
		cmp "$VMPIPE_ROOT/images/$sum/$sum.raw" "$web/box.raw"
		first=$(ranges $signal | sed -n 's/^bytes=\([0-9]*\)-$/\1/p')
		((first >= 20 << 20))
		rm -r "$VMPIPE_ROOT"
	done
}

@test "the limit of the rate is for all connections together" {
	start=$(date +%s%N)
	status_is 0 get "$url/a/box.raw" --mirror "$url/b/box.raw" \
	    --limit-rate 16M
	took=$((($(date +%s%N) - start) / 1000000))
	got_it
	((took >= 2500))
}

@test "all of them fail: the part is kept, the status is theirs" {
	status_is 69 get "$url/stall=1500000/box.raw" \
	    --mirror "$url/stall=1200000,x/box.raw"
	[ "$(jq -r .error.code <<<"$output")" = stalled ]
	stop_servers
	status_is 69 get "$url/a/box.raw" --mirror "$dead"
}
