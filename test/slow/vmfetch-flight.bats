# vmfetch by many processes at once, and under signals (badhttp.pl).
# shellcheck shell=bash disable=SC2154 # set by common.bash and bats

load ../lib/common

setup()
{
	fresh
	mkdir web
	head -c 8388608 /dev/urandom >web/box.raw
	sum=$(sha256sum web/box.raw | cut -d' ' -f1)
	log=$BATS_TEST_TMPDIR/requests
	"$top/test/lib/badhttp.pl" "$PWD/web" "$log" 3>&- 4>&- &
	servers+=($!)
	wait_for test -e "$log.port"
	url=http://127.0.0.1:$(<"$log.port")
}

asked() { grep -sc "^/$1/" "$log" || :; }
has_asked() { grep -sq "^/$1/" "$log"; }
steps() { (($(cat "$VMPIPE_ROOT"/incoming/*/sums 2>/dev/null | wc -l) > $1)); }

# takes_usr1 PID: it would not end it any more.
takes_usr1()
{
	local mask

	mask=$(awk '/^SigCgt/ { print $2 }' "/proc/$1/status")
	((16#${mask: -4} & 16#200))
}

@test "64 processes, one download" {
	for i in {1..64}; do
		vmfetch --insecure "$url/rate=8000000/box.raw" \
		    >"out.$i" 2>"err.$i" 3>&- &
		pids[i]=$!
	done
	for i in {1..64}; do wait "${pids[i]}"; done
	[ "$(asked rate=8000000)" = 1 ]
	[ "$(jq -r '.image | "\(.id) \(.generation)"' out.* | sort | uniq -c |
	    xargs)" = "64 $sum 1" ]
	[ ! -s err.1 ]
	no_litter
}

# shows_progress: asked how far it is, the waiting one says what the other has.
shows_progress()
{
	kill -USR1 "$waiter"
	grep -q '^vmfetch: box: [45].*M of 8M' err
}

@test "who waits shows the progress of the one that fetches" {
	vmfetch --insecure "$url/stall=5500000/box.raw" >/dev/null 2>&1 3>&- &
	leader=$!
	wait_for steps 5
	vmfetch --insecure "$url/stall=5500000/box.raw" >out 2>err 3>&- &
	waiter=$!
	wait_for takes_usr1 "$waiter"
	wait_for shows_progress
	[ "$(asked stall=5500000)" = 1 ]
	kill -TERM "$leader" "$waiter"
	wait "$leader" || :
	status=0
	wait "$waiter" || status=$?
	[ "$status" = 143 ]
}

@test "signals at random: the status says which, the next one goes on" {
	for n in {1..12}; do
		signals=(INT TERM HUP)
		signal=${signals[RANDOM % 3]}
		at=$((RANDOM % 7))
		vmfetch --insecure "$url/rate=12000000,n=$n/box.raw" \
		    >out 2>err 3>&- &
		pid=$!
		wait_for has_asked "rate=12000000,n=$n"
		wait_for steps "$at" || cat err
		kill -PIPE "$pid"
		kill "-$signal" "$pid"
		status=0
		wait "$pid" || status=$?
		echo "$signal after $at: $status"
		[ "$status" = $((128 + $(kill -l "$signal"))) ] ||
		    [ "$status" = 0 ]
		[ "$status" = 0 ] || [ -z "$(ls "$VMPIPE_ROOT/images")" ]
		[ -z "$(ls "$VMPIPE_ROOT/tmp")" ]
		status_is 0 vmfetch --insecure \
		    "$url/rate=12000000,n=$n/box.raw"
		[ "$(jq -r .image.id <<<"$output")" = "$sum" ]
		no_litter
		((at < 2 || status == 0)) ||
		    tail -1 "$log" | grep -q ' bytes=[1-9]'
		rm -r "$VMPIPE_ROOT"
	done
}
