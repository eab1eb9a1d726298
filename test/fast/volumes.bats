# Data disks, which go with a VM, and volumes, which outlive it.

load ../lib/common

# An image called base in the store; its record in base.json.
setup()
{
	requires /sbin/mke2fs
	fresh
	PATH=$PATH:/usr/sbin:/sbin # e2fsck, blkid
	head -c 1048576 /dev/urandom >base.raw
	vmfetch -a base ./base.raw >base.json
}

# role JSON [JQ]: an image record of shop/db with this role on stdout.
role()
{
	jq -c --argjson role "$1" '.service = "shop" | .role = "db" |
	    .spec = ($role + {image: {source: "base"}})'" ${2:-}" base.json
}

data() { role '{"volumes": [{"name": "data", "size": "'"$1"'", "mount": "/srv"}]}'; }
field() { jq -r "$1" <<<"$output"; }
volume_is() { [[ $(vmls -t volume -pHo name,state,size) == "$1" ]]; }
started() { jq '.started = true' "$1/vm.json" >x && cat x >"$1/vm.json"; }

@test "a clone with a volume: a file system, a link, one more entry" {
	data 64M >in
	status_is 0 vmclone <in
	err_is ''
	[[ $(field '.disks[1] | [.volume, .name, .path, .format, .mode, .size, .mount] | @tsv') == \
	    "shop-db-1-data	data	$VMPIPE_ROOT/vms/shop-db-1/volume-data.raw	raw	volume	67108864	/srv" ]]
	disk=$VMPIPE_ROOT/volumes/shop-db-1-data/disk.raw
	[[ $disk -ef $VMPIPE_ROOT/vms/shop-db-1/volume-data.raw ]]
	[[ $(stat -c '%h %a' "$disk") == '2 600' ]]
	e2fsck -fn "$disk" >/dev/null
	[[ $(blkid -po value -s LABEL "$disk") == data ]]
	[[ $(blkid -po value -s UUID "$disk") == "$(field '.disks[1].uuid')" ]]
	[[ $(jq -r .disks[1].path "$VMPIPE_ROOT/vms/shop-db-1/vm.json") == volume-data.raw ]]
	status_is 0 vmdoctor shop-db-1 -Ho check,result
	out_has $'volumes\tok'
	no_litter
}

@test "run again, nothing changes; removed and made again, it is the same volume" {
	data 64M >in
	vmclone <in >/dev/null
	before=$(snapshot)
	status_is 0 vmclone <in
	[[ $(field '.drift | length') == 0 && $before == "$(snapshot)" ]]
	inode=$(stat -c %i "$VMPIPE_ROOT/volumes/shop-db-1-data/disk.raw")
	status_is 0 vmrm shop-db-1
	err_is 'vmrm: volumes stay: shop-db-1-data; to remove them too, run: vmrm --volumes shop-db-1'
	volume_is $'shop-db-1-data\torphan\t67108864'
	status_is 0 vmgc --trash
	volume_is $'shop-db-1-data\torphan\t67108864'
	status_is 0 vmclone -v <in
	err_has 'vmclone: volume shop-db-1-data: attached again'
	[[ $inode == "$(stat -c %i "$VMPIPE_ROOT/vms/shop-db-1/volume-data.raw")" ]]
	volume_is $'shop-db-1-data\tattached\t67108864'
}

@test "never started and wanted otherwise: built again with its volume" {
	data 64M >in
	vmclone <in >first
	data 64M | jq -c '.spec.memory = "1G"' | vmclone >/dev/null
	[[ $VMPIPE_ROOT/volumes/shop-db-1-data/disk.raw -ef \
	    $VMPIPE_ROOT/vms/shop-db-1/volume-data.raw ]]
	data 64M | jq -c '.spec.volumes += [{name: "log", size: "8M"}]' >in
	status_is 0 vmclone <in
	[[ $(field '[.disks[].name] | @csv') == ',"data","log"' ]]
	[[ $(jq -r .disks[1].uuid first) == "$(field '.disks[1].uuid')" ]]
	no_litter
}

