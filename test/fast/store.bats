# The store itself, seen through the commands: CASES F50, F53, F54, F59, C04 to
# C06, C13 and "All commands".

load ../lib/common

setup()
{
	fresh
	"$top/test/lib/mkqcow2.pl" >box.qcow2
}

fill()
{
	vmfetch -a box ./box.qcow2 >image
	vmclone a b <image >clones
	id=$(jq -r .image.id image)
	master=$VMPIPE_ROOT/images/$id/$id.raw
}

# The commands that a bad store must stop, before they change anything.
refused()
{
	status_is 77 vmls
	err_has "$1"
	status_is 77 vmfetch ./box.qcow2
	err_has "$1"
	status_is 77 vmrm a
	err_has "$1"
}

@test "F50 a root that is a link, open to everybody, or another's: 77" {
	fill
	before=$(snapshot)
	ln -s store link
	VMPIPE_ROOT=$PWD/link refused 'is a symbolic link; run: readlink -f'
	VMPIPE_ROOT=$PWD/link/ refused 'is a symbolic link'
	chmod 0777 store
	refused "can be written by everybody; run: chmod o-w '$VMPIPE_ROOT'"
	chmod 0750 store
	[ "$before" = "$(snapshot)" ]
	mv store/vms elsewhere
	ln -s ../elsewhere store/vms
	refused 'store/vms is a symbolic link'
	rm store/vms
	mv elsewhere store/vms
	[ "$before" = "$(snapshot)" ]
	((EUID == 0)) || skip 'expected: only root can give files away'
	chown 4321 store
	refused 'belongs to another user'
	chown 0 store
	status_is 0 vmls
}

@test "a directory that holds something else is not made a store" {
	mkdir home
	echo precious >home/file
	status_is 77 vmfetch --root "$PWD/home" ./box.qcow2
	err_has 'holds something else'
	[ "$(ls home)" = file ]
	status_is 66 vmrm --root "$PWD/none" a
	[ ! -e none ]
}

@test "F53 an image's metadata lost, empty or cut off: fetched again, whole" {
	fill
	for damage in 'rm' 'truncate -s 0' 'truncate -s 40'; do
		$damage "$VMPIPE_ROOT/images/$id/image.json"
		status_is 65 vmclone --from box c
		err_has "image $id"
		err_has 'run: vmdoctor --images'
		status_is 0 vmfetch -a box ./box.qcow2
		cmp "$master" "$VMPIPE_ROOT/vms/a/$id.raw"
		status_is 0 vmclone -n --from box c
	done
	[ "$(find "$VMPIPE_ROOT/quarantine" -mindepth 1 -maxdepth 1 | wc -l)" = 3 ]
	: >"$VMPIPE_ROOT/aliases/box"
	status_is 65 vmclone --from box c
	err_has 'alias: box: damaged'
	status_is 0 vmfetch -a box ./box.qcow2
	status_is 0 vmclone --from box c
	no_litter
}

@test "F52 a master replaced, cut off or made writable: 65; fetched again" {
	fill
	for change in 'chmod 0644' 'truncate -s 512' 'touch' 'rm' \
	    'ln -sf /etc/passwd'; do
		chmod u+w "$master"
		$change "$master"
		[[ $change == chmod* || -L $master || ! -e $master ]] ||
			chmod 0444 "$master"
		status_is 65 vmclone --from box c
		[ "$(jq -r .error.code <<<"$output")" = image_changed ]
		[ ! -e "$VMPIPE_ROOT/vms/c" ]
		status_is 0 vmfetch -a box ./box.qcow2
		status_is 0 vmclone -n --from box c
	done
}

@test "F54 a lost directory is made anew; few descriptors are 71" {
	fill
	rm -rf "$VMPIPE_ROOT/layers" "$VMPIPE_ROOT/locks"
	status_is 0 vmclone --from box c
	[ -d "$VMPIPE_ROOT/layers" ]
	before=$(snapshot)
	status_is 71 bash -c 'ulimit -n 10; exec vmclone --from box d'
	err_has 'Too many open files'
	[ "$before" = "$(snapshot)" ]
	status_is 74 bash -c 'ulimit -f 0; exec vmclone --from box d'
	[ ! -e "$VMPIPE_ROOT/vms/d" ]
	no_litter
	status_is 0 vmclone --from box d
}

