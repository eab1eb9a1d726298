# vmclone --mode reflink, on file systems that have them.

load ../lib/common

teardown() { umount -l "$BATS_TEST_TMPDIR/mounted" 2>/dev/null || :; }

# on TYPE: a store on such a file system, with an image called base.
on()
{
	[[ $EUID == 0 && -e /dev/loop-control ]] ||
	    skip "requires root and loop devices"
	requires "mkfs.$1"
	truncate -s 320M disk
	"mkfs.$1" -q disk >/dev/null
	mkdir mounted
	mount -o loop disk mounted || skip "requires $1"
	export VMPIPE_ROOT=$PWD/mounted/store
	head -c 4194304 /dev/urandom >base.raw
	truncate -s 16M base.raw
	vmfetch -qa base ./base.raw >base.json
}

disk() { echo "$VMPIPE_ROOT/vms/$1/disk.raw"; }
mode() { jq -r '.disks[0] | .mode + " " + .format' "$VMPIPE_ROOT/vms/$1/vm.json"; }
shares() { filefrag -v "$1" | grep -q shared; }

# reflinks TYPE: they are instant, take no room, and are found again.
reflinks()
{
	on "$1"
	status_is 0 vmclone --from base --mode reflink -c 20
	[ "$(jq -r '.disks[0].mode' <<<"$output" | uniq -c | tr -s ' ')" = ' 20 reflink' ]
	shares "$(disk base-7)"
	cmp base.raw "$(disk base-7)"
	sync -f mounted
	[ "$(vmls -Hpo used,refer base-7)" = $'0\t4194304' ]
	# written to, it is a file of its own
	head -c 4096 /dev/urandom |
	    dd of="$(disk base-7)" conv=notrunc,fsync status=none
	cmp base.raw "$(disk base-8)"
	[ "$(vmls -Hpo used base-7)" = 4096 ]
	status_is 0 vmclone --from base --mode reflink --size 1G big
	[ "$(stat -c %s "$(disk big)")" = 1073741824 ]
	cmp -n 16777216 base.raw "$(disk big)"
	# auto: a reflink, but not where a layer would be shared
	status_is 0 vmclone --from base --mode auto a
	[ "$(mode a)" = 'reflink raw' ]
	status_is 0 vmclone --from base --mode auto b \
	    --set 'customize=[{write: {path: /x, content: y}}]'
	[ "$(mode b)" = 'overlay qcow2' ]
	# a copy of one
	status_is 0 vmclone --from base-7 copy
	[ "$(mode copy)" = 'reflink raw' ]
	cmp "$(disk base-7)" "$(disk copy)"
	no_litter
}

@test "reflinks on XFS" { reflinks xfs; }
@test "reflinks on btrfs" { reflinks btrfs; }

@test "no room, or an error, while a reflink is made: 74, nothing left (C08)" {
	on xfs
	requires strace
	for error in ENOSPC EIO; do
		# the only ioctl(2) on the new file
		status_is 74 strace -f -qq -o trace -e trace=ioctl \
		    -e "inject=ioctl:error=$error" \
		    vmclone --from base --mode reflink box
		grep -q FICLONE trace
		[ -z "$(ls "$VMPIPE_ROOT/vms" 2>/dev/null)" ]
		no_litter
	done
	status_is 0 vmclone --from base --mode reflink box
}
