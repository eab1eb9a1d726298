# vmdoctor: what is lacking is one line with the command that mends it.

load ../lib/common

# path_with PROGRAM...: a PATH where only these are found, and ours.
path_with()
{
	local program

	mkdir -p few
	for program; do
		ln -s "$(command -v "$program")" few/
	done
	few=$PWD/few:$VMPIPE_BUILD/bin
}

row() { jq -r "select(.check == \"$1\") | .result + \": \" + (.fix // \"-\")" \
    <<<"$output"; }

@test "a host without the programs: 69, each with its package" {
	requires jq
	path_with true
	# shellcheck disable=SC2154
	status_is 69 env PATH="$few" vmdoctor --json
	err_is ''
	[[ $(row qemu) == 'lacking: apt-get install qemu-system-x86' ]]
	[[ $(row qemu-img) == 'lacking: apt-get install qemu-utils' ]]
	[[ $(row ssh) == 'lacking: apt-get install openssh-client' ]]
	[[ $(row kvm) == 'note: apt-get install qemu-system-x86' ]]
	[[ $(row store) == 'ok: -' ]]
}

@test "a kernel that is not there" {
	requires jq unshare
	[[ $EUID == 0 ]] || skip 'requires root'
	status_is 69 unshare -m bash -c 'mount -t tmpfs none /boot &&
	    vmdoctor --json'
	[[ $(row kernel) == 'lacking: apt-get install linux-image-cloud-amd64' ]]
	SUPERMIN_KERNEL=$PWD/kernel
	export SUPERMIN_KERNEL
	touch kernel
	status_is 0 unshare -m bash -c 'mount -t tmpfs none /boot &&
	    vmdoctor -o check,result,fix --json'
	[[ $(row kernel) == 'ok: -' ]]
}

