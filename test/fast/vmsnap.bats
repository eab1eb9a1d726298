# vmsnap on stopped VMs.  Those that run are in test/vm/vmsnap.bats.

load ../lib/common

setup()
{
	requires qemu-img qemu-io jq
	fresh
	"$top/test/lib/mkqcow2.pl" >box.qcow2
	vmfetch -a box ./box.qcow2 | vmclone a b >/dev/null
	disk=$VMPIPE_ROOT/vms/a/disk.qcow2
}

# write BYTE [FILE]: the first 64 KiB of the disk; holds BYTE [FILE]: are they?
write() { qemu-io -f qcow2 -c "write -q -P $1 0 64k" "${2:-$disk}"; }
holds() { ! qemu-io -f qcow2 -c "read -q -P $1 0 64k" "${2:-$disk}" | grep -q .; }

# Another disk of the VM a, data.qcow2, put there as vmclone would.
add_data_disk()
{
	data=$VMPIPE_ROOT/vms/a/data.qcow2
	qemu-img create -q -f qcow2 "$data" 1M
	write 1 "$data"
	jq -c '.disks += [{name: "data", path: "data.qcow2", format: "qcow2",
	    mode: "overlay", size: 1048576}]' "$VMPIPE_ROOT/vms/a/vm.json" >new
	cat new >"$VMPIPE_ROOT/vms/a/vm.json"
}

field() { jq -r ".$1" <<<"$output"; }
tags() { qemu-img snapshot -l "${1:-$disk}" | awk 'NR > 2 { print $2 }'; }

@test "made, listed, gone back to, deleted" {
	write 1
	before=$(cd "$VMPIPE_ROOT/vms/a" && jq -S 'del(.identity.generation_id)' vm.json)
	generation=$(jq -r .identity.generation_id "$VMPIPE_ROOT/vms/a/vm.json")
	status_is 0 vmsnap a@before
	err_is ''
	[[ $(jq -r '[.name, .state, .snapshot.tag, .snapshot.state] | @tsv' <<<"$output") == \
	    $'a\tcloned\tbefore\tcomplete' ]]
	write 2
	vmsnap a@later >/dev/null
	write 3

	status_is 0 vmsnap -lHo name,size,vm_state
	out_is $'a@before\t1M\tno\na@later\t1M\tno'
	status_is 0 vmsnap -l --json a
	[[ $(jq -r '[.kind, .vm, .tag] | @tsv' <<<"$output") == \
	    $'snapshot\ta\tbefore\nsnapshot\ta\tlater' ]]
	date -d "$(jq -r .created <<<"$output" | head -n 1)" >/dev/null
	status_is 0 vmsnap b
	[[ $output != *@* ]]

	status_is 0 vmsnap --rollback a@before
	err_is ''
	holds 1
	[[ $(tags) == $'before\nlater' ]]
	qemu-img check -q "$disk"
	[[ $(field identity.generation_id) != "$generation" ]]
	[[ $(field identity.generation_id) == \
	    "$(jq -r .identity.generation_id "$VMPIPE_ROOT/vms/a/vm.json")" ]]
	[[ $(cd "$VMPIPE_ROOT/vms/a" && jq -S 'del(.identity.generation_id)' vm.json) == \
	    "$before" ]]
	no_litter
	# and forward again
	status_is 0 vmsnap --rollback a@later
	holds 2

	status_is 0 vmsnap --delete a@before a@later
	[[ $(jq -s 'map(has("snapshot")) | any' <<<"$output") == false ]]
	[[ $(tags) == '' ]]
	holds 2
	qemu-img check -q "$disk"
}

@test "names on stdin; -n touches nothing; failed records pass" {
	write 1
	status_is 0 bash -c "printf '%s\n' a@x b@x | vmsnap -Ho name,snapshot.tag"
	out_is $'a\tx\nb\tx'
	before=$(snapshot)
	status_is 0 vmsnap -n a@y
	err_is 'vmsnap: a@y: would be made'
	[[ $(field planned) == make ]]
	status_is 0 vmsnap -n --delete a@x
	err_is 'vmsnap: a@x: would be deleted'
	status_is 0 vmsnap -n --rollback a@x
	err_is 'vmsnap: a@x: would be gone back to'
	[[ $(snapshot) == "$before" ]]
	# a record of vmsnap's own names its snapshot
	status_is 0 bash -c 'vmsnap a@z | vmsnap --delete'
	status_is 65 bash -c 'vmls --json b | vmsnap'
	err_is 'vmsnap: b: the record names no snapshot: a snapshot is NAME@TAG; run: vmsnap -l b'
	status_is 65 bash -c 'vmfetch box | vmsnap'
	err_has 'not the record of a VM'
	status_is 0 bash -c 'vmsnap -lHo name | vmsnap --delete'
	status_is 0 vmsnap -l
	[[ $output != *@* ]]
	status_is 66 vmsnap </dev/null
	status_is 0 vmsnap -r </dev/null
	status_is 1 vmsnap <<<'{"vmpipe":1,"kind":"vm","name":"a","state":"failed","error":{"tool":"vmdeploy","status":69,"code":"x","message":"y","retryable":true}}'
	[[ $(field error.tool) == vmdeploy ]]
}

