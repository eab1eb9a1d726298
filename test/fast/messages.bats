# What is typed wrongly, or found broken: each message says what to type next.

load ../lib/common

# The VMs a and b of an image called base.
setup()
{
	fresh
	head -c 1M </dev/urandom >base.raw
	vmfetch -a base ./base.raw | vmclone a b >/dev/null
}

# edit NAME JQ: changes what is stored of a VM.
edit()
{
	local file=$VMPIPE_ROOT/vms/$1/vm.json

	jq -c "$2" "$file" >edited && cat edited >"$file"
}

@test "a directory of the system is no store; nobody is told to close it" {
	mkdir -m 1777 public
	status_is 77 vmls --root "$PWD/public"
	err_is "vmls: the store $PWD/public can be written by everybody; run: mkdir -m 750 '$PWD/public/vmpipe', and give that"
}

@test "a name without an image: told where images come from" {
	status_is 66 vmclone new </dev/null
	err_is 'vmclone: new: no image to clone: no records on standard input; run: vmclone --from ALIAS new'
	[ "$(jq -r .error.code <<<"$output")" = no_input ]
	status_is 64 vmclone --from base --name x new
	err_has 'the operands are the names: no --name with them'
	status_is 64 vmclone --from base --set memory=x new
	err_is 'vmclone: --set: memory: expected a size such as 512M, at least 16M, found "x"'
	status_is 64 vmclone --from base --name 'w-{{indx}}'
	err_is 'vmclone: --name: {{indx}}: unknown variable; did you mean {{index}}?'
	[ "$(ls "$VMPIPE_ROOT/vms")" = $'a\nb' ]
}

@test "no such VM is said alike, with the same status" {
	for command in vmdeploy vmstop vmrm vmcustomize vmssh vmconsole \
	    'vmconsole -l' vmdoctor; do
		# shellcheck disable=SC2086
		status_is 66 $command none
		err_is "${command%% *}: none: no such VM; run: vmls"
		# shellcheck disable=SC2086
		status_is 64 $command No
		err_has '"No" is no name'
	done
	status_is 66 vmdoctor -Ho subject,check,result none a
	out_has $'a\tdisks\tok'
	status_is 66 vmls none
	err_is 'vmls: none: no such VM; run: vmls -t vm'
	status_is 66 vmls -t image none
	err_is 'vmls: none: no such image; run: vmls -t image'
	status_is 66 vmrm --undo none
	err_is "vmrm: none: not in the trash; run: ls '$VMPIPE_ROOT/trash'"
	status_is 66 vmconsole --log a
	err_is 'vmconsole: a: has no log yet: it has never been started; run: vmdeploy a'
	status_is 69 vmssh a
	err_is 'vmssh: a: does not run; run: vmdeploy a'
}

@test "a damaged record can be moved away" {
	echo '{' >"$VMPIPE_ROOT/vms/a/vm.json"
	for command in vmls vmdeploy vmstop vmssh vmdoctor vmcustomize; do
		status_is 65 $command a
		err_has "$command: a: its record is damaged: a/vm.json: "
		err_has '; run: vmrm a'
	done
	status_is 0 vmrm a
}

@test "a record that is not ours to read is not damaged: 77" {
	((EUID != 0)) || skip 'expected: root may read everything'
	chmod 0 "$VMPIPE_ROOT/vms/b/vm.json"
	status_is 77 vmls b
	err_is 'vmls: b: b/vm.json: Permission denied'
}

@test "the system refuses: what, where, and where to look" {
	status_is 77 env VMPIPE_FAULT=rename:1:EACCES vmclone --from base new
	err_is 'vmclone: new: vms/new: Permission denied'
	status_is 77 env VMPIPE_FAULT=rename:1:EACCES vmrm a
	err_is 'vmrm: a: vms/a to trash/a.1: Permission denied'
	status_is 74 env VMPIPE_FAULT=write:1:ENOSPC vmclone --from base new
	err_has ': No space left on device; run: vmdoctor'
	((EUID != 0)) || return 0 # has a store of its own
	status_is 78 env -u VMPIPE_ROOT -u HOME vmls
	err_is 'vmls: no store: neither VMPIPE_ROOT nor HOME is a path; run: export VMPIPE_ROOT=DIR'
}

