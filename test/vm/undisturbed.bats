# A VM that runs on a clone while its image is refreshed, pruned, cloned again,
# taken away and attacked: not disturbed, its disk equal to the end.

load ../lib/common
load ../lib/vm

setup()
{
	fresh
	requires "$VMPIPE_GUESTS/tiny.qcow2" qemu-img qemu-io
	cp --sparse=always "$VMPIPE_GUESTS/tiny.qcow2" os.qcow2
	vmfetch -a os ./os.qcow2 >/dev/null
	id=$(ls "$VMPIPE_ROOT/images")
}

# tell WORD...: into the console of a, which $keys is.
tell() { echo "$*" >&"$keys"; }

# saw WORDS: the guest has said so, and not only been told to.
saw() { tr -d '\r' <shown | grep -q "^$1"; }
# number WORD: the last number that it gave under that word.
number() { tr -d '\r' <shown | sed -n "s/^$1-\([0-9][0-9]*\)$/\1/p" | tail -n 1; }
has_passed() { (($(number pass) + 0 >= $1)); }

# goes_on: the guest has written more since the call.
goes_on() { wait_for -t 60 has_passed $(($(number pass) + 3)); }

# Pass P: 8 KiB behind the image's own 64 MiB, at one of 16 places in turn.
write_for_ever='{ p=0; while [ ! -e /tmp/stop ]; do p=$((p+1)); n=0;
    while [ $n -lt 512 ]; do printf "%015d\n" $((p*1000+n)); n=$((n+1)); done |
    dd of=/dev/vda bs=4k seek=$((16384+p%16*2)) conv=notrunc,fsync 2>/dev/null;
    echo pass-$p; done; echo last-$p; } &'

# expected LAST: what is behind those 64 MiB after that pass.
expected()
{
	local last=$1 p n

	for ((p = last > 16 ? last - 15 : 1; p <= last; p++)); do
		for ((n = 0; n < 512; n++)); do
			printf '%015d\n' $((p * 1000 + n))
		done | dd of=expected bs=4k seek=$((p % 16 * 2)) conv=notrunc \
		    status=none
	done
	truncate -s 64M expected
}

@test "refreshed, pruned, cloned, taken away, attacked: its disk is its own" {
	vmclone --from os --set memory=128M --set disk=128M \
	    --set 'ready={serial: "tiny tiny ready"}' a >/dev/null
	base=$VMPIPE_ROOT/vms/a/$id.raw
	before=$(sha256sum <"$base")
	status_is 0 vmdeploy a
	pid=$(jq .run.pid "$VMPIPE_ROOT/vms/a/vm.json")
	mkfifo keys
	vmconsole a <keys >shown &
	console=$!
	exec {keys}>keys
	tell 'sum() { echo 3 >/proc/sys/vm/drop_caches; md5sum /boot/vmlinuz; }'
	tell 'echo first $(sum)'
	wait_for -t 60 saw 'first [0-9a-f]'
	tell "${write_for_ever//$'\n'/}"
	goes_on

	# a new generation; the old one is pruned as far as it may be
	qemu-io -c 'write -P 7 60M 1M' os.qcow2 >/dev/null
	vmfetch --refresh -a os ./os.qcow2 >/dev/null
	[[ $(vmls -t image -Ho name) == $'os@1\nos@2' ]]
	status_is 0 vmgc -q --keep 0 --max-space 0
	[[ $(vmls -t image -Ho name) == os@1 ]]
	goes_on
	vmfetch os >/dev/null

	# clones of both, and a copy of one of them; they go again
	for round in 1 2 3; do
		vmclone --from os@1 b-{1..40} >/dev/null
		vmclone --from os c-{1..40} >/dev/null
		vmclone --from b-1 d >/dev/null
		vmrm -q b-{1..40} c-{1..40} d >/dev/null
		vmgc -q --trash >/dev/null
	done
	status_is 0 vmdoctor --images
	goes_on

	# nobody can write to what it stands on, not even root
	status_is 1 qemu-io -f raw -c 'write 0 512' "$base"
	[[ $output$stderr == *'Failed to get'*lock* || $EUID != 0 ]]
	status_is 75 vmdoctor --repair a
	status_is 75 vmrm a

	# its image goes for good, and comes back
	rm -r "$VMPIPE_ROOT/images/$id"
	status_is 0 vmgc -q --keep 0 --trash
	goes_on
	qemu-io -c 'write -z 60M 1M' os.qcow2 >/dev/null
	status_is 0 vmdoctor a
	goes_on

	tell 'touch /tmp/stop'
	wait_for -t 60 saw 'last-[0-9]'
	tell 'echo again $(sum)'
	wait_for -t 60 saw 'again [0-9a-f]'
	[[ $(jq .run.pid "$VMPIPE_ROOT/vms/a/vm.json") == "$pid" ]]
	run ! gone "$pid"
	status_is 0 vmstop a
	exec {keys}>&-
	wait "$console"
	[[ $(words first) == "$(words again)" ]]

	# byte for byte
	last=$(number last)
	echo "# $last passes" >&3
	expected "$last"
	qemu-img check -q "$VMPIPE_ROOT/vms/a/disk.qcow2"
	qemu-img convert -O raw "$VMPIPE_ROOT/vms/a/disk.qcow2" a.raw
	cmp <(tail -c +$((64 * 1024 * 1024 + 1)) a.raw) expected
	[[ $(sha256sum <"$base") == "$before" ]]
	[[ $(stat -c %h "$base") == 1 ]]
	status_is 0 vmdoctor a
	status_is 0 vmdeploy a
	status_is 0 vmstop -f a
	no_litter
}

words() { tr -d '\r' <shown | sed -n "s/^$1 //p"; }

@test "a master that a clone was committed to: the others mended, and boot; moved, too" {
	[[ $EUID == 0 ]] || skip 'requires root, who ignores modes'
	vmclone --from os --set memory=128M \
	    --set 'ready={serial: "tiny tiny ready"}' a b >/dev/null
	vmdeploy -q a >/dev/null
	status_is 0 vmstop a
	qemu-img commit -q "$VMPIPE_ROOT/vms/a/disk.qcow2"
	status_is 65 vmdeploy b
	err_has 'it was written to; on it too: a; run: vmdoctor --repair b'
	status_is 0 vmdoctor --repair b
	out_has 'the chain is whole: linked again'
	status_is 0 vmdeploy b
	[[ $(jq -r .state <<<"$output") == ready ]]
	status_is 75 vmdoctor --repair b
	err_has 'run: vmstop b'
	status_is 0 vmstop b

	# moved with new inodes: started, and noted anew
	cp -a --sparse=always "$VMPIPE_ROOT" moved
	rm -r "$VMPIPE_ROOT"
	export VMPIPE_ROOT=$PWD/moved
	status_is 0 vmdeploy b
	[[ $(jq -r .state <<<"$output") == ready ]]
	status_is 0 vmstop b
	[[ $(jq .lock_inode moved/vms/b/vm.json) == $(stat -c %i moved/vms/b/lock) ]]
	[[ $(jq '.chain[0].inode' moved/vms/b/vm.json) == \
	    $(stat -c %i "moved/vms/b/$id.raw") ]]
	status_is 0 vmdoctor b
}
