# Clones with raw disks, customised and booted; VMs for one run.

load ../lib/common
load ../lib/vm

teardown()
{
	stop_vms
	umount -l "$BATS_TEST_TMPDIR/mounted" 2>/dev/null || :
}

# The store is on XFS where we may have that; then a reflink is possible.
store_on_xfs()
{
	[[ $EUID == 0 && -e /dev/loop-control ]] &&
	    command -v mkfs.xfs >/dev/null || return
	truncate -s 640M disk
	mkfs.xfs -q disk
	mkdir mounted
	mount -o loop disk mounted || return
	export VMPIPE_ROOT=$PWD/mounted/store
}

fetched() { vmfetch -q -a tiny "$(guest tiny)" >/dev/null; }
field() { jq -r "$1" <<<"$output"; }
is_gone() { [[ ! -e $VMPIPE_ROOT/vms/$1 ]]; }

@test "a raw disk through the pipe: customised itself, booted, changed, copied" {
	mode=copy
	! store_on_xfs || mode=reflink
	fetched
	master=$(echo "$VMPIPE_ROOT"/images/*/*.raw)
	sha256sum "$master" >digest
	vmclone --from tiny --mode "$mode" --size 512M --set memory=128M \
	    --set 'ready={serial: "tiny raw-box ready"}' \
	    --set 'customize=[{write: {path: /etc/mark, content: "first\n"}}]' \
	    --set 'instance=[{write: {path: /etc/me, content: "{{name}}\n"}}]' \
	    raw-box >cloned
	# one that fails leaves the VM as it was
	before=$(sha256sum "$VMPIPE_ROOT/vms/raw-box/disk.raw")
	status_is 65 vmcustomize --run-command 'echo x >/y; exit 3' <cloned
	err_has 'status 3'
	[[ $(sha256sum "$VMPIPE_ROOT/vms/raw-box/disk.raw") == "$before" ]]

	status_is 0 vmcustomize <cloned
	[[ $(field '.state, .disks[0].mode, .disks[0].size, .layer') == \
	    "customized"$'\n'"$mode"$'\n'"536870912"$'\n'"null" ]]
	[[ -z $(ls "$VMPIPE_ROOT/layers") ]]
	[[ $(find "$VMPIPE_ROOT/vms/raw-box" -name '*.raw' -printf '%f\n') == disk.raw ]]
	status_is 0 vmcustomize <<<"$output"
	err_is ''

	status_is 0 vmdeploy raw-box
	[[ $(field .state) == ready ]]
	mkfifo keys
	vmconsole raw-box <keys >shown &
	console=$!
	exec 5>keys
	echo 'cat /etc/mark /etc/me; echo kept >/kept; sync; echo done-$((6 * 7))' >&5
	wait_for grep -q done-42 shown
	grep -q first shown
	grep -q raw-box shown
	status_is 0 vmstop raw-box
	[[ $(field .state) == stopped ]]
	exec 5>&-
	wait "$console" || :
	status_is 0 vmdoctor raw-box
	out_has 'whole, standing on nothing'

	# its image may go now; a copy of it has what it has
	sha256sum -c --quiet digest
	vmgc -q --keep 0 >/dev/null
	[[ -z $(ls "$VMPIPE_ROOT/images") ]]
	status_is 0 vmclone --from raw-box twin
	[[ $(field '.disks[0] | .mode + " " + .format') == "$mode raw" ]]
	# ... and is changed in place
	status_is 0 vmcustomize --write /etc/mark:second twin
	LIBGUESTFS_BACKEND=direct LIBGUESTFS_BACKEND_SETTINGS=force_tcg \
	    guestfish --ro --format=raw -a "$VMPIPE_ROOT/vms/twin/disk.raw" \
	    run : mount-ro /dev/sda1 / : cat /etc/mark : cat /kept : \
	    cat /etc/hostname >seen
	[[ $(grep . seen | paste -sd ' ') == 'second kept twin' ]]
}

@test "ephemeral: removed when it stops, however it stops" {
	fetched
	vmclone -q --from tiny --ephemeral --set memory=128M \
	    --set 'ready={serial: "tiny tiny ready"}' asked left forced >cloned
	status_is 0 vmdeploy <cloned
	[[ $(field .state | sort -u) == ready ]]
	status_is 0 vmgc --keep 1000d
	out_is ''

	# by vmstop
	status_is 0 vmstop asked
	[[ $(field '.state + " " + .stopped_by') == 'removed acpi' ]]
	is_gone asked
	# by vmrm of one that runs
	status_is 0 vmrm -f forced
	[[ $(field .state) == removed ]]
	is_gone forced

	# by itself: it is there until somebody comes who may write
	mkfifo keys
	vmconsole left <keys >/dev/null &
	console=$!
	exec 5>keys
	echo 'poweroff -f' >&5
	wait_for flock -n "$VMPIPE_ROOT/vms/left/lock" true
	exec 5>&-
	wait "$console" || :
	[[ $(vmls -Ho name,state) == $'left\tstopped' ]]
	status_is 66 vmdeploy -n left
	err_has 'ephemeral, and has stopped: it would be removed'
	status_is 66 vmdeploy left
	err_has 'vmdeploy: left: ephemeral, and has stopped: removed; run: vmclone --ephemeral'
	[[ $(field .error.code) == ephemeral_over ]]
	is_gone left
	[[ -z $(find "$VMPIPE_ROOT"/{tmp,trash} -mindepth 1) ]]
	# the same pipe again is a fresh run
	status_is 0 vmclone --from tiny --ephemeral left
}
