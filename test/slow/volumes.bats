# CASES C03, R03 for volumes: vmclone and vmrm --volumes killed at any system
# call that writes, or refused at any durable write, leave whole volumes where
# they belong, and finish when they are run again.

load ../lib/common
load ../lib/sweep
load ../lib/smalldisk

setup_file()
{
	cd "$BATS_FILE_TMPDIR" || return
	truncate -s 1M master.raw
	printf 'begin' | dd of=master.raw conv=notrunc status=none
	VMPIPE_ROOT=$PWD/with-master "$VMPIPE_BUILD/bin/vmfetch" -q -a m \
	    "$PWD/master.raw" >/dev/null
	cp -a with-master with-volume
	VMPIPE_ROOT=$PWD/with-volume "$VMPIPE_BUILD/bin/vmclone" -q --from m k \
	    --set 'volumes=[{name: d, size: 8M}]' >/dev/null
	printf data | dd of=with-volume/volumes/k-d/disk.raw conv=notrunc status=none
	cp -a with-volume with-orphan
	VMPIPE_ROOT=$PWD/with-orphan "$VMPIPE_BUILD/bin/vmrm" -q k >/dev/null
}

setup()
{
	requires strace qemu-img jq
	fresh
	master=$BATS_FILE_TMPDIR/master.raw
}

copy_of() { rm -rf "$VMPIPE_ROOT"; cp -a "$BATS_FILE_TMPDIR/$1" "$VMPIPE_ROOT"; }

# Every volume is complete; a VM that can be seen has all of its own.
volumes_are_whole()
{
	local dir vm

	for dir in "$VMPIPE_ROOT"/volumes/*/ "$VMPIPE_ROOT"/trash/*.volume.*/; do
		[[ -d $dir ]] || continue
		jq -e .name "$dir/volume.json" >/dev/null || return 1
		[[ -f $dir/disk.raw ]] || return 1
	done
	for vm in "$VMPIPE_ROOT"/vms/*/; do
		[[ -d $vm ]] || continue
		[[ $vm/volume-d.raw -ef $VMPIPE_ROOT/volumes/k-d/disk.raw ]] ||
		    return 1
	done
	store_is_whole
}

intact() { volumes_are_whole; }
with_data() { [[ $(head -c 4 "$1/disk.raw") == data ]]; }

attached()
{
	[[ $(vmls -t volume -pHo name,state,size) == k-d$'\tattached\t'"$1" ]] &&
	    volumes_are_whole
}

new=(vmclone -q --from m k --set 'volumes=[{name: d, size: 8M}]')
larger=(vmclone -q --from m k --set 'volumes=[{name: d, size: 16M}]')

@test "vmclone with a new volume, killed at each call" {
	prepare() { copy_of with-master; }
	finished() { attached 8388608; }
	kill_sweep "${new[@]}"
}

@test "vmclone with a new volume, each durable write refused: none is left" {
	prepare() { copy_of with-master; }
	finished() { attached 8388608; }
	intact() { volumes_are_whole && [[ -z $(ls "$VMPIPE_ROOT/volumes") ]]; }
	refuse_sweep ENOSPC 74 "${new[@]}"
}

@test "vmclone of a larger volume that is there, killed at each call" {
	prepare() { copy_of with-orphan; }
	intact() { with_data "$VMPIPE_ROOT/volumes/k-d" && volumes_are_whole; }
	finished() { intact && attached 16777216; }
	kill_sweep "${larger[@]}"
}

@test "vmclone of a larger volume, each durable write refused" {
	prepare() { copy_of with-orphan; }
	intact() { with_data "$VMPIPE_ROOT/volumes/k-d" && volumes_are_whole; }
	finished() { intact && attached 16777216; }
	refuse_sweep ENOSPC 74 "${larger[@]}"
}

@test "no room for the file system: 74, and nothing is left" {
	requires /sbin/mke2fs
	fill()
	{
		local kib status errors=0

		for ((kib = 100; ; kib += 100)); do
			disk_size 65536
			disk_empty
			vmfetch -qa m "$1" >/dev/null
			disk_size $(($(du -sk "$VMPIPE_ROOT" | cut -f1) + kib))
			status=0
			vmclone -q --from m k 2>err >/dev/null \
			    --set 'volumes=[{name: d, size: 1G, mount: /srv}]' ||
			    status=$?
			[[ $status != 0 ]] || break
			[[ $status == 74 && -z $(find \
			    "$VMPIPE_ROOT"/{vms,volumes,tmp} -mindepth 1) ]]
			((++errors))
		done
		((errors > 2))
	}
	export -f fill
	on_small_disk fill "$master"
}

# The volume is in its place or in the trash, with its data.
somewhere()
{
	with_data "$VMPIPE_ROOT/volumes/k-d" 2>/dev/null ||
	    with_data "$VMPIPE_ROOT/trash/k-d.volume.1"
}

# Removing, then again until there is nothing left to remove.
remove_all() { vmrm -q --volumes k || [[ $? == 66 ]]; }

@test "vmrm --volumes, killed at each call; --undo brings both back" {
	local call n status points=0

	for call in "${writing_calls[@]}"; do
		for ((n = 1; ; n++)); do
			copy_of with-volume
			injected "$call:signal=KILL:when=$n" vmrm -q --volumes k
			[[ $status != 0 ]] || break
			[[ $status == 137 ]]
			somewhere
			volumes_are_whole
			remove_all >/dev/null
			with_data "$VMPIPE_ROOT/trash/k-d.volume.1"
			vmrm -q --undo k >/dev/null
			attached 8388608
			with_data "$VMPIPE_ROOT/volumes/k-d"
			((++points))
		done
	done 2>/dev/null
	echo "# $points points" >&3
	((points > 3))
}

@test "vmrm --undo, killed at each call" {
	local call n status points=0

	for call in "${writing_calls[@]}"; do
		for ((n = 1; ; n++)); do
			copy_of with-volume
			vmrm -q --volumes k >/dev/null
			injected "$call:signal=KILL:when=$n" vmrm -q --undo k
			[[ $status != 0 ]] || break
			[[ $status == 137 ]]
			somewhere
			store_is_whole
			# what vmdeploy says is to be done
			[[ ! -d $VMPIPE_ROOT/vms/k ]] || vmrm -q k >/dev/null
			vmrm -q --undo k >/dev/null
			attached 8388608
			with_data "$VMPIPE_ROOT/volumes/k-d"
			((++points))
		done
	done 2>/dev/null
	echo "# $points points" >&3
	((points > 3))
}