@test "grown by the manifest, by hand, at the start; never shrunk" {
	data 64M | vmclone >/dev/null
	started "$VMPIPE_ROOT/vms/shop-db-1"
	data 96M >in
	status_is 0 vmclone -v <in
	err_has 'volume shop-db-1-data: grown to 96M'
	[[ $(field '.drift, .disks[1].size') == $'[]\n100663296' ]]
	volume_is $'shop-db-1-data\tattached\t100663296'
	e2fsck -fn "$VMPIPE_ROOT/volumes/shop-db-1-data/disk.raw" >/dev/null
	before=$(snapshot)
	status_is 0 vmclone <in
	[[ $before == "$(snapshot)" ]]
	data 32M >in
	status_is 64 vmclone <in
	err_is 'vmclone: shop-db-1: volume shop-db-1-data: smaller than the 96M that it has: volumes only grow'
	[[ $before == "$(snapshot)" ]]
	# by hand, and with a VM that is made anew
	vmrm -q shop-db-1 >/dev/null
	status_is 64 vmclone <in
	status_is 0 vmclone --set 'volumes=[{name: data, size: 128M, mount: /srv}]' <in
	volume_is $'shop-db-1-data\tattached\t134217728'
	no_litter
}

@test "a VM in use keeps its size: drift" {
	data 64M | vmclone >/dev/null
	started "$VMPIPE_ROOT/vms/shop-db-1"
	data 96M >in
	exec 9<>"$VMPIPE_ROOT/vms/shop-db-1/lock"
	flock 9
	status_is 0 vmclone <in 9>&-
	[[ $(field '.drift[0]') == disk ]]
	exec 9>&-
	volume_is $'shop-db-1-data\tattached\t67108864'
}

@test "wanted otherwise by a VM that has run: drift, nothing is touched" {
	data 64M | vmclone >/dev/null
	started "$VMPIPE_ROOT/vms/shop-db-1"
	before=$(snapshot)
	data 64M | jq -c '.spec.volumes += [{name: "log", size: "8M"}]' >in
	status_is 0 vmclone <in
	[[ $(field '.drift | @csv') == '"disk"' ]]
	data 64M | jq -c '.spec.volumes[0].mount = "/mnt"' >in
	status_is 0 vmclone <in
	[[ $(field '.drift | @csv') == '"disk"' ]]
	role '{"disks": [{"name": "x", "size": "1G"}]}' >in
	status_is 0 vmclone <in
	[[ $(field '.drift | @csv') == '"disk"' ]]
	[[ $before == "$(snapshot)" ]]
}

@test "a clone that fails leaves no new volume and touches no old one" {
	data 64M | vmclone >/dev/null
	vmrm -q shop-db-1 >/dev/null
	before=$(snapshot volumes)
	jq -c '.spec.volumes += [{name: "log", size: "8M"}] |
	    .spec.disks = [{name: "x", image: "none"}]' < <(data 96M) >in
	status_is 66 vmclone <in
	err_is 'vmclone: shop-db-1: disk x: none: no such alias; run: vmfetch none'
	[[ $before == "$(snapshot volumes)" ]]
	# the last step fails
	jq -c '.spec.volumes += [{name: "log", size: "8M"}]' < <(data 96M) >in
	VMPIPE_FAULT=rename:2:ENOSPC status_is 74 vmclone <in
	[[ $before == "$(snapshot volumes)" ]]
	# no mke2fs
	role '{"volumes": [{"name": "two", "size": "8M", "mount": "/x"}]}' >in
	mkdir bin
	printf '#!/bin/sh\necho "mke2fs: no thanks" >&2; exit 1\n' >bin/mke2fs
	chmod +x bin/mke2fs
	PATH=$PWD/bin:$PATH status_is 69 vmclone <in
	err_has 'no thanks'
	[[ $before == "$(snapshot volumes)" ]]
	[[ -z $(ls "$VMPIPE_ROOT/vms") ]]
	no_litter
}

