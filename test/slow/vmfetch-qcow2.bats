# vmfetch of qcow2 files: rewritten by our own reader while they arrive.
# shellcheck shell=bash disable=SC2154 # set by common.bash and bats

load ../lib/common

setup()
{
	fresh
	mkdir web
	truncate -s 9M disk.raw
	seq 100000 | dd of=disk.raw bs=64k seek=3 conv=notrunc status=none
	head -c 2M /dev/urandom |
	    dd of=disk.raw bs=1M seek=4 conv=notrunc status=none
	seq 1000 | dd of=disk.raw bs=1M seek=8 conv=notrunc status=none
}

sha() { sha256sum "$1" | cut -d' ' -f1; }
code() { jq -r .error.code <<<"$output"; }
to_qcow2() { qemu-img convert -O qcow2 "${@:2}" disk.raw "$1"; }

# The master of FILE holds the disk, sealed and sparse, chunk by chunk.
is_master()
{
	local id at

	id=$(sha "$1")
	at=$VMPIPE_ROOT/images/$id
	cmp "$at/$id.raw" disk.raw
	[ "$(stat -c %a "$at/$id.raw")" = 444 ]
	[ "$(stat -c %b "$at/$id.raw")" -lt 8000 ]
	{
		echo "vmpipe-chunks 1 sha256 4194304 9437184"
		for chunk in 0 1 2; do
			dd if=disk.raw bs=4M skip=$chunk count=1 status=none |
			    sha256sum | cut -d' ' -f1
		done
	} | cmp - "$at/chunks"
	no_litter
}

@test "plain, deflate, zstd, packed again: the same disk" {
	to_qcow2 web/plain.qcow2
	to_qcow2 web/deflate.qcow2 -c
	to_qcow2 web/zstd.qcow2 -c -o compression_type=zstd
	to_qcow2 web/large.qcow2 -c -o cluster_size=2M
	xz -k web/plain.qcow2
	serve "$PWD/web"
	for file in plain.qcow2 deflate.qcow2 zstd.qcow2 large.qcow2 \
	    plain.qcow2.xz; do
		status_is 0 vmfetch -a x \
		    --checksum "sha256:$(sha "web/$file")" "$url/$file"
		is_master "web/$file"
	done
}

# How many bytes of the master that is being built are there?
has_built()
{
	local kib

	kib=$(du -k "$VMPIPE_ROOT"/tmp/*/disk.raw 2>/dev/null | cut -f1)
	[[ ${kib:-0} -ge $1 ]]
}

@test "the master is made before the last bytes have come" {
	to_qcow2 box.qcow2
	size=$(stat -c %s box.qcow2)
	mkfifo pipe
	vmfetch -a x --image - <pipe >out 3>&- &
	pid=$!
	exec 9>pipe
	head -c $((size - 1)) box.qcow2 >&9
	wait_for has_built 500
	tail -c 1 box.qcow2 >&9
	exec 9>&-
	wait "$pid"
	is_master box.qcow2
}

@test "what is not what was asked for says so, whatever else is wrong with it" {
	to_qcow2 box.qcow2 -c
	sum=$(sha box.qcow2)
	# The first data, after header, refcounts and tables.
	head -c 4096 /dev/zero | tr '\0' '\377' |
	    dd of=box.qcow2 bs=64k seek=5 conv=notrunc status=none
	status_is 65 vmfetch ./box.qcow2
	[ "$(code)" = bad_compression ]
	err_has "qcow2: cluster at offset"
	no_litter
	status_is 65 vmfetch --checksum "sha256:$sum" ./box.qcow2
	[ "$(code)" = digest_mismatch ]
	no_litter
	[ -z "$(ls "$VMPIPE_ROOT/images")" ]
}

@test "a reader that can read it is not enough: the whole file is checked" {
	"$top/test/lib/mkqcow2.pl" l2.1=0x8000000000050000 >box.qcow2
	status_is 65 vmfetch ./box.qcow2
	[ "$(code)" = bad_table ]
	err_has "overlaps"
	no_litter
	[ -z "$(ls "$VMPIPE_ROOT/images")" ]
}

@test "a small file that would become a large one is a bomb" {
	qemu-img create -q -f qcow2 \
	    -o compression_type=zstd,cluster_size=128k bomb.qcow2 1200M
	for ((i = 0; i < 1200 * 8; i++)); do
		echo "write -q -c -P 0 $((i * 128))k 128k"
	done | qemu-io bomb.qcow2 >/dev/null
	status_is 65 vmfetch ./bomb.qcow2
	[ "$(code)" = bomb ]
	err_has "--max-size"
	no_litter
	[ -z "$(ls "$VMPIPE_ROOT/images")" ]
	status_is 0 vmfetch --max-size 2G ./bomb.qcow2
	id=$(sha bomb.qcow2)
	[ "$(stat -c '%s %b' "$VMPIPE_ROOT/images/$id/$id.raw")" = \
	    "1258291200 0" ]
}

steps() { [ "$(sed 1d "$VMPIPE_ROOT"/incoming/*/sums | wc -l)" = "$1" ]; }

@test "killed half-way: goes on, and is made from what was kept" {
	to_qcow2 web/box.qcow2
	log=$BATS_TEST_TMPDIR/requests
	"$top/test/lib/badhttp.pl" "$PWD/web" "$log" 3>&- 4>&- &
	servers+=($!)
	wait_for test -e "$log.port"
	url=http://127.0.0.1:$(<"$log.port")/stall=2500000,once/box.qcow2
	vmfetch --insecure "$url" >/dev/null 2>&1 3>&- &
	pid=$!
	wait_for steps 2 2>/dev/null
	kill -9 "$pid"
	wait "$pid" || :
	status_is 0 vmfetch --insecure "$url"
	[ "$(awk '{ print $2 }' "$log" | paste -sd' ')" = "- bytes=2097152-" ]
	vmgc >/dev/null
	is_master web/box.qcow2
}