@test "what is not there, there already, or no name" {
	status_is 66 vmsnap none@x
	err_is 'vmsnap: none: no such VM; run: vmls'
	status_is 66 vmsnap --rollback a@x
	err_is 'vmsnap: a: it has no snapshot x; run: vmsnap -l a'
	status_is 66 vmsnap --delete a@x
	status_is 66 vmsnap -l none
	err_is 'vmsnap: none: no such VM; run: vmls'
	vmsnap a@x >/dev/null
	status_is 73 vmsnap a@x
	err_is 'vmsnap: a: it has a snapshot x already; run: vmsnap --delete a@x'
	for tag in '' 1 007 -x X x_y x.y 'x y' "$(printf 'x%.0s' {1..64})"; do
		status_is 64 vmsnap "a@$tag"
		err_has ' is no tag: '
	done
	status_is 0 vmsnap a@2026-11-23
	status_is 64 vmsnap --delete a@ b
	err_has 'vmsnap: b: no tag: a snapshot is NAME@TAG; run: vmsnap -l b'
	status_is 64 vmsnap --delete a
	status_is 64 vmsnap -l --delete a@x
	status_is 64 vmsnap ../a@x
}

@test "a VM that another command works on: 75, untouched" {
	vmsnap a@x >/dev/null
	before=$(snapshot)
	exec 9<>"$VMPIPE_ROOT/vms/a/lock"
	flock 9
	for what in a@y '--delete a@x' '--rollback a@x'; do
		# shellcheck disable=SC2086
		status_is 75 vmsnap $what
		err_is 'vmsnap: a: it runs, or another command works on it'
	done
	exec 9>&-
	[[ $(snapshot) == "$before" ]]
}

@test "a raw disk: 69, and what works instead" {
	vmclone --from box --mode copy c >/dev/null
	status_is 69 vmsnap c@x
	[[ $(field error.code) == raw_disk ]]
	err_is 'vmsnap: c: disk.raw is raw, and only a qcow2 disk holds snapshots: a copy of the whole VM can be made; run: vmclone --from c c-x'
	status_is 0 vmsnap -l c
	vmclone --from c c-x >/dev/null
}

@test "two disks: all or none" {
	add_data_disk
	vmsnap a@x >/dev/null
	[[ $(tags; tags "$data") == $'x\nx' ]]
	write 2; write 2 "$data"
	status_is 0 vmsnap --rollback a@x
	holds 1 "$data"
	status_is 0 vmsnap --delete a@x
	[[ $(tags; tags "$data") == '' ]]

	# the second refuses: the first does not keep it
	printf '\xff' | dd of="$data" bs=1 seek=55 conv=notrunc status=none
	status_is 70 vmsnap a@x
	err_has 'vmsnap: a: data.qcow2: qemu-img'
	[[ $(tags) == '' ]]
}

@test "a snapshot that only some disks have is shown, and made good" {
	add_data_disk
	qemu-img snapshot -c half "$disk"
	status_is 0 vmsnap -lHo name,state
	out_is $'a@half\tpartial'
	status_is 65 vmsnap --rollback a@half
	err_is 'vmsnap: a: only 1 of its 2 disks have the snapshot half; run: vmsnap --delete a@half'
	status_is 0 vmsnap a@half
	[[ $(tags; tags "$data") == $'half\nhalf' ]]
	qemu-img snapshot -d half "$disk"
	status_is 0 vmsnap --delete a@half
	[[ $(tags; tags "$data") == '' ]]
}

