# vmsnap, and vmclone --from, on VMs that run.

load ../lib/common
load ../lib/vm
load ../lib/console
load ../lib/smalldisk

setup() { fresh; PATH=$PATH:/usr/sbin:/sbin; }
teardown() { detach; stop_vms; stop_servers; }

# boot NAME...: tiny guests that are up.
boot()
{
	requires jq qemu-img perl "$VMPIPE_GUESTS/tiny.qcow2"
	vmfetch -a tiny "$VMPIPE_GUESTS/tiny.qcow2" | vmclone --set memory=128M \
	    --set 'ready={serial: "tiny tiny ready"}' "$@" | vmdeploy >/dev/null
}

disk() { echo "$VMPIPE_ROOT/vms/$1/disk.qcow2"; }
pid_of() { jq .run.pid "$VMPIPE_ROOT/vms/$1/vm.json"; }
field() { jq -r ".$1" <<<"$output"; }

# undisturbed NAME PID: it runs as before, and nothing of ours is left in it.
undisturbed()
{
	local left

	[[ $(pid_of "$1") == "$2" ]] && ! gone "$2" || return 1
	left=$("$top/test/lib/qmp.pl" "$VMPIPE_ROOT/vms/$1/qmp.sock" query-jobs \
	    query-named-block-nodes query-fdsets query-status |
	    grep -o 'vmpipe-live[^"]*\|fdset-id.*\|"status":"[^r][^"]*"' || :)
	[[ -z $left ]] || { echo "left behind: $left"; return 1; }
}

@test "a snapshot of a VM that runs, and back" {
	boot a
	attach a
	pid=$(pid_of a)
	type_in 'echo first >/root/file; sync'
	status_is 0 vmsnap -v a@first
	err_is 'vmsnap: a: its disks are as after a power cut: no agent in the guest could freeze them'
	[[ $(field snapshot.state) == complete ]]
	type_in 'echo second >/root/file; sync'
	status_is 0 vmsnap a@second
	status_is 0 vmsnap -lHo name
	out_is $'a@first\na@second'
	status_is 73 vmsnap a@first
	status_is 0 vmsnap --delete a@second
	status_is 66 vmsnap --delete a@second
	undisturbed a "$pid"
	# one at a time
	exec 9<"$VMPIPE_ROOT/vms/a"
	flock 9
	status_is 75 vmsnap a@third
	err_is 'vmsnap: a: another copy or snapshot of it is being made'
	exec 9<&-

	detach
	vmstop -f a >/dev/null
	qemu-img check -q "$(disk a)"
	status_is 0 bash -c 'vmsnap --rollback a@first | vmdeploy'
	attach a
	type_in 'echo now-$(cat /root/file)'
	says now-first
	detach

	# one that runs is stopped for it, and started again
	pid=$(pid_of a)
	status_is 66 vmsnap --rollback a@nothing
	undisturbed a "$pid"
	attach a
	type_in 'echo third >/root/file; sync'
	detach
	status_is 0 vmsnap --rollback a@first
	[[ $(field state) == ready && $(field snapshot.tag) == first ]]
	[[ $(pid_of a) != "$pid" && $(field run.pid) == "$(pid_of a)" ]]
	attach a
	type_in 'echo again-$(cat /root/file)'
	says again-first
	detach
	status_is 0 vmsnap --rollback --no-start a@first
	[[ $(field state) == stopped ]]
}