@test "looking makes no store; a table has a line for each check" {
	run -0 vmdoctor
	[[ ${lines[0]} == SUBJECT* && ${#lines[@]} == 11 ]]
	[[ ! -e $VMPIPE_ROOT ]]
	status_is 66 vmdoctor nobody
	err_has 'no store there yet; run: vmfetch'
	status_is 66 vmdoctor --images
}

# One changed byte in the master of an image, at this offset.
damage()
{
	local raw

	raw=("$VMPIPE_ROOT/images/$1"/*.raw)
	touch -r "${raw[0]}" before
	printf x | dd of="${raw[0]}" bs=1 seek="$2" conv=notrunc status=none
	touch -r before "${raw[0]}"
}

@test "--images: a byte that has changed in a master is seen, and mended" {
	requires jq qemu-img
	[[ $EUID == 0 ]] || skip 'requires root'
	head -c 6M /dev/zero | tr '\0' a >disk.raw
	id=$(vmfetch -a disk ./disk.raw | jq -r .image.id)
	vmfetch --pin disk >/dev/null
	vmclone --from disk k1 k2 >/dev/null
	status_is 0 vmdoctor --images --json
	[[ $(row master) == 'ok: -' ]]
	damage "$id" 5000000
	status_is 69 vmdoctor --images --json disk@1
	[[ $(row master) == 'note: -' ]]
	[[ $(jq -rs '.[0].message' <<<"$output") == \
	    'its bytes are not those that were fetched: under quarantine, fetched again' ]]
	[[ $(jq -r 'select(.check == "clone").subject' <<<"$output") == $'k1\nk2' ]]
	err_is ''
	# the clones keep what they stand on, new ones stand on the new master
	[[ -d $VMPIPE_ROOT/quarantine/$id.1 ]]
	cmp "$VMPIPE_ROOT/images/$id/$id.raw" disk.raw
	[[ $(stat -c %h "$VMPIPE_ROOT/quarantine/$id.1/$id.raw") == 3 ]]
	[[ $(vmls -t image -Ho name,pinned) == $'disk@1\ttrue' ]]
	status_is 0 vmdoctor --images --json disk
	[[ $(row master) == 'ok: -' ]]
	status_is 66 vmdoctor --images none
}

@test "--images: an older generation, and one whose source is gone" {
	requires jq qemu-img
	[[ $EUID == 0 ]] || skip 'requires root'
	head -c 2M /dev/zero | tr '\0' a >a.raw
	head -c 2M /dev/zero | tr '\0' b >b.raw
	old=$(vmfetch -a disk ./a.raw | jq -r .image.id)
	new=$(vmfetch -a disk ./b.raw | jq -r .image.id)
	damage "$old" 5
	status_is 69 vmdoctor --images --json
	[[ $(jq -r 'select(.result == "lacking").subject' <<<"$output") == "$old" ]]
	[[ $(row master) == *"lacking: vmfetch --checksum sha256:$old $PWD/a.raw"* ]]
	vmfetch -a disk --checksum "sha256:$old" ./a.raw >/dev/null
	vmfetch -a disk disk@2 >/dev/null
	vmfetch --pin disk@1 >/dev/null
	damage "$old" 5
	status_is 0 vmdoctor --images --json
	[[ $(vmls -t image -Ho name,current,pinned) == \
	    $'disk@1\tfalse\ttrue\ndisk@2\ttrue\tfalse' ]]
	rm b.raw
	damage "$new" 7
	status_is 69 vmdoctor --images --json disk
	[[ $(row master) == lacking:* ]]
	[[ $(jq -r .message <<<"$output") == *'under quarantine; fetching it again: '* ]]
	[[ ! -e $VMPIPE_ROOT/images/$new ]]
}

# Three VMs by hand from an image called disk; their records in here.json.
three_vms()
{
	head -c 1M /dev/zero >disk.raw
	vmfetch -a disk ./disk.raw >/dev/null
	vmclone --from disk a b c >/dev/null
	vmls --json >here.json
}

@test "a VM's disk: clusters that nothing uses, tables that are wrong" {
	requires jq qemu-img
	truncate -s 1M disk.raw
	vmfetch -q ./disk.raw | vmclone -q box >/dev/null
	disk=$VMPIPE_ROOT/vms/box/disk.qcow2
	status_is 0 vmdoctor --json box
	[[ $(row tables) == 'ok: -' ]]
	# refcounts are in the third cluster: of the seventh, then of the first
	printf '\0\1' | dd of="$disk" bs=1 seek=131084 conv=notrunc status=none
	status_is 0 vmdoctor --json box
	[[ $(row tables) == "note: qemu-img check -r leaks $disk" ]]
	printf '\0\0' | dd of="$disk" bs=1 seek=131072 conv=notrunc status=none
	status_is 69 vmdoctor --json box
	[[ $(row tables) == "lacking: qemu-img check -r all $disk" ]]
	out_has 'disk.qcow2: qcow2: a cluster is used more often than counted'
	qemu-img check -qr all "$disk"
	status_is 0 vmdoctor --json box
	[[ $(row tables) == 'ok: -' ]]
}

@test "--identity: VMs of the store that share nothing, and that do" {
	requires jq
	status_is 0 vmdoctor --identity --json </dev/null
	three_vms
	status_is 0 vmdoctor --identity --json </dev/null
	[[ $(jq -r '.subject, .result, .message' <<<"$output") == \
	    $'host\nok\n3 VMs have nothing in common' ]]
	before=$(snapshot)
	# c gets what a has, but its name and MAC; b is one that has run
	jq --slurpfile a store/vms/a/vm.json '.private = $a[0].private |
	    .identity = ($a[0].identity | .nics[0].mac = "52:54:00:00:00:01")' \
	    store/vms/c/vm.json >c
	cat c >store/vms/c/vm.json
	jq --slurpfile a store/vms/a/vm.json '.started = true |
	    .identity.nics = $a[0].identity.nics' store/vms/b/vm.json >b
	cat b >store/vms/b/vm.json
	mac=$(jq -r .identity.nics[0].mac b)
	status_is 69 vmdoctor --identity -o subject,result,message,fix -H </dev/null
	out_is "a	lacking	mac $mac: as b	\
vmrm a && vmclone --from disk a | vmcustomize
c	lacking	uuid, machine-id, instance-id, generation-id, ssh-host-key, \
random-seed: as a	vmrm c && vmclone --from disk c | vmcustomize"
	err_is ''
	[[ $(vmdoctor --identity --json </dev/null | jq -c '.shared[0] | .with') == \
	    $'"b"\n"a"' ]]
	[[ $(vmdoctor --identity --json </dev/null) != \
	    *"$(jq -r .private.random_seed c)"* ]]
	# what it says mends it
	vmrm -q c >/dev/null
	vmclone -q --from disk c >/dev/null
	status_is 69 vmdoctor --identity -Ho subject </dev/null
	out_is a
	[[ $before != "$(snapshot)" ]]
}

@test "--identity: records of many hosts on stdin, each VM once" {
	requires jq
	three_vms
	# the same records again, told twice, are the same VMs
	status_is 0 vmdoctor --identity < <(cat here.json here.json)
	# a store that was copied to another host, and both go on
	jq -c 'select(.name == "b") | .host = "other" | .started = true' \
	    here.json >other.json
	status_is 69 vmdoctor --identity --json --root "$PWD/none" \
	    < <(cat here.json other.json)
	host=$(hostname)
	[[ $(jq -r '.subject, (.shared | map(.what) | join(" "))' <<<"$output") == \
	    "$host/b"$'\nname uuid machine-id instance-id generation-id mac ssh-host-key' ]]
	[[ $(jq -r .fix <<<"$output") == \
	    'vmrm b && vmclone --from disk b | vmcustomize' ]]
	# with the store's own VMs; one that ran elsewhere is mended there
	jq -c '.host = "third"' other.json >third.json
	status_is 69 vmdoctor --identity -Ho subject,fix \
	    < <(cat other.json third.json)
	[[ ${lines[0]} == "third/b	ssh third 'vmclone --from b b-2 | \
vmcustomize | vmdeploy && vmrm b'" ]]
	# a name alone is a note
	jq -c '.host = "other" | .identity = {uuid: .name}' here.json >names.json
	status_is 0 vmdoctor --identity --json <names.json
	[[ $(jq -r .result <<<"$output" | uniq) == note ]]
}

@test "--identity: what is no record is told; names are not taken" {
	requires jq
	three_vms
	status_is 65 vmdoctor --identity < <(echo '{"vmpipe":1,'; cat here.json)
	err_has 'vmdoctor: standard input:1: '
	out_has '3 VMs have nothing in common'
	status_is 64 vmdoctor --identity a
	status_is 64 vmdoctor --identity --images
	echo x >store/vms/b/vm.json
	status_is 69 vmdoctor --identity --json </dev/null
	[[ $(jq -r 'select(.check == "record") | .subject + " " + .result + " " +
	    .fix' <<<"$output") == 'b lacking vmrm b' ]]
}

@test "--identity: an address that a manifest gives twice" {
	requires jq
	three_vms
	vmclone --from disk --set 'networks=[{bridge: br0, address: 10.0.0.5/24}]' \
	    d e >/dev/null
	status_is 69 vmdoctor --identity -Ho subject,message,fix </dev/null
	out_is 'e	address 10.0.0.5 on bridge:br0: as d	-'
}
