#!/bin/bash
# clone.sh - 1,000 clones of one master, with identity and durable, in a fresh
# directory, against a loop of `qemu-img create -b' on the same master; and the
# disk space that each takes.  In turns, ROUNDS times; the best of each counts.
# Nothing is removed before the end: ext4 does not use an inode again for some
# seconds, and searches around all those that a removal before has freed.
set -euo pipefail
# shellcheck source=bench/lib.bash
. "${0%/*}/lib.bash"

count=${COUNT:-1000}
peer_ms='' bare_ms='' ours_ms='' # set by best_ms
rounds=${ROUNDS:-3}

qemu_img_loop()
{
	local i

	for ((i = 1; i <= count; i++)); do
		qemu-img create -q -f qcow2 -F raw -b "$dir/master.raw" \
		    "$peer/$i.qcow2"
	done
}

# ours OPTION...: in a store of its own, where only the master is.
ours()
{
	vmclone -q --from master -c "$count" --name 'a-{{index}}' "$@" >"$dir/out"
}

fresh_store()
{
	export VMPIPE_ROOT=$dir/store.$round.$1
	vmfetch -q -a master "$dir/master.raw" >/dev/null
	sync -f "$dir"
}

truncate -s 2G "$dir/master.raw"
dd if=/dev/urandom of="$dir/master.raw" bs=1M count=64 conv=notrunc status=none

for ((round = 1; round <= rounds; round++)); do
	peer=$dir/peer.$round
	mkdir "$peer"
	best_ms peer_ms qemu_img_loop
	fresh_store bare
	best_ms bare_ms ours --no-sync --no-host-keys
	fresh_store durable
	best_ms ours_ms ours
	[[ $(grep -c '"state":"cloned"' "$dir/out") == "$count" ]]
done

# The master's own blocks are no clone's.
ours_bytes=$(($(space_of "$VMPIPE_ROOT/vms") -
    $(stat -c '%b * 512' "$VMPIPE_ROOT"/images/*/*.raw)))
peer_bytes=$(space_of "$peer")

report "$count clones, identity, durable" "$ours_ms" "$peer_ms" ms 20
report "$count clones, no host keys, no sync" "$bare_ms" "$peer_ms" ms 50
report "$count clones, disk space" $((ours_bytes >> 10)) \
    $((peer_bytes >> 10)) K 4
exit "$missed"
