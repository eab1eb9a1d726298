# vmclone: overlay, reflink or copy; clusters, sizes, VMs for one run.

load ../lib/common

# The store is in memory, on a file system that has no reflinks.
setup()
{
	fresh
	requires /dev/shm
	export VMPIPE_ROOT
	memory=$(mktemp -d /dev/shm/vmpipe-test.XXXXXX)
	VMPIPE_ROOT=$memory/store
}
teardown() { rm -rf "${memory:-/nowhere}"; }

# An image of 4 MiB of data and 12 MiB of holes.
image()
{
	head -c 4194304 /dev/urandom >base.raw
	truncate -s 16M base.raw
	vmfetch -qa base ./base.raw >base.json
}

disk() { echo "$VMPIPE_ROOT/vms/$1/disk.${2:-raw}"; }
mode() { jq -r '.disks[0] | .mode + " " + .format' "$VMPIPE_ROOT/vms/$1/vm.json"; }
has_run() { change "$1" '.started = true | .run = {accel: "tcg"} | .state = "running"'; }
change()
{
	jq "$2" "$VMPIPE_ROOT/vms/$1/vm.json" >x
	cat x >"$VMPIPE_ROOT/vms/$1/vm.json"
}

@test "a copy: raw, its holes kept, grown, standing on nothing" {
	image
	status_is 0 vmclone --from base --mode copy --size 1G box
	err_is ''
	[ "$(jq -c '.disks[0] | [.mode, .format, .size, (.path | endswith("vms/box/disk.raw"))]' \
	    <<<"$output")" = '["copy","raw",1073741824,true]' ]
	cmp -n 16777216 base.raw "$(disk box)"
	[ "$(stat -c %s "$(disk box)")" = 1073741824 ]
	[ "$(stat -c %b "$(disk box)")" -lt 8300 ]
	[ "$(find "$VMPIPE_ROOT/vms/box" -type f -printf '%f\n' | sort | paste -sd ' ')" = \
	    'disk.raw lock vm.json' ]
	[ "$(stat -c %h "$VMPIPE_ROOT"/images/*/*.raw)" = 1 ]
	no_litter
}

@test "the image of copies only may be pruned, and they live (C04)" {
	image
	vmclone -q --from base --mode copy box >/dev/null
	vmgc -q --keep 0 >/dev/null
	[ -z "$(ls "$VMPIPE_ROOT/images")" ]
	cmp base.raw "$(disk box)"
	status_is 0 vmls -Ho name,state,disks.0.mode box
	out_is $'box\tcloned\tcopy'
	# only what builds it again wants its image
	status_is 66 vmcustomize --hostname x box
	err_has 'not in the store; run: vmfetch base'
	cmp base.raw "$(disk box)"
}

@test "a reflink where there are none: 69, nothing left, unless --copy-ok (C07)" {
	image
	vmclone -q --from base there >/dev/null
	before=$(snapshot vms)
	status_is 69 vmclone --from base --mode reflink box
	err_is "vmclone: box: the store's file system cannot share blocks between \
files (XFS and btrfs can); run: vmclone with --copy-ok, or with --mode overlay"
	[ "$(jq -r '.state + " " + .error.code + " " + (has("disks") | tostring)' \
	    <<<"$output")" = 'failed no_reflink false' ]
	[ "$before" = "$(snapshot vms)" ]
	no_litter
	status_is 0 vmclone --from base --mode reflink --copy-ok box
	[ "$(mode box)" = 'copy raw' ]
	cmp base.raw "$(disk box)"
	# it is what was asked for, and stays
	before=$(snapshot vms)
	status_is 0 vmclone --from base --mode reflink --copy-ok box
	[ "$(jq -c .drift <<<"$output")" = '[]' ]
	[ "$before" = "$(snapshot vms)" ]
	status_is 0 vmclone --from base --mode auto other
	[ "$(mode other)" = 'overlay qcow2' ]
}

