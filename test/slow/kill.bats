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

# A batch beyond VM_PUBLISH_EACH: one syncfs before all renames.
batch=(vmclone -q --no-host-keys --from m -c 33 --name 'k-{{index}}')

all_made()
{
	[[ $(vmls -Ho name | wc -l) == 33 && $(vmls -Ho state | sort -u) == cloned ]] &&
	    batch_is_whole
}

# What is there is whole; of the disks the last one is looked at.
batch_is_whole()
{
	local dirs=("$VMPIPE_ROOT"/vms/*/)

	[[ -d ${dirs[0]} ]] || return 0
	[[ $(jq -r .name "${dirs[@]/%/vm.json}" | wc -l) == "${#dirs[@]}" ]] &&
	    qemu-img check -q "${dirs[-1]}/disk.qcow2"
}

@test "vmclone of many, which share their sync, killed at calls here and there" {
	local dense=2 writing_calls=(openat linkat pwrite64 syncfs fsync renameat2)
	prepare() { only_master; }
	intact() { batch_is_whole; }
	finished() { all_made; }
	kill_sweep "${batch[@]}"
}

@test "vmclone of many, writes refused: those that failed are not there" {
	local fault left
	for fault in syncfs:1+ rename:20 write:20 link:33 fsync_dir:1+; do
		only_master
		status_is 74 env VMPIPE_FAULT=$fault:EIO "${batch[@]}"
		left=$(jq -rs 'map(select(.state != "failed")) | length' \
		    <<<"$output")
		[[ $(find "$VMPIPE_ROOT/vms" -mindepth 1 -maxdepth 1 | wc -l) == \
		    "$left" ]]
		no_litter
		"${batch[@]}" >/dev/null
		all_made
	done
}

one_clone() { only_master; vmclone -q --from m box >/dev/null; }

# There all the time, with its identity, as large as before or as wanted now.
box_is() { [[ $(jq -r .identity.uuid "$VMPIPE_ROOT/vms/box/vm.json") == "$uuid" ]]; }

@test "vmclone that builds one again, killed at each call" {
	one_clone
	uuid=$(jq -r .identity.uuid "$VMPIPE_ROOT/vms/box/vm.json")
	cp -a "$VMPIPE_ROOT" before
	prepare() { rm -rf "$VMPIPE_ROOT"; cp -a before "$VMPIPE_ROOT"; }
	intact() { store_is_whole && box_is; }
	finished() { store_is_whole && box_is &&
	    [[ $(vmls -pHo disks.0.size) == 2097152 ]]; }
	kill_sweep vmclone -q --from m --set disk=2M box
}

@test "vmclone --from a VM, killed at each call" {
	one_clone
	sed -i 's/"kind":"vm"/&,"started":true/' "$VMPIPE_ROOT/vms/box/vm.json"
	qemu-io -c 'write -P 7 0 128k' "$VMPIPE_ROOT/vms/box/disk.qcow2" >/dev/null
	cp -a "$VMPIPE_ROOT" before
	prepare() { rm -rf "$VMPIPE_ROOT"; cp -a before "$VMPIPE_ROOT"; }
	finished() { store_is_whole && qemu-img compare -q \
	    "$VMPIPE_ROOT/vms/"{box,copy}/disk.qcow2; }
	kill_sweep vmclone -q --from box copy
}

# --- vmrm --------------------------------------------------------------------

# The VM, whole, in vms/ or in trash/, in one of both.
box_somewhere()
{
	local dirs=("$VMPIPE_ROOT"/vms/box "$VMPIPE_ROOT"/trash/box.*)

	[[ -d ${dirs[0]} ]] || dirs=("${dirs[@]:1}")
	[[ -d ${dirs[0]} && -z $(sed 1d <(ls -d "${dirs[@]}" 2>/dev/null)) ]] &&
	    jq -e '.name == "box"' "${dirs[0]}/vm.json" >/dev/null &&
	    qemu-img check -q "${dirs[0]}/disk.qcow2"
}

@test "vmrm, killed at each call" {
	one_clone
	cp -a "$VMPIPE_ROOT" before
	prepare() { rm -rf "$VMPIPE_ROOT"; cp -a before "$VMPIPE_ROOT"; }
	intact() { box_somewhere; }
	finished() { box_somewhere && [[ -z $(vmls -Ho name) ]]; }
	kill_sweep sh -c '[ ! -e "$VMPIPE_ROOT/vms/box" ] || exec vmrm -q box'
}

@test "vmrm --undo, killed at each call" {
	one_clone
	vmrm -q box >/dev/null
	cp -a "$VMPIPE_ROOT" before
	prepare() { rm -rf "$VMPIPE_ROOT"; cp -a before "$VMPIPE_ROOT"; }
	intact() { box_somewhere; }
	finished() { box_somewhere && [[ $(vmls -Ho name) == box ]]; }
	kill_sweep sh -c '[ -e "$VMPIPE_ROOT/vms/box" ] || exec vmrm -q --undo box'
}

@test "vmrm and vmrm --undo of two, each durable write refused" {
	one_clone
	vmclone -q --from m bay >/dev/null
	cp -a "$VMPIPE_ROOT" before
	prepare() { rm -rf "$VMPIPE_ROOT"; cp -a before "$VMPIPE_ROOT"; }
	intact() { box_somewhere; }
	finished() { [[ -z $(vmls -Ho name) ]]; }
	# those that it is not done for yet
	refuse_sweep EIO 74 sh -c 'for vm in box bay; do
	    [ ! -e "$VMPIPE_ROOT/vms/$vm" ] || set -- "$@" "$vm"; done
	    [ $# = 0 ] || exec vmrm -q "$@"' -
	vmrm -q box bay >/dev/null 2>&1 || :
	rm -rf before
	cp -a "$VMPIPE_ROOT" before
	finished() { [[ $(vmls -Ho name) == $'bay\nbox' ]]; }
	refuse_sweep EIO 74 sh -c 'for vm in box bay; do
	    [ -e "$VMPIPE_ROOT/vms/$vm" ] || set -- "$@" "$vm"; done
	    [ $# = 0 ] || exec vmrm -q --undo "$@"' -
}

# --- vmdoctor ----------------------------------------------------------------

@test "vmdoctor --repair, killed at each call" {
	one_clone
	rm "$VMPIPE_ROOT"/vms/box/*.raw
	cp -a "$VMPIPE_ROOT" before
	prepare() { rm -rf "$VMPIPE_ROOT"; cp -a before "$VMPIPE_ROOT"; }
	intact() { jq -e .name "$VMPIPE_ROOT/vms/box/vm.json" >/dev/null &&
	    [[ -f $VMPIPE_ROOT/vms/box/disk.qcow2 && -f $VMPIPE_ROOT/vms/box/lock ]]; }
	finished() { store_is_whole && vmdoctor -q box >/dev/null; }
	kill_sweep vmdoctor -q --repair box
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
