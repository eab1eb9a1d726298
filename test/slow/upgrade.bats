#!/usr/bin/env bats
# vmupgrade killed at any call that writes, or refused at any durable write: the
# VM is the old one or the new one, the old disk is never lost, the same command
# completes the work, and a rollback goes back.  vmcustomize is stood in for;
# the VM does not run.
load ../lib/common
load ../lib/sweep

# A VM that has run on the first of two generations.
setup_file()
{
	local json

	cd "$BATS_FILE_TMPDIR" || return
	PATH=$VMPIPE_BUILD/bin:$PATH
	export VMPIPE_ROOT=$PWD/behind
	for generation in 1 2; do
		truncate -s 1M disk.raw
		printf 'generation %s' $generation |
		    dd of=disk.raw conv=notrunc status=none
		vmfetch --refresh -q -a m ./disk.raw >/dev/null
		[[ $generation != 1 ]] || vmclone --from m box >/dev/null
	done
	json=$VMPIPE_ROOT/vms/box/vm.json
	jq -c '.started = true | .state = "stopped" |
	    .applied.operations = [{mkdir: "/srv"}]' "$json" >edited
	cat edited >"$json"
	qemu-io -f qcow2 -c 'write -q -P 7 64k 4k' \
	    "$VMPIPE_ROOT/vms/box/disk.qcow2"
	cp -a behind ahead
	VMPIPE_ROOT=$PWD/ahead
	stand_in
	bin/vmupgrade -q box >/dev/null
}

setup()
{
	requires strace qemu-img qemu-io jq
	fresh
	stand_in
	PATH=$PWD/bin:$PATH
	# of the words of sweep.bash those that change what is in the store
	writing_calls=(mkdirat write linkat unlinkat renameat2 fchmod ftruncate
		fsync flock)
}

stand_in()
{
	mkdir bin
	cp "$VMPIPE_BUILD/bin/vmupgrade" bin
	cat >bin/vmcustomize <<-'END'
		#!/bin/bash
		unset VMPIPE_FAULT VMPIPE_FAULT_LOG
		json=$(ls -d "$VMPIPE_ROOT/old/${!#}".* | sort -V | tail -1)/vm.json
		jq -c '.state = "customized"' "$json" >"$json.new"
		mv "$json.new" "$json"
		jq -c 'del(.private)' "$json"
	END
	chmod +x bin/vmcustomize
}

# Only vmupgrade itself, not what it runs.
injected()
{
	local what=$1

	shift
	status=0
	strace -qq -o /dev/null -e inject="$what" "$@" >injected.out \
	    2>injected.err || status=$?
}

start_from() { rm -rf "$VMPIPE_ROOT"; cp -a "$BATS_FILE_TMPDIR/$1" "$VMPIPE_ROOT"; }

# generation DIR: of that VM directory; has_data DIR: the old disk's data.
generation() { jq .image.generation "$1/vm.json"; }
has_data() { qemu-io -r -f qcow2 -c 'read -q -P 7 64k 4k' "$1/disk.qcow2" >/dev/null; }

# Both directories are whole, and the old disk is there once.
intact()
{
	local dir found=0

	for dir in "$VMPIPE_ROOT"/{vms,old,trash}/*/; do
		[[ -e $dir ]] || continue
		jq -e .identity.uuid "$dir/vm.json" >/dev/null || return 1
		[[ $dir/lock -ef $VMPIPE_ROOT/vms/box/lock ]] || return 1
		qemu-img check -q "$dir/disk.qcow2" || return 1
		[[ $(generation "$dir") != 1 ]] || ! has_data "$dir" || ((++found))
	done
	((found == 1))
}

upgraded()
{
	[[ $(generation "$VMPIPE_ROOT/vms/box") == 2 ]] &&
	    jq -e '.state == "customized" and (has("upgrade") | not)' \
		"$VMPIPE_ROOT/vms/box/vm.json" >/dev/null &&
	    [[ $(echo "$VMPIPE_ROOT"/old/*) == "$VMPIPE_ROOT"/old/box.[12] ]] &&
	    has_data "$VMPIPE_ROOT"/old/box.* &&
	    vmupgrade -q --rollback box >/dev/null &&
	    has_data "$VMPIPE_ROOT/vms/box" &&
	    [[ $(generation "$VMPIPE_ROOT/vms/box") == 1 ]]
}

@test "killed at each call; again, and it is complete" {
	prepare() { start_from behind; }
	finished() { upgraded; }
	kill_sweep vmupgrade -q box
}

@test "each durable write refused: as before, or complete when run again" {
	prepare() { start_from behind; }
	finished() { upgraded; }
	refuse_sweep ENOSPC 74 vmupgrade -q box
}

# Killed, it has gone back or has not; once more, and it goes or goes forward.
@test "a rollback killed at each call: one of the two, and both whole" {
	prepare() { start_from ahead; }
	finished()
	{
		[[ $(cat "$VMPIPE_ROOT"/{vms,old}/*/vm.json |
		    jq .image.generation | sort | xargs) == '1 2' ]]
	}
	kill_sweep vmupgrade -q --rollback box
}

@test "killed at each call, and then back instead of on" {
	local at points=0

	for at in write linkat renameat2 fsync; do
		for ((n = 1; ; n++)); do
			start_from behind
			injected "$at:signal=KILL:when=$n" vmupgrade -q box
			[[ $status != 0 ]] || break
			status=0
			vmupgrade -q --rollback box >out 2>err || status=$?
			[[ $status == 0 ]] || grep -q 'no disk ' err
			[[ $(generation "$VMPIPE_ROOT/vms/box") == 1 ]]
			has_data "$VMPIPE_ROOT/vms/box"
			((++points))
		done
	done 2>/dev/null
	echo "# $points points" >&3
	((points > 10))
}