@test "vmstop -n: records, and words on stderr only" {
	exec 7>>"$VMPIPE_ROOT/vms/b/lock"
	flock 7
	status_is 0 vmstop -n -Ho name,planned a b
	out_is $'a\tnone\nb\tstop'
	err_is 'vmstop: b: would be stopped'
	status_is 0 vmstop -nq a
	[ "$(jq -r .planned <<<"$output")" = none ]
	err_is ''
}

@test "killed, removed, and brought back: stopped, not running" {
	edit a '.state = "running" | .started = true | .run.pid = 1'
	vmrm a >/dev/null
	status_is 0 vmrm --undo a
	[ "$(jq -c '[.state, .run.pid]' <<<"$output")" = '["stopped",null]' ]
}

@test "one ^C is one line, however many records it has stopped" {
	for name in a b; do
		echo "{\"vmpipe\":1,\"kind\":\"vm\",\"name\":\"$name\",\"state\":\"failed\",\"error\":{\"tool\":\"vmstop\",\"status\":130,\"code\":\"interrupted\",\"message\":\"stopped by a signal\",\"retryable\":false}}"
	done >stopped.json
	status_is 130 vmstop <stopped.json
	err_is 'vmstop: a: stopped by a signal'
	[ "${#lines[@]}" = 2 ]
}

@test "words that are none: the nearest, else all of them" {
	status_is 64 vmls -t xyz
	err_is 'vmls: xyz: no such type: vm, image, layer, volume, old'
	status_is 64 vmls -t images
	err_is 'vmls: images: no such type (did you mean image?)'
	status_is 64 vmls --state nosuch
	err_has 'nosuch: no such state: fetched, cloned, '
	status_is 64 vmls --format nosuch
	err_is 'vmls: nosuch: no such format: ssh-config, known-hosts, hosts, ansible'
	status_is 64 vmsched plann x.yaml
	err_is 'vmsched: plann: cannot do that (did you mean plan?); run: vmsched --help'
	status_is 64 vmsched plan a b
	err_is 'vmsched: wrong number of operands for: vmsched plan [--detailed-exitcode] [--prune] MANIFEST; run: vmsched --help'
}

@test "a name where a record is needed, and options for fields" {
	status_is 65 vmclone <<<new
	err_is "vmclone: new: a name, where an image's record is needed; run: vmclone --from ALIAS new"
	[ "$(jq -r .name <<<"$output")" = new ]
	status_is 64 vmclone --from base -o -n new
	err_is 'vmclone: -o: "-n" is no field; -o help lists them'
	[ "$(ls "$VMPIPE_ROOT/vms")" = $'a\nb' ]
	status_is 64 vmdoctor --repair
	err_is 'vmdoctor: --repair: name the VMs; run: vmdoctor --help'
}

@test "what is wrong with NAME@TAG is said of NAME" {
	status_is 66 vmsnap none@x
	err_is 'vmsnap: none: no such VM; run: vmls'
	[ "$(jq -r .name <<<"$output")" = none ]
	status_is 64 vmsnap a@Bad
	err_is 'vmsnap: a: "Bad" is no tag: lower-case letters, digits and dashes, not digits alone'
}

@test "a VM built again, and a file that is there: said with all it takes" {
	status_is 0 vmclone --from base -v --size 8M a
	err_is 'vmclone: a: built again'
	vmexport -q --keep-identity b b.qcow2 >/dev/null
	status_is 73 vmexport --keep-identity b b.qcow2
	err_is 'vmexport: b: b.qcow2: already there; run: vmexport --force --keep-identity b b.qcow2'
}
