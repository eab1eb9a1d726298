# vmrm: to the trash and back.  A VM that runs is stood in for by a process
# that holds its lock, as QEMU does; real ones are in test/vm.

load ../lib/common

setup()
{
	fresh
	"$top/test/lib/mkqcow2.pl" >box.qcow2
	vmfetch -a box ./box.qcow2 | vmclone a b | jq -c . >clones
}

# hold NAME: its lock is held until stop_servers, or until $holder is ended.
hold()
{
	local fifo=$BATS_TEST_TMPDIR/held

	mkfifo "$fifo" "$fifo.forever"
	(
		exec 9<>"$VMPIPE_ROOT/vms/$1/lock"
		flock 9
		echo >"$fifo"
		exec cat <>"$fifo.forever" >/dev/null 3>&- 4>&-
	) &
	holder=$!
	servers+=("$holder")
	read -r <"$fifo"
}

field() { jq -r ".$1" <<<"$output"; }

@test "to the trash and back, byte for byte" {
	before=$(cd "$VMPIPE_ROOT/vms" && snapshot_of a)
	status_is 0 vmrm a
	[ "$(field state)" = removed ]
	[ "$(field trash)" = a.1 ]
	err_is ''
	[ ! -e "$VMPIPE_ROOT/vms/a" ]
	[ "$before" = "$(cd "$VMPIPE_ROOT/trash" && snapshot_of a.1)" ]
	status_is 66 vmls -Ho name a
	status_is 0 vmrm --undo a
	[ "$(field state)" = cloned ]
	[ "$(field disks[0].path)" = "$VMPIPE_ROOT/vms/a/disk.qcow2" ]
	[ "$before" = "$(cd "$VMPIPE_ROOT/vms" && snapshot_of a)" ]
	no_litter
}

snapshot_of()
{
	(cd "$1" && find . -printf '%p %y %m %i %s %T@\n' | LC_ALL=C sort)
}

@test "names and records on stdin; failed records pass" {
	status_is 0 vmrm <clones
	[ "$(jq -r .state <<<"$output" | uniq)" = removed ]
	status_is 0 bash -c 'printf "%s\n" a b | vmrm --undo -o name,state -H'
	out_is $'a\tcloned\nb\tcloned'
	status_is 1 vmrm <<<'{"vmpipe":1,"kind":"vm","name":"a","state":"failed","error":{"tool":"vmdeploy","status":69,"code":"x","message":"y","retryable":true}}'
	[ "$(field error.tool)" = vmdeploy ]
	err_is ''
	[ -d "$VMPIPE_ROOT/vms/a" ]
	status_is 66 vmrm </dev/null
	status_is 0 vmrm -r </dev/null
}

@test "what is not there: 66; the others are removed" {
	status_is 66 vmrm none a
	[ "$(jq -r '[.name, .state, .error.code] | @tsv' <<<"$output")" = \
	    $'none\tfailed\tvm_not_found\na\tremoved\t' ]
	err_is 'vmrm: none: no such VM; run: vmls'
	status_is 66 vmrm --undo none
	err_has 'vmrm: none: not in the trash'
	status_is 64 vmrm --undo -f a
	status_is 66 vmrm --root "$PWD/nowhere" a
	[ ! -e nowhere ]
}

@test "a VM in use: 75, untouched, and the next command to type" {
	hold a
	before=$(snapshot)
	status_is 75 vmrm a
	err_is 'vmrm: a: it runs, or another command works on it; run: vmrm -f a, to stop it first'
	[ "$(field error.code)" = in_use ]
	[ "$(field error.retryable)" = true ]
	status_is 75 vmrm -n a
	[ "$before" = "$(snapshot)" ]
	kill "$holder"
	wait_for vmrm a
}

@test "-f asks vmstop to stop it, once for all" {
	hold a
	mkdir bin
	printf '%s\n' '#!/bin/sh' "kill $holder" \
	    "echo \"\$VMPIPE_ROOT \$*\" >>$PWD/calls" >bin/vmstop
	chmod +x bin/vmstop
	PATH=$PWD/bin:$PATH
	status_is 0 vmrm -fn a b
	err_is $'vmrm: a: would be stopped and removed\nvmrm: b: would be removed'
	[ "$(jq -r .planned <<<"$output" | uniq)" = remove ]
	[ ! -e calls ]
	[ -d "$VMPIPE_ROOT/vms/a" ]
	status_is 0 vmrm -f a b
	[ "$(<calls)" = "$VMPIPE_ROOT --force -- a" ]
	[ -d "$VMPIPE_ROOT/trash/a.1" ]
	[ -d "$VMPIPE_ROOT/trash/b.1" ]
}

@test "-f with the record of another VM of that name stops nothing: 73" {
	mkdir bin
	printf '%s\n' '#!/bin/sh' "echo \"\$*\" >>$PWD/calls" >bin/vmstop
	chmod +x bin/vmstop
	vmrm a >/dev/null
	vmclone --from box a >/dev/null
	hold a
	PATH=$PWD/bin:$PATH
	status_is 73 vmrm -f < <(head -1 clones)
	[ "$(field error.code)" = stale_record ]
	[ ! -e calls ]
	[ -d "$VMPIPE_ROOT/vms/a" ]
}

