# CASES F02, C03: the power goes at any call that makes something durable or
# gives it a name: whole objects or none, what was done stays done, and the
# same command finishes when it is run again.

load ../lib/common
load ../lib/sweep
load ../lib/power

setup()
{
	requires strace qemu-img jq
	fresh
	master=$PWD/master.raw
	head -c 3M /dev/urandom >master.raw
	truncate -s 5M master.raw
	qemu-img convert -f raw -O qcow2 master.raw master.qcow2
}
teardown() { power_teardown; }

intact() { store_is_whole; }

no_store() { :; }
one_image() { [[ $(vmls -t image -Ho name 2>/dev/null) == 'm@1' ]]; }

with_master() { vmfetch -qa m "$master" >/dev/null; }
two_clones() { [[ $(vmls -Ho name,state) == $'k-1\tcloned\nk-2\tcloned' ]]; }

with_clone() { with_master; vmclone -q --from m box >/dev/null; }
no_clone()
{
	[[ -z $(vmls -Ho name) && $(vmls -t image -Ho name) == 'm@1' ]]
}

vmfetch_cut()
{
	prepare() { no_store; }
	finished() { one_image; }
	power_setup "$1"
	power_sweep vmfetch -q -a m "$2"
}

vmclone_cut()
{
	prepare() { with_master; }
	finished() { two_clones; }
	power_setup "$1"
	power_sweep vmclone -q --from m -c 2 --name 'k-{{index}}'
}

@test "vmfetch of a raw file on ext4" { vmfetch_cut ext4 "$master"; }
@test "vmfetch of a qcow2 file on ext4" { vmfetch_cut ext4 "$PWD/master.qcow2"; }
@test "vmfetch of a raw file on xfs" { vmfetch_cut xfs "$master"; }
@test "vmclone of two on ext4" { vmclone_cut ext4; }
@test "vmclone of two on xfs" { vmclone_cut xfs; }

volume_cut()
{
	prepare() { with_master; }
	intact()
	{
		store_is_whole && [[ ! -d $VMPIPE_ROOT/vms/k ||
		    $VMPIPE_ROOT/vms/k/volume-v.raw -ef \
		    $VMPIPE_ROOT/volumes/k-v/disk.raw ]] &&
		    vmls -t volume >/dev/null
	}
	finished() { intact && [[ $(vmls -t volume -Ho name,state) == \
	    $'k-v\tattached' ]]; }
	power_setup "$1"
	power_sweep vmclone -q --from m k \
	    --set 'volumes=[{name: v, size: 16M}]'
}

@test "vmclone with a volume on ext4" { volume_cut ext4; }
@test "vmclone with a volume on xfs" { volume_cut xfs; }

vmrm_cut()
{
	prepare() { with_clone; }
	finished() { no_clone; }
	power_setup "$1"
	power_sweep sh -c '[ ! -e "$VMPIPE_ROOT/vms/box" ] || exec vmrm -q box'
}

undo_cut()
{
	prepare() { with_clone; vmrm -q box >/dev/null; }
	finished() { [[ $(vmls -Ho name) == box ]] && store_is_whole; }
	power_setup "$1"
	power_sweep sh -c '[ -e "$VMPIPE_ROOT/vms/box" ] || exec vmrm -q --undo box'
}

# One VM that stays with its image; a VM in the trash and an image that go.
vmgc_cut()
{
	prepare()
	{
		with_clone
		vmclone -q --from m gone >/dev/null
		vmrm -q gone >/dev/null
		head -c 1M /dev/zero | tr '\0' x >other.raw
		vmfetch -qa other ./other.raw >/dev/null
	}
	# what goes may be gone in part: under tmp/, never under its name
	intact() { [[ $(vmls -Ho name) == box ]] && store_but_other; }
	finished() { intact && [[ $(vmls -t image -Ho name) == 'm@1' ]] &&
	    [[ -z $(ls "$VMPIPE_ROOT/trash") ]]; }
	power_setup "$1"
	power_sweep vmgc -q --keep 0 --trash
}

