#!/bin/bash
# clone.sh - 1,000 clones of one master, with identity and durable, in a fresh
# directory, against a loop of `qemu-img create -b' on the same master; and the
# disk space that each takes.  The same of reflinks, on XFS (root only), against
# a loop of `cp --reflink'.  In turns, ROUNDS times; the best of each counts.
# Nothing is removed before the end: ext4 does not use an inode again for some
# seconds, and searches around all those that a removal before has freed.  For
# the same reason BENCH_DIR had better be on a file system where nobody has just
# removed much.
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

# ---- reflinks, on a file system of their own

reflink_ms='' cp_ms=''

cp_loop()
{
	local i

	for ((i = 1; i <= count; i++)); do
		cp --reflink=always "$master" "$peer/$i.raw"
	done
	sync -f "$peer"
}

if [[ $EUID != 0 || ! -e /dev/loop-control ]] || ! command -v mkfs.xfs >/dev/null
then
	echo "$count reflinks: left out: needs root, loop devices and mkfs.xfs"
	exit "$missed"
fi
truncate -s 4G "$dir/xfs"
mkfs.xfs -q "$dir/xfs"
mkdir "$dir/mounted"
mount -o loop "$dir/xfs" "$dir/mounted"
trap 'umount "$dir/mounted"; chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
for ((round = 1; round <= rounds; round++)); do
	export VMPIPE_ROOT=$dir/mounted/store.$round
	peer=$dir/mounted/peer.$round
	mkdir "$peer"
	vmfetch -q -a master "$dir/master.raw" >/dev/null
	master=$(echo "$VMPIPE_ROOT"/images/*/*.raw)
	sync -f "$peer"
	best_ms cp_ms cp_loop
	best_ms reflink_ms ours --mode reflink
	[[ $(grep -c '"mode":"reflink"' "$dir/out") == "$count" ]]
done
report "$count reflinks, identity, durable" "$reflink_ms" "$cp_ms" ms 2
exit "$missed"