@test "-f, and vmstop fails: 69, untouched" {
	hold a
	mkdir bin
	printf '%s\n' '#!/bin/sh' 'echo "vmstop: a: stuck" >&2; exit 75' >bin/vmstop
	chmod +x bin/vmstop
	PATH=$PWD/bin:$PATH
	status_is 69 vmrm -f a
	err_is 'vmrm: a: cannot be stopped: vmstop: status 75: vmstop: a: stuck'
	[ -d "$VMPIPE_ROOT/vms/a" ]
}

@test "the name is taken: 73; the newest comes back" {
	status_is 0 vmrm a
	vmclone --from box a >/dev/null
	status_is 73 vmrm --undo a
	err_is 'vmrm: a: already in vms; run: vmrm a, and again'
	[ "$(field error.code)" = exists ]
	status_is 73 vmrm --undo -n a
	uuid=$(vmls --json a | jq -r .identity.uuid)
	status_is 0 vmrm a
	[ "$(field trash)" = a.2 ]
	status_is 0 vmrm --undo -n a
	err_is 'vmrm: a: would be brought back'
	[ ! -e "$VMPIPE_ROOT/vms/a" ]
	status_is 0 vmrm --undo a
	[ "$(field identity.uuid)" = "$uuid" ]
}

@test "the record of another VM of that name: 73" {
	vmrm a >/dev/null
	vmclone --from box a >/dev/null
	status_is 73 vmrm < <(head -1 clones)
	[ "$(field error.code)" = stale_record ]
	[ -d "$VMPIPE_ROOT/vms/a" ]
	status_is 65 vmrm <<<'{"vmpipe":1,"kind":"image","image":{"id":"x"}}'
	[ "$(field error.code)" = not_a_vm ]
}

@test "the record of what was removed brings that one back, or nothing" {
	vmrm a >first
	vmclone --from box a | vmrm >second
	status_is 0 vmrm --undo <first
	[ "$(field identity.uuid)" = "$(jq -r .identity.uuid first)" ]
	[ "$(ls "$VMPIPE_ROOT/trash")" = a.2 ]
	status_is 0 vmrm a
	status_is 0 vmrm --undo <second
	[ "$(field identity.uuid)" = "$(jq -r .identity.uuid second)" ]
	status_is 0 vmrm a

	# what it names is gone for good: no other VM comes instead
	rm -r "$VMPIPE_ROOT/trash/"a.*
	vmclone --from box a | vmrm >third
	status_is 73 vmrm --undo <second
	[ "$(field error.code)" = stale_record ]
	[ "$(ls "$VMPIPE_ROOT/trash")" = "$(jq -r .trash third)" ]
	[ ! -e "$VMPIPE_ROOT/vms/a" ]
}

@test "a damaged VM, and one of a newer vmpipe, can be removed" {
	: >"$VMPIPE_ROOT/vms/a/vm.json"
	sed -i 's/"vmpipe":1/"vmpipe":2/' "$VMPIPE_ROOT/vms/b/vm.json"
	status_is 65 vmclone --from a c
	status_is 0 vmrm a b
	[ -d "$VMPIPE_ROOT/trash/a.1" ]
	status_is 0 vmrm --undo a b
	grep -q '"vmpipe":2' "$VMPIPE_ROOT/vms/b/vm.json"
}

@test "an address that was given away meanwhile: a warning" {
	ip='[{"network":"private:x","address":"10.64.0.11/24","mac":"52:00:00:00:00:01"}]'
	for vm in a b; do
		jq -c ".identity.nics=$ip" "$VMPIPE_ROOT/vms/$vm/vm.json" >x
		cp x "$VMPIPE_ROOT/vms/$vm/vm.json"
	done
	vmrm a >/dev/null
	status_is 0 vmrm --undo a
	err_is 'vmrm: a: its address is now that of b as well: do not run both'
}

@test "no space in the trash, an fsync that fails: 74, nothing changed" {
	before=$(snapshot)
	for fault in rename:1:ENOSPC fsync_dir:1+:EIO; do
		status_is 74 env VMPIPE_FAULT=$fault vmrm a
		[ "$before" = "$(snapshot)" ]
	done
	status_is 0 vmrm a
	before=$(snapshot)
	status_is 74 env VMPIPE_FAULT=fsync_dir:1+:ENOSPC vmrm --undo a
	[ "$before" = "$(snapshot)" ]
	status_is 0 vmrm --undo a
}

@test "killed at each point: removed or not, never between" {
	for point in rename:1 fsync_dir:1 fsync_dir:2; do
		run env VMPIPE_FAULT=$point:kill vmrm a
		[ "$status" -eq 137 ]
		[ -d "$VMPIPE_ROOT/vms/a" ] || vmrm --undo a >/dev/null
		status_is 0 vmrm a
		status_is 0 vmrm --undo a
	done
	[ -z "$(ls "$VMPIPE_ROOT/trash")" ]
}
