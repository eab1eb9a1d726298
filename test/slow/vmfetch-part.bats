# vmfetch goes on where another process was when it ended (badhttp.pl, nginx).
# shellcheck shell=bash disable=SC2154 # set by common.bash and bats

load ../lib/common

setup()
{
	fresh
	mkdir web
	"$top/test/lib/mkqcow2.pl" >box.qcow2
	qemu-img convert -f qcow2 -O raw box.qcow2 web/box.raw
	head -c 9000000 /dev/urandom | head -c $((17000 * 512)) >>web/box.raw
	size=$(stat -c %s web/box.raw)
	sum=$(sha256sum web/box.raw | cut -d' ' -f1)
	log=$BATS_TEST_TMPDIR/requests
	"$top/test/lib/badhttp.pl" "$PWD/web" "$log" 3>&- 4>&- &
	servers+=($!)
	wait_for test -e "$log.port"
	url=http://127.0.0.1:$(<"$log.port")
}

get() { vmfetch --insecure "${@:2}" "$url/$1/box.raw"; }
got_it() { [ "$(jq -r .image.id <<<"$output")" = "$sum" ]; }
master_is() { cmp "$VMPIPE_ROOT/images/$1/$1.raw" "$2"; }
asked() { grep -sc "^/$1/" "$log" || :; }
ranges() { awk -v p="/$1/" 'index($1, p) == 1 { print $2 }' "$log"; }

# steps N: the part in the store has so many sums.
sums() { cat "$VMPIPE_ROOT"/incoming/*/sums 2>/dev/null; }
steps() { [ "$(sums | sed 1d | wc -l)" = "$1" ]; }

# cut_short MODE [OPTION...]: fetched until it stalls, then killed with -9.
cut_short()
{
	vmfetch --insecure "${@:2}" "$url/$1/box.raw" >/dev/null 2>&1 3>&- &
	local pid=$!

	wait_for steps 5
	kill -9 "$pid"
	wait "$pid" || :
}

@test "killed with -9: the next one asks for the rest only" {
	cut_short stall=5500000,once
	status_is 0 get stall=5500000,once
	got_it
	master_is "$sum" web/box.raw
	[ "$(ranges stall=5500000,once | paste -sd' ')" = "- bytes=5242880-" ]
	grep -q '"v0"' "$log"
	no_litter_of_parts
}

@test "a signal, a stall, a lost server: the part is kept" {
	status_is 69 get stall=3000000,once --stall-timeout 1s
	steps 2
	status_is 0 get stall=3000000,once
	got_it
	no_litter
	rm -r "$VMPIPE_ROOT"
	vmfetch --insecure "$url/stall=3000001,once/box.raw" >out 2>err 3>&- &
	pid=$!
	wait_for steps 2
	kill -TERM "$pid"
	status=0
	wait "$pid" || status=$?
	[ "$status" = 143 ]
	status_is 0 get stall=3000001,once
	got_it
	[ "$(ranges stall=3000001,once | tail -1)" = "bytes=2097152-" ]
	no_litter
}

@test "--no-part keeps nothing, and removes what there is" {
	status_is 69 get stall=3000000 --stall-timeout 1s --no-part
	no_litter
	status_is 69 get stall=3000000 --stall-timeout 1s
	steps 2
	status_is 69 get stall=3000000 --stall-timeout 1s --no-part
	no_litter
}

@test "only what can be gone on with safely is kept" {
	status_is 69 get stall=3000000,weak --stall-timeout 1s
	no_litter
	status_is 69 get stall=3000000,nolength --stall-timeout 1s
	no_litter
	status_is 69 get stall=3000000,noetag,once --stall-timeout 1s \
	    --checksum "sha256:$sum"
	steps 2
	# Without the digest nothing says that the rest belongs to it.
	status_is 0 get stall=3000000,noetag,once
	got_it
	[ "$(ranges stall=3000000,noetag,once | paste -sd' ')" = "- -" ]
	no_litter
}

@test "pinned, without an ETag: gone on with, the digest tells" {
	mode=stall=3000000,noetag,once
	status_is 69 get $mode --stall-timeout 1s --checksum "sha256:$sum"
	status_is 0 get $mode --checksum "sha256:$sum"
	got_it
	[ "$(ranges $mode | paste -sd' ')" = "- bytes=2097152-" ]
	# Another file meanwhile: what does not fit is fetched as a whole.
	rm -r "$VMPIPE_ROOT" "$log"
	status_is 69 get $mode --stall-timeout 1s --checksum "sha256:$sum"
	tr '\000' '\001' <web/box.raw >other
	printf 'U\252' | dd of=other bs=1 seek=510 conv=notrunc status=none
	mv other web/box.raw
	other=$(sha256sum web/box.raw | cut -d' ' -f1)
	status_is 0 get $mode --checksum "sha256:$other"
	[ "$(ranges $mode | paste -sd' ')" = "- bytes=2097152- -" ]
	master_is "$other" web/box.raw
	no_litter
}

@test "a part damaged on the disk is found out, and begun anew" {
	for at in 0 3000000 5242879; do
		cut_short "stall=5500000,once,at=$at"
		data=$(echo "$VMPIPE_ROOT"/incoming/*/data)
		printf '\377\001\377' |
		    dd of="$data" bs=1 seek=$at conv=notrunc status=none
		status_is 0 get "stall=5500000,once,at=$at" -v
		err_has "damaged"
		got_it
		master_is "$sum" web/box.raw
		rm -r "$VMPIPE_ROOT"
	done
}