@test "what was applied to the disk goes back with it" {
	json=$VMPIPE_ROOT/vms/a/vm.json
	change() { jq -c "$1" "$json" >new && cat new >"$json"; }
	vmsnap a@bare >/dev/null
	change '.applied = {identity: "i", operations: [{mkdir: "/one"}]}'
	vmsnap a@one >/dev/null
	change '.applied.operations += [{mkdir: "/two"}]'
	status_is 0 vmsnap --rollback a@one
	[[ $(field 'applied.operations[].mkdir') == /one ]]
	[[ $(jq -c .applied "$json") == '{"identity":"i","operations":[{"mkdir":"/one"}]}' ]]
	status_is 0 vmsnap --rollback a@bare
	[[ $(field applied) == null ]]
	[[ $(jq -c .applied "$json") == null ]]
	# the others are still there, and go with their snapshots
	status_is 0 vmsnap --rollback a@one
	[[ $(jq -r '.applied.identity' "$json") == i ]]
	[[ $(stat -c %a "$VMPIPE_ROOT/vms/a/snapshot-one.json") == 600 ]]
	status_is 0 vmsnap --delete a@one a@bare
	[[ -z $(find "$VMPIPE_ROOT/vms/a" -name 'snapshot-*') ]]

	# one that qemu-img has made says nothing of it
	qemu-img snapshot -c foreign "$disk"
	status_is 0 vmsnap --rollback a@foreign
	[[ $(jq -r '.applied.identity' "$json") == i ]]
}

@test "a disk grown since has its old size again" {
	vmsnap a@small >/dev/null
	qemu-img resize -q "$disk" 2M
	status_is 0 vmsnap --rollback a@small
	[[ $(qemu-img info --output=json "$disk" | jq '."virtual-size"') == 1048576 ]]
	[[ $(field snapshot.size) == 1048576 ]]
	[[ $(jq '.disks[0].size' "$VMPIPE_ROOT/vms/a/vm.json") == 1048576 ]]
}

@test "a table of snapshots that makes no sense: 65, nothing is changed" {
	vmsnap a@x >/dev/null
	printf '\xff\xff' | dd of="$disk" bs=1 seek=60 conv=notrunc status=none
	before=$(snapshot)
	status_is 65 vmsnap a@y
	err_is 'vmsnap: a: disk.qcow2: qcow2: snapshot table: out of place'
	status_is 65 vmsnap -l
	err_is 'vmsnap: a: disk.qcow2: qcow2: snapshot table: out of place'
	[[ $(snapshot) == "$before" ]]
}

@test "names that a guest's owner made by hand are text, or refused" {
	qemu-img snapshot -c 'by hand; rm -rf' "$disk"
	status_is 0 vmsnap -lHo name a
	out_is 'a@by hand; rm -rf'
	qemu-img snapshot -c $'esc\e[2J' "$disk"
	status_is 65 vmsnap -l a
	err_is 'vmsnap: a: disk.qcow2: qcow2: snapshot table: a name that is no text'
}

@test "a copy of a VM has no snapshots" {
	write 1
	vmsnap a@x >/dev/null
	write 2
	status_is 0 vmclone --from a copy
	copy=$VMPIPE_ROOT/vms/copy/disk.qcow2
	holds 2 "$copy"
	[[ $(tags "$copy") == '' ]]
	qemu-img check -q "$copy"
	[[ $(tags) == x ]]
}

@test "the disk is full: 74, the VM as it was" {
	write 1
	vmsnap a@x >/dev/null
	before=$(snapshot)
	status_is 74 env VMPIPE_FAULT=fsync:1:ENOSPC vmsnap --rollback a@x
	[[ $(snapshot) == "$before" ]]
	no_litter
}

@test "a VM that never ran is not built again over its snapshots" {
	write 1
	vmsnap a@keep >/dev/null
	for command in 'vmclone --from box --size 2G' 'vmclone -n --from box --size 2G' \
	    'vmcustomize --hostname x' 'vmcustomize -n --hostname x'; do
		# shellcheck disable=SC2086
		status_is 73 $command a
		err_is "${command%% *}: a: it has never run and would be built again, but has 1 snapshot, which would be lost; run: vmsnap -lHo name a | vmsnap --delete"
		[ "$(field error.code)" = has_snapshots ]
	done
	[ "$(tags)" = keep ]
	holds 1

	status_is 0 vmclone --from box a
	[ "$(tags)" = keep ]
	vmsnap -lHo name a | vmsnap --delete >/dev/null
	status_is 0 vmclone --from box --size 2G a
	[ "$(field disks[0].size)" = 2147483648 ]
}
