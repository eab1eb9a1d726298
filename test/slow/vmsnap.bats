# vmsnap on a stopped VM killed at any system call, its own or qemu-img's, or
# refused at any durable write: the VM has a disk that starts, with what it held
# before or what it shall hold, and the same command completes the work.

load ../lib/common
load ../lib/sweep

# A VM with two disks that hold 2, and a snapshot of both when they held 1.
setup_file()
{
	cd "$BATS_FILE_TMPDIR" || return
	export PATH=$VMPIPE_BUILD/bin:$PATH VMPIPE_ROOT=$PWD/before
	"${BATS_TEST_DIRNAME}/../lib/mkqcow2.pl" >box.qcow2
	vmfetch -qa box ./box.qcow2 | vmclone -q a >/dev/null
	cd before/vms/a || return
	qemu-img create -q -f qcow2 data.qcow2 1M
	jq -c '.disks += [{name: "data", path: "data.qcow2", format: "qcow2",
	    mode: "overlay", size: 1048576}]' vm.json >../new
	cat ../new >vm.json
	rm ../new
	fill 1
	vmsnap -q a@one >/dev/null
	fill 2
}

setup()
{
	requires strace qemu-img qemu-io jq
	fresh
	with_children=yes
}

fill()
{
	local file

	for file in disk data; do
		qemu-io -f qcow2 -c "write -q -P $1 0 64k" "$file.qcow2"
	done
}

# all_hold BYTE: both disks do.
all_hold()
{
	local file

	for file in disk data; do
		! qemu-io -f qcow2 -c "read -q -P $1 0 64k" \
		    "$VMPIPE_ROOT/vms/a/$file.qcow2" | grep -q . || return 1
	done
}

prepare() { rm -rf "$VMPIPE_ROOT"; cp -a "$BATS_FILE_TMPDIR/before" "$VMPIPE_ROOT"; }

# Both disks are sound, but for clusters lost (3), and of one time; the record
# is whole.  With $qemu_img_killed reference counts may be too high (2), which
# can be repaired and no VM minds.
intact()
{
	local file status

	# a qemu-img of the killed command ends its work, and with it its lock
	flock "$VMPIPE_ROOT/vms/a/lock" true
	for file in disk data; do
		status=0
		[[ -z ${qemu_img_killed:-} ]] ||
		    qemu-img check -q -r all "$VMPIPE_ROOT/vms/a/$file.qcow2" \
			>/dev/null 2>&1 || :
		qemu-img check -q "$VMPIPE_ROOT/vms/a/$file.qcow2" 2>/dev/null ||
		    status=$?
		[[ $status == [03] ]] || return 1
	done
	[[ $(jq -r .name "$VMPIPE_ROOT/vms/a/vm.json") == a ]] || return 1
	[[ -f $VMPIPE_ROOT/vms/a/lock ]] || return 1
	all_hold 1 || all_hold 2
}

has() { vmsnap -lHo tag,state a | grep -qx "$1"$'\t'complete; }

@test "going back, killed at each call" {
	finished() { all_hold 1 && has one; }
	kill_sweep vmsnap -q --rollback a@one
}

@test "going back, each durable write refused" {
	finished() { all_hold 1 && has one; }
	# what was replaced is litter when it cannot be removed
	refuse_not='unlink'
	refuse_sweep ENOSPC 74 vmsnap -q --rollback a@one
	no_litter
}

# As sweep.bash has it, but for the command's children.
injected_alone()
{
	local what=$1

	shift
	status=0
	strace -qq -o /dev/null -e inject="$what" "$@" >injected.out \
	    2>injected.err || status=$?
}

# Killed after it was made, the same command says that it is there.
make_two() { vmsnap -q a@two || { [[ $? == 73 ]] && has two; }; }
delete_one() { vmsnap -q --delete a@one || { [[ $? == 66 ]] && ! has one; }; }
export -f make_two delete_one has

@test "making, killed at each call: qemu-img ends what it has begun" {
	injected() { injected_alone "$1" vmsnap -q a@two; }
	finished() { all_hold 2 && has two && has one; }
	kill_sweep bash -c make_two
}

@test "deleting, killed at each call: qemu-img ends what it has begun" {
	injected() { injected_alone "$1" vmsnap -q --delete a@one; }
	finished() { all_hold 2 && ! vmsnap -lHo tag a | grep -qx one; }
	kill_sweep bash -c delete_one
}

@test "making, qemu-img killed too" {
	qemu_img_killed=yes
	finished() { all_hold 2 && has two && has one; }
	kill_sweep bash -c make_two
}

@test "deleting, qemu-img killed too" {
	qemu_img_killed=yes
	finished() { all_hold 2 && ! vmsnap -lHo tag a | grep -qx one; }
	kill_sweep bash -c delete_one
}