@test "sums or data that are cut, or nonsense, are no harm" {
	for how in 'truncate -s 3000000 data' ': >data' 'rm data' ': >sums' \
	    'truncate -s 200 sums' 'echo {} >sums' 'rm sums' \
	    'echo '\''{"vmpipe_part":1}'\'' >sums' \
	    'sed -i s/length..../length\":-/ sums' \
	    'rm data; ln -s /etc/passwd data'; do
		mode=stall=5500000,once,n=$((++n))
		cut_short "$mode"
		(cd "$VMPIPE_ROOT"/incoming/*/ && eval "$how")
		status_is 0 get "$mode"
		got_it
		master_is "$sum" web/box.raw
		rm -r "$VMPIPE_ROOT"
	done
	grep -q root: /etc/passwd
}

@test "a file that has changed between two runs is fetched as a whole" {
	cut_short stall=5500000,change
	status_is 69 get stall=5500000,change --stall-timeout 1s
	# 200 to If-Range, then anew, which stalls again at the same place.
	[ "$(ranges stall=5500000,change | paste -sd' ')" = \
	    "- bytes=5242880- -" ]
	rm -r "$VMPIPE_ROOT"
	cut_short stall=5500000,once,norange
	status_is 0 get stall=5500000,once,norange
	got_it
	[ "$(ranges stall=5500000,once,norange | paste -sd' ')" = \
	    "- bytes=5242880- -" ]
}

@test "a file that has shrunk: 416, and anew" {
	cut_short stall=5500000,once
	head -c 2097152 web/box.raw >short
	mv short web/box.raw
	status_is 0 get stall=5500000,once
	[ "$(jq .image.virtual_size <<<"$output")" = 2097152 ]
	no_litter_of_parts
}

@test "wrong ranges to a part: 76, and it is gone" {
	for lie in lie total; do
		cut_short "stall=5500000,once,$lie"
		status_is 76 get "stall=5500000,once,$lie"
		no_litter_of_parts
		rm -r "$VMPIPE_ROOT"
	done
}
no_litter_of_parts() { [ -z "$(ls -A "$VMPIPE_ROOT/incoming")" ]; }

@test "a leader that is killed: a waiter goes on with its part" {
	vmfetch --insecure "$url/stall=5500000,once/box.raw" \
	    >/dev/null 2>&1 3>&- &
	leader=$!
	wait_for steps 5
	for i in {1..6}; do
		get stall=5500000,once >"out.$i" 3>&- &
		pids[i]=$!
	done
	kill -9 "$leader"
	wait "$leader" || :
	for i in {1..6}; do wait "${pids[i]}"; done
	[ "$(jq -r .image.id out.* | sort -u)" = "$sum" ]
	[ "$(ranges stall=5500000,once | paste -sd' ')" = "- bytes=5242880-" ]
}

@test "a leader that is stopped: 75 after --lock-timeout" {
	vmfetch --insecure "$url/stall=5500000,once/box.raw" \
	    >/dev/null 2>&1 3>&- &
	leader=$!
	wait_for steps 5
	kill -STOP "$leader"
	status_is 75 get stall=5500000,once --lock-timeout 200ms
	err_has "another process is fetching it"
	kill -KILL "$leader"
	wait "$leader" || :
	status_is 0 get stall=5500000,once
	got_it
}

@test "a disk too small for part and image keeps no part, and works" {
	status_is 0 bash -c "ulimit -f $((size / 1024 + 1));
	    exec vmfetch --insecure '$url/x/box.raw'"
	got_it
	no_litter
	# Too small for the image: 74; the part stays for when there is room.
	status_is 74 bash -c "ulimit -f 4096;
	    exec vmfetch --insecure '$url/y/box.raw' -a y"
	[ "$(ls "$VMPIPE_ROOT/images")" = "$sum" ]
}

@test "the limit of the rate is kept" {
	start=$(date +%s%N)
	status_is 0 get x --limit-rate 4M
	took=$((($(date +%s%N) - start) / 1000000))
	got_it
	[ "$took" -ge 1500 ]
}

@test "the origin is down: what is here will do, unless it must be asked" {
	status_is 0 get x
	stop_servers
	status_is 0 get x --refresh
	got_it
	err_has "that is here is used"
	err_has "$url/x/box.raw"
	status_is 0 vmfetch --insecure --refresh=try box
	got_it
	status_is 69 get x --refresh=must
	status_is 69 vmfetch --refresh=must --all --insecure
	printf '%s\n' 'vmpipe: 1' 'service: s' \
	    "roles: {r: {image: {source: '$url/x/box.raw', pull: always}}}" \
	    >always.yaml
	status_is 0 vmfetch --insecure always.yaml
	got_it
	status_is 69 get y --refresh
	status_is 64 get x --refresh=maybe
}

@test "offline: what the store has, and nobody is asked" {
	status_is 66 get x --offline
	err_has "--offline"
	[ ! -e "$log" ]
	status_is 66 get x --offline -n
	status_is 0 get x
	printf '%s\n' 'vmpipe: 1' 'service: s' \
	    "roles: {r: {image: {source: '$url/x/box.raw', pull: always}}}" \
	    >always.yaml
	status_is 0 get x --offline
	got_it
	status_is 0 vmfetch --offline --insecure always.yaml
	status_is 0 vmfetch --offline box
	status_is 66 vmfetch --offline ./web/box.raw
	[ "$(asked x)" = 1 ]
	status_is 64 get x --offline --refresh
}