@test "F54 a file system that is read-only: 74, and vmls still lists" {
	((EUID == 0)) || skip 'expected: only root can mount'
	fill
	unshare -m bash -ec "
		mount --bind '$VMPIPE_ROOT' '$VMPIPE_ROOT'
		mount -o remount,bind,ro '$VMPIPE_ROOT'
		vmls -Ho name >'$PWD/names'
		vmclone --from box d >'$PWD/out' 2>'$PWD/err' || echo \$? >'$PWD/rc'
	"
	[ "$(<names)" = $'a\nb' ]
	[ "$(<rc)" = 74 ]
	grep -q 'Read-only file system' err
}

@test "F59 what a newer vmpipe wrote: 78, untouched" {
	fill
	sed -i 's/"vmpipe":1/"vmpipe":2/' "$VMPIPE_ROOT"/images/*/image.json \
	    "$VMPIPE_ROOT"/vms/a/vm.json "$VMPIPE_ROOT"/aliases/box
	before=$(snapshot)
	status_is 78 vmclone --from box c
	status_is 78 vmclone --from "$id" c
	status_is 78 vmclone --from a c
	[ "$before" = "$(snapshot)" ]
}

@test "C04 the image goes, the clones stay" {
	fill
	rm -r "$VMPIPE_ROOT/images/$id"
	status_is 66 vmclone --from "$id" c
	err_has 'not in the store'
	qemu-img check -q "$VMPIPE_ROOT/vms/a/disk.qcow2"
	qemu-img compare -q "$VMPIPE_ROOT/vms/a/disk.qcow2" box.qcow2
}

@test "C05 the name is a file or a dangling link: 73, untouched" {
	fill
	: >"$VMPIPE_ROOT/vms/c"
	ln -s /nowhere "$VMPIPE_ROOT/vms/d"
	before=$(snapshot)
	status_is 73 vmclone --from box c d
	[ "$before" = "$(snapshot)" ]
	no_litter
}

@test "C06 the store spread over two file systems: 73" {
	((EUID == 0)) || skip 'expected: only root can mount'
	fill
	status_is 73 unshare -m bash -ec "
		mount -t tmpfs -o mode=0750 tmpfs '$VMPIPE_ROOT/tmp'
		exec vmclone --from box c"
	err_has 'spread over several file systems, which hard links cannot cross'
	[ ! -e "$VMPIPE_ROOT/vms/c" ]
}

@test "C13 the master missing: 66; under quarantine: 65" {
	fill
	mv "$VMPIPE_ROOT/images/$id" "$VMPIPE_ROOT/quarantine/$id.1"
	status_is 65 vmclone --from box c
	[ "$(jq -r .error.code <<<"$output")" = image_quarantined ]
	rm -r "$VMPIPE_ROOT/quarantine/$id.1"
	status_is 66 vmclone --from box c
	[ "$(jq -r .error.code <<<"$output")" = image_not_found ]
}

@test "a store moved with rsync -aHS works, links and all" {
	requires rsync
	fill
	rsync -aHS "$VMPIPE_ROOT/" moved
	rm -r "$VMPIPE_ROOT"
	export VMPIPE_ROOT=$PWD/moved
	[ "$(stat -c %h "$VMPIPE_ROOT/images/$id/$id.raw")" = 3 ]
	status_is 0 vmls -Ho name,disks.0.path
	out_is "a	$PWD/moved/vms/a/disk.qcow2
b	$PWD/moved/vms/b/disk.qcow2"
	status_is 0 vmclone --from box c
	qemu-img check -q "$VMPIPE_ROOT/vms/c/disk.qcow2"
	chmod u+w "$VMPIPE_ROOT/images/$id/$id.raw"
	status_is 65 vmclone --from box d
}

@test "killed at every point of a clone: absent or whole; then it is made" {
	fill
	for point in mkdir open write fsync link rename fsync_dir; do
		for nth in 1 2 3; do
			name=${point/_/}-$nth
			run env VMPIPE_FAULT=$point:$nth:kill \
			    vmclone --from box "$name"
			[ ! -e "$VMPIPE_ROOT/vms/$name" ] ||
			    qemu-img check -q "$VMPIPE_ROOT/vms/$name/disk.qcow2"
			status_is 0 vmclone --from box "$name"
		done
	done
}