@test "a copy of a VM that runs: its disk at one instant, an identity of its own" {
	boot a
	attach a
	pid=$(pid_of a)
	type_in 'echo first >/root/file; sync'
	type_in 'dd if=/dev/urandom of=/root/gone bs=64k count=40; sync'
	type_in 'rm /root/gone; fstrim / ; sync'
	type_in '(while :; do n=$((n + 1)); echo $n >/root/n; sync; done) &'
	vmsnap a@kept >/dev/null
	status_is 0 vmclone -v --from a b c
	err_is 'vmclone: a: its disks are as after a power cut: no agent in the guest could freeze them'
	type_in 'echo second >/root/file; sync'
	undisturbed a "$pid"
	no_litter
	for name in b c; do
		qemu-img check -q "$(disk "$name")"
		[[ $(qemu-img snapshot -l "$(disk "$name")") == '' ]]
	done
	cmp "$(disk b)" "$(disk c)"
	[[ $(jq -rs 'map(.identity.uuid) | unique | length' <<<"$output") == 2 ]]

	vmdeploy b >/dev/null
	attach b
	type_in 'echo now-$(cat /root/file)-$(cat /root/n)'
	says 'now-first-[0-9]'
	[[ $(grep -c 'EXT4-fs error' "$console_log") == 0 ]]
	undisturbed a "$pid"
	status_is 0 vmclone -n --from a d
	[[ ! -e $VMPIPE_ROOT/vms/d ]]
}

@test "two disks of a VM that runs: both or none, of one instant" {
	boot --set 'disks=[{name: data, size: 8M}]' a
	attach a
	data=$VMPIPE_ROOT/vms/a/data.qcow2
	begins() { qemu-io -f qcow2 -c 'read -v 0 16' "$1" | grep -q " $2"; }
	type_in 'echo first >/dev/vdb; sync'
	status_is 0 vmsnap a@one
	[[ $(field snapshot.size) == $(((64 + 8) << 20)) ]]
	type_in 'echo other >/dev/vdb; sync'
	status_is 0 vmsnap a@two
	status_is 0 vmsnap --delete a@two
	vmclone --from a b >/dev/null
	detach
	vmstop -f a >/dev/null
	begins "$VMPIPE_ROOT/vms/b/data.qcow2" other
	begins "$data" other
	for file in "$data" "$(disk a)"; do
		[[ $(qemu-img snapshot -l "$file" | awk 'NR > 2 { print $2 }') == one ]]
		qemu-img check -q "$file"
	done
	vmsnap --rollback a@one >/dev/null
	begins "$data" first
}

@test "an ephemeral VM does not go back: it would be gone" {
	boot --ephemeral a
	vmsnap a@first >/dev/null
	pid=$(pid_of a)
	for options in '' -n; do
		status_is 64 vmsnap --rollback $options a@first
		err_has 'stopped, it would be gone; run: vmclone --from a a-copy'
	done
	undisturbed a "$pid"
	status_is 0 vmclone --from a a-copy
}

# Two data disks of 20 MiB, and room for a copy of only one of them.
little_space()
{
	disk_size 262144
	vmfetch -a tiny "$VMPIPE_GUESTS/tiny.qcow2" |
	    vmclone --set memory=128M --set 'ready={serial: "tiny tiny ready"}' \
		--set 'disks=[{name: one, size: 64M}, {name: two, size: 64M}]' \
		a >made
	for name in one two; do
		qemu-io -f qcow2 -c 'write -q -P 1 0 20M' \
		    "$VMPIPE_ROOT/vms/a/$name.qcow2"
	done
	vmdeploy <made >/dev/null
	disk_size $(($(df -k --output=used "$VMPIPE_ROOT" | tail -n 1) + 30720))
	vmclone --from a b >out && exit 1 || status=$?
	vmstop -f a >/dev/null
	[ $status = 74 ]
}

@test "a copy of all disks of a VM that runs is not begun without the space" {
	requires jq qemu-io "$VMPIPE_GUESTS/tiny.qcow2"
	export VMPIPE_GUESTS
	export -f little_space
	on_small_disk little_space
	[[ $(jq -r .error.code out) == no_space ]]
	err_has 'a copy of its disks may need 4'
}

@test "what the guest makes zero is zero in the copy" {
	boot a
	attach a
	# all of the free space: what the master holds there is covered
	type_in 'dd if=/dev/zero of=/root/zero bs=64k; sync; rm /root/zero; sync'
	type_in 'echo 3 >/proc/sys/vm/drop_caches; sync'
	status_is 0 vmclone --from a b
	vmstop -f a >/dev/null
	# the guest was idle: both disks hold the same
	qemu-img compare -q "$(disk a)" "$(disk b)"
}

