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

@test "--images: a byte that has changed in a master is seen" {
	requires jq qemu-img
	[[ $EUID == 0 ]] || skip 'requires root'
	head -c 6M /dev/urandom >disk.raw
	vmfetch -a disk ./disk.raw >/dev/null
	status_is 0 vmdoctor --images --json
	[[ $(row master) == 'ok: -' ]]
	raw=("$VMPIPE_ROOT"/images/*/*.raw)
	touch -r "${raw[0]}" before
	printf x | dd of="${raw[0]}" bs=1 seek=5000000 conv=notrunc status=none
	touch -r before "${raw[0]}"
	status_is 69 vmdoctor --images --json
	[[ $(row master) == 'lacking: vmfetch --refresh' ]]
	[[ $(jq -r .message <<<"$output") == 'its bytes are not those'* ]]
}