store_but_other()
{
	local dir

	qemu-img check -q "$VMPIPE_ROOT/vms/box/disk.qcow2" || return
	for dir in "$VMPIPE_ROOT"/images/*; do
		jq -e .id "$dir/image.json" >/dev/null &&
		    [[ $(stat -c %a "$dir"/*.raw) == 444 && -s $dir/chunks ]] ||
		    return
	done
}

# Built again: there all the time, with its identity.
rebuild_cut()
{
	prepare()
	{
		with_clone
		jq -r .identity.uuid "$VMPIPE_ROOT/vms/box/vm.json" >uuid
	}
	intact()
	{
		store_is_whole && [[ $(<uuid) == \
		    "$(jq -r .identity.uuid "$VMPIPE_ROOT/vms/box/vm.json")" ]]
	}
	finished() { intact && [[ $(vmls -pHo disks.0.size) == 8388608 ]]; }
	power_setup "$1"
	power_sweep vmclone -q --from m --set disk=8M box
}

from_cut()
{
	prepare()
	{
		with_clone
		sed -i 's/"kind":"vm"/&,"started":true/' \
		    "$VMPIPE_ROOT/vms/box/vm.json"
		qemu-io -c 'write -P 7 0 128k' \
		    "$VMPIPE_ROOT/vms/box/disk.qcow2" >/dev/null
	}
	finished() { store_is_whole && qemu-img compare -q \
	    "$VMPIPE_ROOT/vms/"{box,copy}/disk.qcow2; }
	power_setup "$1"
	power_sweep vmclone -q --from box copy
}

repair_cut()
{
	prepare() { with_clone; rm "$VMPIPE_ROOT"/vms/box/*.raw; }
	intact() { [[ -f $VMPIPE_ROOT/vms/box/lock ]] &&
	    jq -e .name "$VMPIPE_ROOT/vms/box/vm.json" >/dev/null; }
	finished() { store_is_whole && vmdoctor -q box >/dev/null; }
	power_setup "$1"
	power_sweep vmdoctor -q --repair box
}

# A batch that shares its sync: syncfs, then all the renames.
batch_cut()
{
	local durable_calls=(syncfs fsync) dense=1

	prepare() { with_master; }
	finished() { [[ $(vmls -Ho name | wc -l) == 33 ]]; }
	power_setup "$1"
	power_sweep vmclone -q --no-host-keys --from m -c 33 --name 'k-{{index}}'
}

@test "vmclone of many on ext4" { batch_cut ext4; }
@test "vmclone of many on xfs" { batch_cut xfs; }
@test "vmclone that builds one again on ext4" { rebuild_cut ext4; }
@test "vmclone that builds one again on xfs" { rebuild_cut xfs; }
@test "vmclone --from a VM on ext4" { from_cut ext4; }
@test "vmclone --from a VM on xfs" { from_cut xfs; }
@test "vmrm on ext4" { vmrm_cut ext4; }
@test "vmrm on xfs" { vmrm_cut xfs; }
@test "vmrm --undo on ext4" { undo_cut ext4; }
@test "vmrm --undo on xfs" { undo_cut xfs; }
@test "vmgc on ext4" { vmgc_cut ext4; }
@test "vmgc on xfs" { vmgc_cut xfs; }
@test "vmdoctor --repair on ext4" { repair_cut ext4; }

# FILE is beside the store on the disk that is cut.
vmexport_cut()
{
	# in the command itself: of qemu-img's death it would only tell
	injected()
	{
		local what=$1

		shift
		status=0
		strace -qq -o /dev/null -e inject="$what" "$@" >injected.out \
		    2>injected.err || status=$?
	}
	prepare() { with_clone; echo mine >"$mounted/box.qcow2"; }
	finished()
	{
		qemu-img compare -q -f qcow2 -F raw "$mounted/box.qcow2" \
		    "$master"
	}
	intact()
	{
		store_is_whole && {
			cmp -s "$mounted/box.qcow2" <(echo mine) || finished; }
	}
	power_setup "$1"
	power_sweep vmexport -qf --keep-identity box "$mounted/box.qcow2"
}
@test "vmexport on ext4" { vmexport_cut ext4; }
@test "vmexport on xfs" { vmexport_cut xfs; }