@test "a volume made without a file system is never formatted" {
	vmclone --from base a --set 'volumes=[{name: d, size: 64M}]' >/dev/null
	printf data | dd of="$VMPIPE_ROOT/volumes/a-d/disk.raw" conv=notrunc status=none
	vmrm -q a >/dev/null
	before=$(snapshot volumes)
	status_is 64 vmclone --from base a --set 'volumes=[{name: d, size: 64M, mount: /srv}]'
	err_has 'volume a-d: to be mounted, but it was made without a file system'
	[[ $before == "$(snapshot volumes)" ]]
}

@test "vmrm --volumes, together and one after the other, and back" {
	data 64M | vmclone >/dev/null
	before=$(snapshot vms volumes)
	status_is 0 vmrm --volumes -n shop-db-1
	err_is $'vmrm: shop-db-1: would be removed\nvmrm: volume shop-db-1-data: would be removed'
	[[ $before == "$(snapshot vms volumes)" ]]
	status_is 0 vmrm --volumes shop-db-1
	err_is ''
	[[ $(field '.state, .volumes[0]') == $'removed\nshop-db-1-data' ]]
	[[ -z $(ls "$VMPIPE_ROOT/volumes") ]]
	status_is 0 vmrm --undo shop-db-1
	[[ $before == "$(snapshot vms volumes)" ]]
	# first the VM, then what it left
	vmrm -q shop-db-1 >/dev/null
	status_is 0 vmrm --volumes shop-db-1
	[[ $(field '.state, .volumes[0]') == $'removed\nshop-db-1-data' ]]
	status_is 0 vmrm --undo shop-db-1
	[[ $before == "$(snapshot vms volumes)" ]]
	# of a VM that is gone for good
	vmrm -q shop-db-1 >/dev/null
	vmgc --trash >/dev/null
	status_is 66 vmrm shop-db-1
	status_is 0 vmrm --volumes -n shop-db-1
	err_is 'vmrm: volume shop-db-1-data: would be removed'
	vmrm --volumes shop-db-1 >/dev/null
	status_is 66 vmrm --volumes shop-db-1
	status_is 0 vmrm -n --undo shop-db-1
	err_is 'vmrm: shop-db-1: its volumes would be brought back'
	status_is 0 vmrm --undo shop-db-1
	volume_is $'shop-db-1-data\torphan\t67108864'
	status_is 64 vmrm --undo --volumes shop-db-1
	# emptied, it is gone
	vmrm --volumes shop-db-1 >/dev/null
	status_is 0 vmgc --trash -Ho name
	out_is shop-db-1-data.volume.1
	status_is 66 vmrm --undo shop-db-1
}

@test "a volume in use is not removed" {
	vmclone --from base a --set 'volumes=[{name: d, size: 8M}]' >/dev/null
	vmrm -q a >/dev/null
	exec 9<>"$VMPIPE_ROOT/volumes/a-d/lock"
	flock 9
	status_is 75 vmrm --volumes a 9>&-
	err_has 'volume a-d: another command works on it'
	exec 9>&-
	status_is 0 vmrm --volumes a
}

