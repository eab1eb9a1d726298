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
	[[ ${lines[0]} == SUBJECT* && ${#lines[@]} == 10 ]]
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
