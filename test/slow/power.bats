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

@test "vmrm on ext4" {
	prepare() { with_clone; }
	finished() { no_clone; }
	power_setup ext4
	power_sweep sh -c '[ ! -e "$VMPIPE_ROOT/vms/box" ] || exec vmrm -q box'
}