@test "the mode of a VM that is there: passes, is built again, or has drift" {
	image
	vmclone -q --from base --mode copy box >/dev/null
	uuid=$(jq -r .identity.uuid "$VMPIPE_ROOT/vms/box/vm.json")
	before=$(snapshot vms)
	for mode in '' --mode=auto --mode=copy; do
		status_is 0 vmclone --from base ${mode:+"$mode"} box
		[ "$(jq -c '[.drift, .disks[0].mode]' <<<"$output")" = '[[],"copy"]' ]
		[ "$before" = "$(snapshot vms)" ]
	done
	# something else is wanted: still a copy
	status_is 0 vmclone --from base --set memory=1G --size 32M box
	[ "$(mode box) $(stat -c %s "$(disk box)")" = 'copy raw 33554432' ]
	status_is 0 vmclone --from base --set memory=1G --mode overlay box
	[ "$(mode box)" = 'overlay qcow2' ]
	[ ! -e "$(disk box)" ]
	[ "$(jq -r .identity.uuid <<<"$output")" = "$uuid" ]
	change box '.started = true'
	before=$(snapshot vms)
	status_is 0 vmclone --from base --set memory=1G --mode copy box
	[ "$(jq -c '[.drift, .disks[0].mode]' <<<"$output")" = '[["disk"],"overlay"]' ]
	[ "$before" = "$(snapshot vms)" ]
	no_litter
}

@test "clusters: as asked, kept when built again, drift when asked otherwise" {
	image
	status_is 0 vmclone --from base --cluster-size 128K --lazy-refcounts \
	    --extended-l2 box
	info() { qemu-img info --output=json "$(disk box qcow2)" | jq -c \
	    '[."cluster-size", ."format-specific".data["lazy-refcounts", "extended-l2"]]'; }
	[ "$(info)" = '[131072,true,true]' ]
	qemu-img check -q "$(disk box qcow2)"
	qemu-img compare -q -f raw -F qcow2 base.raw "$(disk box qcow2)"
	status_is 0 vmclone --from base --set memory=1G box
	[ "$(info)" = '[131072,true,true]' ]
	status_is 0 vmclone --from base --set memory=1G --cluster-size 4K \
	    --mode overlay small
	qemu-img check -q "$(disk small qcow2)"
	change box '.started = true'
	status_is 0 vmclone --from base --set memory=1G --cluster-size 4K box
	[ "$(jq -c .drift <<<"$output")" = '["disk"]' ]
}

@test "extended L2 entries with a QEMU that does not know them: 69" {
	image
	mkdir old
	printf '#!/bin/sh\necho qemu-img version 5.1.0\n' >old/qemu-img
	chmod +x old/qemu-img
	PATH=$PWD/old:$PATH status_is 69 vmclone --from base --extended-l2 box
	err_has 'extended L2 entries need QEMU 5.2 or newer, this is 5.1'
	[ ! -d "$VMPIPE_ROOT/vms/box" ]
}

@test "what cannot be asked for: 64, before anything is read or made (C12)" {
	image
	for words in '--mode link' '--copy-ok' '--mode copy --copy-ok' \
	    '--mode copy --cluster-size 64K' '--mode auto --lazy-refcounts' \
	    '--cluster-size 3K' '--cluster-size 256' '--cluster-size 4M' \
	    '--extended-l2 --cluster-size 8K' '--size 0' '--size 1M' \
	    '--size 16777217' '--size 9223372036854775808' '--size 2P' \
	    '--size -1' '--size x' '--size 32M --set disk=32M'; do
		# shellcheck disable=SC2086 # words
		status_is 64 vmclone --from base $words box
		[ -n "$stderr" ]
		[ ! -d "$VMPIPE_ROOT/vms/box" ]
		no_litter
	done
	vmclone -q --from base --mode copy raw >/dev/null
	vmclone -q --from base over >/dev/null
	for words in 'raw --mode overlay' 'raw --cluster-size 64K' \
	    'over --mode copy' 'over --mode reflink' 'raw --size 32M'; do
		# shellcheck disable=SC2086 # words
		status_is 64 vmclone --from $words box
		[ ! -d "$VMPIPE_ROOT/vms/box" ]
	done
}

@test "a copy of a raw VM: its bytes, an identity of its own" {
	image
	vmclone -q --from base --mode copy box >/dev/null
	printf hello | dd of="$(disk box)" conv=notrunc status=none
	status_is 0 vmclone --from box twin
	[ "$(mode twin)" = 'copy raw' ]
	cmp "$(disk box)" "$(disk twin)"
	[ "$(jq -r .identity.uuid "$VMPIPE_ROOT"/vms/*/vm.json | sort -u | wc -l)" = 2 ]
	status_is 0 vmclone --from box --mode copy third
	cmp "$(disk box)" "$(disk third)"
}