@test "what is missing: said with the repair, which repairs" {
	data 64M | vmclone >/dev/null
	vm=$VMPIPE_ROOT/vms/shop-db-1
	rm "$vm/volume-data.raw"
	status_is 65 vmdeploy --dry-run shop-db-1
	err_has "volume shop-db-1-data: the VM's link to it is missing; run: vmdoctor --repair shop-db-1"
	status_is 69 vmdoctor shop-db-1
	out_has 'link to it is missing'
	status_is 0 vmdoctor --repair shop-db-1
	out_has 'all there: mended'
	status_is 0 vmdeploy --dry-run shop-db-1
	out_has 'serial=data'
	# what a guest writes there is never taken for a format
	out_has '{"driver":"raw","node-name":"disk1","file":"disk1-file"'
	out_has '"filename":"volume-data.raw"'
	# only the VM has it still
	rm -r "$VMPIPE_ROOT/volumes/shop-db-1-data"
	status_is 65 vmdeploy --dry-run shop-db-1
	err_has 'volume shop-db-1-data: not in the store; run: vmdoctor --repair shop-db-1'
	status_is 0 vmdoctor --repair shop-db-1
	status_is 0 vmdeploy --dry-run shop-db-1
	# nobody has it
	rm -r "$VMPIPE_ROOT/volumes/shop-db-1-data" "$vm/volume-data.raw"
	status_is 69 vmdoctor --repair shop-db-1
	out_has 'volume shop-db-1-data: neither in the store nor in its trash'
	# it was removed meanwhile
	vmclone --from base b --set 'volumes=[{name: v, size: 8M}]' >/dev/null
	mv "$VMPIPE_ROOT/volumes/b-v" "$VMPIPE_ROOT/trash/b-v.volume.1"
	status_is 0 vmdoctor --repair b
	[[ $VMPIPE_ROOT/volumes/b-v/disk.raw -ef $VMPIPE_ROOT/vms/b/volume-v.raw ]]
}

@test "data disks: empty, and of another image; gone with the VM" {
	head -c 65536 /dev/urandom >tools.raw
	vmfetch -qa tools ./tools.raw >/dev/null
	status_is 0 vmclone --from base a --set \
	    'disks=[{name: scratch, size: 1G}, {name: tools, image: tools}, {name: same, image: base}]'
	[[ $(field '.disks[1:][] | [.name, .mode, .size, .alias] | @tsv') == \
	    $'scratch\tempty\t1073741824\t\ntools\toverlay\t65536\ttools\nsame\toverlay\t1048576\tbase' ]]
	cd "$VMPIPE_ROOT/vms/a"
	for disk in disk scratch tools same; do qemu-img check -q $disk.qcow2; done
	qemu-img convert -O raw tools.qcow2 "$HOME/out"
	cmp "$HOME/out" "$HOME/tools.raw"
	cd "$HOME"
	status_is 0 vmdeploy --dry-run a
	out_has 'virtio-blk-pci,drive=disk1,serial=scratch'
	out_has '"backing":"disk2-1"'
	# the image is kept by its disk, and only by it
	status_is 0 vmgc --keep 0 --trash
	vmls -t image tools@1 >/dev/null
	vmrm -q a >/dev/null
	status_is 0 vmgc --keep 0 --trash -Ho name
	out_has tools@1
}

@test "a copy of a VM: its data disks copied, volumes of its own" {
	vmclone --from base a --set 'disks=[{name: d, size: 64M}]' \
	    --set 'volumes=[{name: v, size: 8M}]' >/dev/null
	qemu-io -f qcow2 -c 'write -P 7 0 64k' "$VMPIPE_ROOT/vms/a/d.qcow2" >/dev/null
	printf secret | dd of="$VMPIPE_ROOT/volumes/a-v/disk.raw" conv=notrunc status=none
	status_is 0 vmclone --from a b
	[[ $(field '.disks[2].volume') == b-v ]]
	qemu-io -f qcow2 -c 'read -P 7 0 64k' "$VMPIPE_ROOT/vms/b/d.qcow2" | grep -q 'read 65536'
	cmp <(head -c 8M /dev/zero) "$VMPIPE_ROOT/volumes/b-v/disk.raw"
}