@test "a raw disk of a VM that runs: no snapshot, a copy with its holes" {
	requires debugfs
	boot --mode copy a
	status_is 69 vmsnap a@x
	attach a
	type_in 'echo first >/root/file; sync'
	status_is 0 vmclone --from a b
	detach
	vmstop -f a >/dev/null
	raw_a=$VMPIPE_ROOT/vms/a/disk.raw raw_b=$VMPIPE_ROOT/vms/b/disk.raw
	[[ $(stat -c %s "$raw_a") == "$(stat -c %s "$raw_b")" ]]
	(($(stat -c %b "$raw_b") <= $(stat -c %b "$raw_a") + 512))
	[[ $(debugfs -R 'cat /root/file' "$raw_b?offset=1048576" 2>/dev/null) == first ]]
}

@test "killed, or told to stop, at any question to QEMU: the VM is as it was" {
	requires strace
	boot a
	pid=$(pid_of a)
	for signal in KILL INT; do
		for ((n = 1; ; n++)); do
			status=0
			strace -f -qq -o /dev/null \
			    -e inject="sendmsg:signal=$signal:when=$n" \
			    vmclone -q --from a b >/dev/null 2>&1 || status=$?
			[[ $status != 0 ]] || break
			[[ ! -e $VMPIPE_ROOT/vms/b ]]
			[[ $signal == KILL ]] || undisturbed a "$pid"
			no_litter
		done
		((n > 10))
		vmrm b >/dev/null
		undisturbed a "$pid"
	done
	for ((n = 1; ; n++)); do
		status=0
		strace -f -qq -o /dev/null -e inject="sendmsg:signal=KILL:when=$n" \
		    vmsnap -q a@x >/dev/null 2>&1 || status=$?
		[[ $status != 0 ]] || break
		vmsnap -lHo name a | grep -qx a@x && vmsnap --delete a@x >/dev/null
	done
	undisturbed a "$pid"
	status_is 0 vmsnap --delete a@x
	vmstop -f a >/dev/null
	qemu-img check -q "$(disk a)"
}

@test "an agent in the guest: its file systems are frozen, and thawed" {
	requires dumpe2fs debugfs
	boot a
	attach a
	# one of a few lines (a tab would complete); its port has nothing to
	# read while nobody is there
	type_in 'cat >/tmp/agent <<"END"
exec 3<>/dev/vport1p1
nap="usleep 20000"
while :; do
  read -r line <&3 || { $nap; continue; }
  case $line in
  *guest-sync*) id=${line##*:}; echo "{\"return\": ${id%%\}*}}" >&3 ;;
  *freeze-freeze*) fsfreeze --freeze / && echo "{\"return\": 1}" >&3
    echo froze ;;
  *freeze-thaw*) fsfreeze --unfreeze / && echo "{\"return\": 1}" >&3
    echo thawed ;;
  esac
done
END'
	type_in 'sh /tmp/agent & true'
	type_in 'echo first >/root/file; sync'
	status_is 0 vmsnap -v a@frozen
	err_is 'vmsnap: a: its file systems were frozen'
	wait_for says thawed
	type_in 'echo second >/root/file; sync'
	status_is 0 vmclone -v --from a b
	err_is 'vmclone: a: its file systems were frozen'
	type_in 'sync'
	detach
	vmstop -f a >/dev/null
	vmsnap --rollback a@frozen >/dev/null
	# clean, with no journal to be replayed
	for name in a b; do
		qemu-img convert -O raw "$(disk "$name")" raw
		dumpe2fs -h 'raw?offset=1048576' >super 2>/dev/null
		[[ -s super && $(<super) != *needs_recovery* ]]
		debugfs -R 'cat /root/file' 'raw?offset=1048576' \
		    >>files 2>/dev/null
	done
	[[ $(<files) == $'first\nsecond' ]]
}