@test "disk full while a copy is made: 74, nothing left, then it works (C08)" {
	load ../lib/smalldisk
	image
	cp base.raw kept.raw
	VMPIPE_ROOT=$PWD/small
	full()
	{
		disk_size 65536
		vmfetch -qa base ./kept.raw >/dev/null
		vmclone -q --from base there >/dev/null
		for room in 4400 5000 6000; do
			disk_size $room
			if vmclone --from base --mode copy box >out 2>err; then
				echo "there was room at $room"
				return 1
			fi
			jq -e '.error.status == 74 and .error.code == "no_space"' out
			[ "$(ls "$VMPIPE_ROOT/vms")" = there ]
			[ -z "$(ls "$VMPIPE_ROOT/tmp")" ]
		done
		disk_size 65536
		vmclone -q --from base --mode copy box >/dev/null
		cmp kept.raw "$VMPIPE_ROOT/vms/box/disk.raw"
	}
	export -f full
	on_small_disk full
}

@test "killed at each point while a copy is made: absent or complete (C03)" {
	image
	for point in mkdir open write fsync fsync_dir rename; do
		for nth in 1 2 3; do
			VMPIPE_FAULT="$point:$nth:kill" vmclone -q --from base \
			    --mode copy box >/dev/null 2>&1 || :
			[ ! -d "$VMPIPE_ROOT/vms/box" ] || cmp base.raw "$(disk box)"
			status_is 0 vmclone -q --from base --mode copy box
			cmp base.raw "$(disk box)"
			rm -r "$VMPIPE_ROOT/vms/box"
		done
	done
}

@test "interrupted in the middle of a copy: 130, nothing left (C08)" {
	requires strace
	truncate -s 16M base.raw
	for at in 1 3 5 7 9; do
		head -c 65536 /dev/urandom |
		    dd of=base.raw bs=1M seek=$at conv=notrunc status=none
	done
	vmfetch -qa base ./base.raw >/dev/null
	# the sanitizers' search for leaks is done by tracing, too
	status_is 130 env ASAN_OPTIONS=detect_leaks=0 \
	    strace -f -qq -o trace -e trace=copy_file_range \
	    -e 'inject=copy_file_range:signal=INT:when=3' \
	    vmclone --from base --mode copy box
	[ "$(grep -c copy_file_range trace)" = 3 ]
	[ -z "$(ls "$VMPIPE_ROOT/vms" 2>/dev/null)" ]
	no_litter
}

@test "what is in the way of a raw clone: 73, untouched (C05)" {
	image
	mkdir -p "$VMPIPE_ROOT/vms/box"
	echo mine >"$VMPIPE_ROOT/vms/box/disk.raw"
	ln -s /nowhere "$VMPIPE_ROOT/vms/link"
	status_is 73 vmclone --from base --mode copy box link fine
	[ "$(jq -r .state <<<"$output" | paste -sd ' ')" = 'failed failed cloned' ]
	[ "$(<"$VMPIPE_ROOT/vms/box/disk.raw")" = mine ]
	[ -L "$VMPIPE_ROOT/vms/link" ]
	no_litter
}

@test "a store that reaches over file systems: 73, nothing left (C06)" {
	image
	unshare -rm true 2>/dev/null || skip "requires user namespaces"
	across()
	{
		mount -t tmpfs -o mode=750 tmpfs "$VMPIPE_ROOT/tmp"
		for mode in overlay reflink copy auto; do
			status=0
			vmclone --from base --mode "$mode" box >out 2>err || status=$?
			[ "$status" = 73 ] || { cat err; exit 1; }
			jq -e '.error.code == "cross_device"' out
			[ -z "$(find "$VMPIPE_ROOT"/{vms,tmp} -mindepth 1)" ]
		done
	}
	export -f across
	status_is 0 unshare -rm bash -euc across
}

# ---- VMs for one run

