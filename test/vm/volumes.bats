# Volumes and data disks in a real guest: what is written in one VM's life is
# there in the next one's.

load ../lib/common
load ../lib/vm

export LIBGUESTFS_BACKEND=direct

setup()
{
	requires /sbin/mke2fs
	fresh
	PATH=$PATH:/usr/sbin:/sbin # e2fsck
	vmfetch -q -a tiny "$(guest tiny)" >tiny.json
}

role() # SIZE
{
	jq -c --arg size "$1" '.service = "s" | .role = "r" | .spec += {
	    memory: "128M",
	    disks: [{name: "scratch", size: "16M"}],
	    volumes: [{name: "data", size: $size, mount: "/srv/data"}]} |
	    .spec.ready = {serial: "tiny s-r-1 ready"}' tiny.json
}

# in_guest WORD COMMAND...: on the console, until it says WORD.
in_guest()
{
	local word=$1

	shift
	mkfifo keys
	vmconsole s-r-1 <keys >>shown 2>console.err &
	exec 5>keys
	printf '%s\n' "$@" >&5
	wait_for -t 60 grep -q "^$word" shown
	exec 5>&-
	rm keys
}

stopped() { vmstop s-r-1 >/dev/null; }

@test "data outlives its VM, is mounted, and grows" {
	role 64M | vmclone | vmcustomize >/dev/null
	status_is 0 vmdeploy s-r-1
	[[ $(jq -r .state <<<"$output") == ready ]]
	in_guest done-1 'cat /sys/block/vdb/serial; echo; cat /sys/block/vdc/serial; echo' \
	    'mount -a && echo kept >/srv/data/file; echo gone >/dev/vdb; sync' \
	    'grep /srv/data /proc/mounts; umount /srv/data; echo done-$((0 + 1))'
	grep -q '^scratch' shown
	grep -q '^data' shown
	grep -q '^/dev/vdc /srv/data ext4' shown
	# a second VM cannot have it, nor can it go
	status_is 75 vmrm --volumes s-r-1
	# its copy has its data disk as it is, and a volume of its own
	status_is 0 vmclone --from s-r-1 copy
	qemu-img convert -O raw "$VMPIPE_ROOT/vms/copy/scratch.qcow2" out
	[[ $(head -c 4 out) == gone ]]
	vmls -t volume -Ho name copy-data
	stopped
	e2fsck -fn "$VMPIPE_ROOT/volumes/s-r-1-data/disk.raw" >/dev/null

	vmrm -q s-r-1 >/dev/null
	role 96M | vmclone | vmcustomize >/dev/null
	status_is 0 vmdeploy s-r-1
	in_guest done-2 'mount -a; cat /srv/data/file; cat /sys/block/vdc/size' \
	    'head -c 4 /dev/vdb | tr "\0" z; umount /srv/data; echo; echo done-$((1 + 1))'
	grep -q '^kept' shown
	grep -q '^196608' shown
	grep -q '^zzzz' shown
	stopped

	# grown while it is stopped, by the record that vmdeploy reads
	vmls --json s-r-1 | jq -c '.spec.volumes[0].size = "128M"' >larger
	status_is 0 vmdeploy --no-wait <larger
	[[ $(jq -c '.disks[2].size, .drift' <<<"$output") == $'134217728\n[]' ]]
	[[ $(vmls -t volume -pHo size s-r-1-data) == 134217728 ]]
	vmstop -f s-r-1 >/dev/null
}

@test "a VM that went back to a role with a smaller volume starts all the same" {
	vmclone --from tiny --set memory=128M \
	    --set 'volumes=[{name: data, size: 8M}]' \
	    --set 'ready={serial: "tiny tiny ready"}' box >/dev/null
	truncate -s 16M "$VMPIPE_ROOT/volumes/box-data/disk.raw"
	status_is 0 vmdeploy box
	[[ $(jq '.disks[1].size' <<<"$output") == 16777216 ]]
	[[ $(stat -c %s "$VMPIPE_ROOT/volumes/box-data/disk.raw") == 16777216 ]]
	vmstop -f box >/dev/null
}

@test "a guest with systemd mounts it at boot, and its file system grows with it" {
	requires ssh-keygen "$VMPIPE_GUESTS/debian.qcow2"
	ssh-keygen -q -t ed25519 -N '' -f key
	vmfetch -q -a debian "$(guest debian)" |
	    vmclone --set memory=384M --set 'ready={ssh: true, timeout: 10m}' \
		--set 'volumes=[{name: data, size: 64M, mount: /srv/data}]' d |
	    vmcustomize --ssh-inject root:file:key.pub >/dev/null
	status_is 0 vmdeploy d
	status_is 0 vmssh -i key root@d 'findmnt -no SOURCE,FSTYPE /srv/data &&
	    readlink -f /dev/disk/by-id/virtio-data && echo kept >/srv/data/x'
	[[ ${lines[*]} == '/dev/vdb ext4 /dev/vdb' ]]
	status_is 0 vmstop d
	vmls --json d | jq -c '.spec.volumes[0].size = "256M"' >larger
	status_is 0 vmdeploy <larger
	status_is 0 vmssh -i key root@d \
	    'cat /srv/data/x; df -k --output=size /srv/data | tail -n 1'
	[[ ${lines[0]} == kept ]]
	((lines[1] > 200000))
	status_is 0 vmstop d
}
