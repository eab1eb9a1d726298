# CASES F01, C03: a command killed at any system call that writes, or refused
# at any durable write, leaves whole objects or none, and finishes when it is
# run again.

load ../lib/common
load ../lib/sweep

# One small master with data, a hole and data, as raw and as qcow2.
setup_file()
{
	cd "$BATS_FILE_TMPDIR" || return
	truncate -s 1M master.raw
	printf 'begin' | dd of=master.raw conv=notrunc status=none
	printf 'end' | dd of=master.raw conv=notrunc seek=2000 status=none
	qemu-img convert -f raw -O qcow2 master.raw master.qcow2
	VMPIPE_ROOT=$PWD/with-master "$VMPIPE_BUILD/bin/vmfetch" -q -a m \
	    "$PWD/master.raw" >/dev/null
}

setup()
{
	requires strace qemu-img jq
	fresh
	master=$BATS_FILE_TMPDIR/master.raw
}

intact() { store_is_whole; }

# --- vmfetch -----------------------------------------------------------------

no_store() { rm -rf "$VMPIPE_ROOT"; }

one_image() { vmls -t image -Ho name 2>/dev/null | grep -qx 'm@1'; }

@test "vmfetch of a raw file, killed at each call" {
	prepare() { no_store; }
	finished() { one_image; }
	kill_sweep vmfetch -q -a m "$master"
}

@test "vmfetch, stopped and interrupted" {
	prepare() { no_store; }
	finished() { one_image; }
	term_sweep vmfetch -q -a m "$BATS_FILE_TMPDIR/master.qcow2"
	# raw: qemu-img's sandbox takes strace's doing for an attack
	eintr_sweep vmfetch -q -a m "$master"
}

@test "vmfetch of a qcow2 file, each durable write refused" {
	prepare() { no_store; }
	finished() { one_image; }
	refuse_sweep ENOSPC 74 vmfetch -q -a m "$BATS_FILE_TMPDIR/master.qcow2"
}

two_disks() { tar cf two.tar --transform='s/.*/1.raw/' -C "${master%/*}" master.raw
	cp "$master" 2.raw; tar rf two.tar 2.raw; }

two_images()
{
	[[ $(vmls -t image -Ho name 2>/dev/null) == $'m-2@1\nm@1' ]]
}

@test "vmfetch of two disks in a tar file, killed at each call" {
	prepare() { no_store; }
	finished() { two_images; }
	two_disks
	kill_sweep vmfetch -q -a m ./two.tar
}

@test "vmfetch of two disks in a tar file, each durable write refused" {
	prepare() { no_store; }
	finished() { two_images; }
	two_disks
	refuse_sweep ENOSPC 74 vmfetch -q -a m ./two.tar
}

# --- vmclone -----------------------------------------------------------------

only_master() { rm -rf "$VMPIPE_ROOT"; cp -a "$BATS_FILE_TMPDIR/with-master" "$VMPIPE_ROOT"; }

three_clones()
{
	[[ $(vmls -Ho name,state) == $'k-1\tcloned\nk-2\tcloned\nk-3\tcloned' ]]
}

@test "vmclone of three, killed at each call" {
	prepare() { only_master; }
	finished() { three_clones; }
	kill_sweep vmclone -q --from m -c 3 --name 'k-{{index}}'
}

@test "vmclone of three, stopped and interrupted" {
	prepare() { only_master; }
	finished() { three_clones; }
	term_sweep vmclone -q --from m -c 3 --name 'k-{{index}}'
	eintr_sweep vmclone -q --from m -c 3 --name 'k-{{index}}'
}

@test "vmclone of three, each durable write refused" {
	prepare() { only_master; }
	finished() { three_clones; }
	refuse_sweep ENOSPC 74 vmclone -q --from m -c 3 --name 'k-{{index}}'
}

# --- vmgc --------------------------------------------------------------------

# One image that goes, one VM in the trash, one VM that stays with its image.
used_store()
{
	only_master
	vmclone -q --from m stays gone >/dev/null
	vmrm -q gone >/dev/null
	head -c 1M /dev/zero | tr '\0' x >other.raw
	vmfetch -qa other ./other.raw >/dev/null
}

only_stays()
{
	[[ $(vmls -Ho name) == stays && $(vmls -t image -Ho name) == 'm@1' ]] &&
	    no_litter && [[ ! -e $VMPIPE_ROOT/trash/gone.1 ]] && store_is_whole
}

@test "vmgc, killed at each call" {
	prepare() { used_store; }
	finished() { only_stays; }
	intact() { qemu-img check -q "$VMPIPE_ROOT/vms/stays/disk.qcow2"; }
	kill_sweep vmgc -q --keep 0 --trash
}

@test "vmgc, each durable write refused" {
	prepare() { used_store; }
	finished() { only_stays; }
	intact() { qemu-img check -q "$VMPIPE_ROOT/vms/stays/disk.qcow2"; }
	refuse_sweep EIO 74 vmgc -q --keep 0 --trash
}
