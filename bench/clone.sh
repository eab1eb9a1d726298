#!/bin/bash
# clone.sh - 1,000 clones of one master, with identity and durable, in a fresh
# directory, against a loop of `qemu-img create -b' on the same master, both in
# this run; and the disk space that each takes.
set -euo pipefail
# shellcheck source=bench/lib.bash
. "${0%/*}/lib.bash"

ours_ms=0 peer_ms=0 bare_ms=0 # set by time_ms
count=${COUNT:-1000}
export VMPIPE_ROOT=$dir/store

qemu_img_loop()
{
	local i

	for ((i = 1; i <= count; i++)); do
		qemu-img create -q -f qcow2 -F raw -b "$master" \
		    "$dir/peer/$i.qcow2"
	done
}

truncate -s 2G "$dir/master.raw"
dd if=/dev/urandom of="$dir/master.raw" bs=1M count=64 conv=notrunc status=none
vmfetch -q -a master "$dir/master.raw" >/dev/null
master=$(echo "$VMPIPE_ROOT"/images/*/*.raw)
mkdir "$dir/peer"

time_ms peer_ms qemu_img_loop
sync -f "$dir"
time_ms ours_ms vmclone -q --from master -c "$count" --name 'a-{{index}}' \
    >"$dir/out"
[[ $(grep -c '"state":"cloned"' "$dir/out") == "$count" ]]
sync -f "$dir"
time_ms bare_ms vmclone -q --from master -c "$count" --name 'b-{{index}}' \
    --no-sync --no-host-keys >/dev/null

# The master's own blocks are in both; only what the clones add counts.
mkdir "$dir/ours"
mv "$VMPIPE_ROOT"/vms/a-* "$dir/ours"
ours_bytes=$(($(space_of "$dir/ours") - $(stat -c '%b * 512' "$master")))
peer_bytes=$(space_of "$dir/peer")

report "$count clones, identity, durable" "$ours_ms" "$peer_ms" ms 20
report "$count clones, no host keys, no sync" "$bare_ms" "$peer_ms" ms 50
report "$count clones, disk space" $((ours_bytes >> 10)) \
    $((peer_bytes >> 10)) K 4
exit "$missed"