@test "what a manifest cannot say of disks and volumes" {
	manifest() { printf 'vmpipe: 1\nservice: a\nroles:\n  b:\n    image: {source: base}\n    %s\n' "$@" >m.yaml; }
	refused() { manifest "$1"; status_is 65 vmsched check m.yaml; err_has "$2"; }

	refused 'disks: [{name: disk, size: 1G}]' '"disk" is the first disk'
	refused 'disks: [{name: x}]' 'expected {name: NAME, size: SIZE} or {name: NAME, image: ALIAS}'
	refused 'disks: [{name: x, size: 1G, image: y}]' '"image" cannot stand beside "size"'
	refused 'disks: [{name: x, image: ./y}]' 'expected the alias of an image'
	refused 'disks: [{name: x, size: 1G}, {name: x, size: 2G}]' \
	    'm.yaml:6:41: roles.b.disks.1: "x" is already in this list'
	refused 'volumes: [{name: a-b, size: 1G}]' 'expected a name of at most 16 of a-z, 0-9 and _'
	refused 'volumes: [{name: abcdefghijklmnopq, size: 1G}]' 'at most 16'
	refused 'volumes: [{name: x, size: 7M}]' 'at least 8M'
	refused 'volumes: [{name: x}]' 'key "size" is missing'
	for path in / /etc /a/../b '/a b' srv /a/ /.x; do
		refused "volumes: [{name: x, size: 1G, mount: \"$path\"}]" roles.b.volumes.0.mount
	done
	refused 'volumes: [{name: x, size: 1G, mount: /a}, {name: y, size: 1G, mount: /a}]' \
	    'roles.b: /a is already the mount of one of volumes'
	refused $'disks: [{name: x, size: 1G}]\n    volumes: [{name: x, size: 1G}]' \
	    'roles.b: x is already the name of one of disks'
	manifest 'volumes: [{name: x, size: 1G, mount: /var/lib/x}]'
	status_is 0 vmsched check m.yaml
	status_is 0 vmsched check "$top/examples/files.yaml"
	vmsched schema | jq -e '[.. | .disks?, .volumes? | .items? |
	    select(. != null) | .properties | keys] ==
	    [["image", "name", "size"], ["mount", "name", "size"]]'
	status_is 64 vmclone --from base a --set 'volumes=[{name: x, size: 1G}]' \
	    --set 'disks=[{name: x, size: 1G}]'
	err_is 'vmclone: a: a disk and a volume are both called x'
}

@test "two at once: one VM, one volume" {
	data 64M >in
	for i in 1 2 3 4; do
		vmclone -q <in >"out.$i" 2>"err.$i" &
	done
	for job in $(jobs -p); do wait "$job"; done
	[[ $(jq -r .identity.uuid out.* | sort -u | wc -l) == 1 ]]
	volume_is $'shop-db-1-data\tattached\t67108864'
	[[ $VMPIPE_ROOT/volumes/shop-db-1-data/disk.raw -ef \
	    $VMPIPE_ROOT/vms/shop-db-1/volume-data.raw ]]
	no_litter
}

@test "a VM that is built again has the volume that it had, or is not" {
	vmclone --from base --set 'volumes=[{name: data, size: 8M}]' keeper >/dev/null
	echo precious |
	    dd of="$VMPIPE_ROOT/vms/keeper/volume-data.raw" conv=notrunc status=none
	rm -r "$VMPIPE_ROOT/volumes/keeper-data"
	status_is 65 vmclone --from base --set cpus=3 \
	    --set 'volumes=[{name: data, size: 8M}]' keeper
	err_has 'run: vmdoctor --repair keeper'
	[ ! -e "$VMPIPE_ROOT/volumes/keeper-data" ]
	status_is 0 vmdoctor --repair keeper
	status_is 0 vmclone --from base --set cpus=3 \
	    --set 'volumes=[{name: data, size: 8M}]' keeper
	grep -q precious "$VMPIPE_ROOT/vms/keeper/volume-data.raw"
}

@test "volumes that come back to a VM that is there: it is not called removed" {
	vmclone --from base --set 'volumes=[{name: data, size: 8M}]' one >/dev/null
	vmrm --volumes one >/dev/null
	rm -r "$VMPIPE_ROOT"/trash/one.*
	vmclone --from base one >/dev/null
	status_is 0 vmrm --undo one
	[[ $(field '.volumes[0], .state' | xargs) == 'one-data null' ]]
	[[ -d $VMPIPE_ROOT/vms/one && -d $VMPIPE_ROOT/volumes/one-data ]]
}