@test "ephemeral: once it has run and stopped it is gone, by whoever comes" {
	image
	status_is 0 vmclone --from base --ephemeral ci other
	[ "$(jq -c .ephemeral <<<"$output" | uniq)" = true ]
	# never started: it stays
	status_is 0 vmgc --keep 1000d
	out_is ''
	status_is 0 vmstop ci
	[ "$(jq -r .state <<<"$output")" = cloned ]
	has_run ci
	# while its lock is held it runs
	exec 9<"$VMPIPE_ROOT/vms/ci/lock"
	flock 9
	status_is 0 vmgc --keep 1000d
	out_is ''
	exec 9<&-
	status_is 0 vmgc -n --keep 1000d
	[ "$(jq -r '.kind + " " + .name + " " + .planned' <<<"$output")" = 'vm ci remove' ]
	[ "$(vmls -Ho name | paste -sd ' ')" = 'ci other' ]
	status_is 0 vmgc --keep 1000d
	[ "$(jq -r '.kind + " " + .name + " " + .state + " " + .reason' <<<"$output")" = \
	    'vm ci removed ephemeral, and has stopped' ]
	[ "$(vmls -Ho name)" = other ]
	[ -z "$(ls "$VMPIPE_ROOT/trash")" ]
	no_litter
	has_run other
	status_is 0 vmstop -n other
	[ "$(jq -r .planned <<<"$output")" = remove ]
	status_is 0 vmstop other
	[ "$(jq -r .state <<<"$output")" = removed ]
	[ -z "$(vmls -Ho name)" ]
	no_litter
}

@test "ephemeral: asked for again it is made anew, another VM" {
	image
	vmclone -q --from base --ephemeral ci >first
	status_is 0 vmclone --from base ci
	[ "$(jq -r .identity.uuid <<<"$output")" = "$(jq -r .identity.uuid first)" ]
	[ "$(jq -c .drift <<<"$output")" = '[]' ]
	has_run ci
	status_is 0 vmclone -n --from base --ephemeral ci
	[ "$(jq -r .planned <<<"$output")" = make ]
	status_is 0 vmclone --from base --ephemeral ci
	[ "$(jq -r .identity.uuid <<<"$output")" != "$(jq -r .identity.uuid first)" ]
	[ "$(jq -r '.state + " " + (has("run") | tostring)' <<<"$output")" = 'cloned false' ]
	# another service's is not ours to take
	jq -c '.service = "shop" | .role = "web"' base.json >in
	has_run ci
	status_is 73 vmclone ci <in
	# nor is one that runs
	exec 9<"$VMPIPE_ROOT/vms/ci/lock"
	flock 9
	before=$(snapshot vms)
	status_is 0 vmclone --from base --ephemeral ci
	exec 9<&-
	[ "$before" = "$(snapshot vms)" ]
	no_litter
}

@test "ephemeral: of one that is not; a copy has not run yet" {
	image
	vmclone -q --from base box >/dev/null
	change box '.started = true'
	status_is 0 vmclone --from base --ephemeral box
	[ "$(jq -c .drift <<<"$output")" = '["machine"]' ]
	status_is 0 vmclone --from box --ephemeral copy
	[ "$(jq -c '[.started, .ephemeral]' <<<"$output")" = '[true,true]' ]
	status_is 0 vmgc --keep 1000d
	out_is ''
	has_run copy
	# a copy of it is its own
	status_is 0 vmclone --from copy second
	[ "$(jq -c .ephemeral <<<"$output")" = null ]
	status_is 0 vmrm copy
	status_is 0 vmrm --undo copy
	[ "$(vmls -Ho name | paste -sd ' ')" = 'box copy second' ]
}

@test "ephemeral: killed while it is removed: there, or gone, then gone" {
	image
	for point in rename fsync_dir unlink; do
		for nth in 1 2 3; do
			vmclone -q --from base --ephemeral ci >/dev/null
			has_run ci
			VMPIPE_FAULT="$point:$nth:kill" vmgc -q --keep 1000d \
			    >/dev/null 2>&1 || :
			[ ! -d "$VMPIPE_ROOT/vms/ci" ] ||
			    qemu-img check -q "$(disk ci qcow2)"
			status_is 0 vmgc -q --keep 1000d
			[ -z "$(vmls -Ho name)" ]
			no_litter
		done
	done
	status_is 0 vmclone -q --from base --ephemeral ci
	has_run ci
	status_is 74 env VMPIPE_FAULT=rename:1:EIO vmgc -q --keep 1000d
	[ "$(vmls -Ho name)" = ci ]
}
