#!/usr/bin/env bats
# vmcustomize without an appliance: what it decides, refuses and says.
load ../lib/common

setup()
{
	fresh
	# whoever starts an appliance here fails
	export LIBGUESTFS_BACKEND=direct LIBGUESTFS_HV=/bin/false
	truncate -s 1M disk.raw
	printf 'x' | dd of=disk.raw conv=notrunc status=none
	vmfetch -q -a img ./disk.raw >/dev/null
}

# edit NAME FILTER: the VM's vm.json through jq.
edit()
{
	jq -c "$2" "$VMPIPE_ROOT/vms/$1/vm.json" >edited
	cat edited >"$VMPIPE_ROOT/vms/$1/vm.json"
}

@test "usage: what an option says is checked before anything is opened" {
	status_is 64 vmcustomize --root /none --hostname '$(reboot)' box
	err_has '--hostname'
	status_is 64 vmcustomize --root /none --install '-o=x' box
	status_is 64 vmcustomize --root /none --write /etc/motd box
	err_has 'a colon and a second part are missing'
	status_is 64 vmcustomize --root /none --root-password plain box
	err_has 'password:TEXT, file:FILE'
	status_is 64 vmcustomize --root /none --chmod 999:/x box
	err_is 'vmcustomize: --chmod: chmod.mode: expected an octal mode such as 0644, found "999"'
	status_is 64 vmcustomize --timeout never box
	status_is 66 vmcustomize --root /none box
}

@test "-n says what would be done, in order, and touches nothing" {
	echo x >up
	vmclone --from img box >clone.json
	snapshot >before
	status_is 0 vmcustomize -n --upload up:/etc/up --mkdir /srv \
	    --root-password password:geheim box
	[[ $stderr =~ ^'vmcustomize: box: would be built again; layer '[0-9a-f]{12}'; shared: upload /etc/up, mkdir /srv, root_password; identity'$ ]]
	[[ $output != *geheim* ]]
	jq -e '.planned == "rebuild" and .state == "cloned"' <<<"$output"
	status_is 0 vmcustomize -n <clone.json
	err_is 'vmcustomize: box: would be built again; identity'
	snapshot | diff before -
}

@test "the layer's name: operations, their order and files, not their place" {
	layer()
	{
		vmcustomize -n "$@" box 2>&1 >/dev/null |
		    grep -o 'layer [0-9a-f]*'
	}

	mkdir d
	echo one >up
	echo one >d/up
	echo two >other
	vmclone --from img box >/dev/null
	[[ $(layer --upload up:/f) == "$(layer --upload d/up:/f)" ]]
	[[ $(layer --upload up:/f) != "$(layer --upload other:/f)" ]]
	[[ $(layer --upload up:/f) != "$(layer --upload up:/g)" ]]
	[[ $(layer --mkdir /a --mkdir /b) != "$(layer --mkdir /b --mkdir /a)" ]]
	[[ $(layer --mkdir /a) == "$(layer --mkdir /a)" ]]
}

@test "--next: the VM's next directory, not the VM, which may run" {
	vmclone --from img a >clone.json
	status_is 66 vmcustomize --next a
	err_is 'vmcustomize: a: no upgrade of it is under way; run: vmupgrade a'
	cp -a "$VMPIPE_ROOT/vms/a" "$VMPIPE_ROOT/old/a.1"
	jq -c '.upgrade = {from: "img@1"} |
	    .applied.operations = [{mkdir: "/srv"}]' \
	    "$VMPIPE_ROOT/vms/a/vm.json" >"$VMPIPE_ROOT/old/a.1/vm.json"
	edit a '.started = true | .state = "running"'
	exec 8<>"$VMPIPE_ROOT/vms/a/lock"
	flock 8
	snapshot >before
	status_is 0 vmcustomize -n --next a
	err_has "shared: mkdir; identity"
	snapshot | diff before -
	status_is 69 vmcustomize --next a
	jq -e '.error.code == "no_appliance" and .name == "a"' <<<"$output"
	no_litter
	exec 9<>"$VMPIPE_ROOT/locks/next-a"
	flock 9
	status_is 75 vmcustomize --next a
}

@test "records: others' failures pass, images are refused, stale ones too" {
	vmclone --from img a b >clones.json
	printf '%s\n' '{"vmpipe":1,"kind":"vm","name":"z","state":"failed","error":{"tool":"vmclone","status":74,"code":"no_space","message":"m","retryable":false}}' >failed.json
	status_is 1 vmcustomize <failed.json
	out_is "$(<failed.json)"
	status_is 65 vmcustomize <<<'{"vmpipe":1,"kind":"image","image":{"id":"x"},"spec":{}}'
	err_has 'not of a VM; run: vmclone'
	jq -c 'select(.name == "a") | .identity.uuid = "x"' clones.json >stale.json
	status_is 73 vmcustomize <stale.json
	jq -e '.error.code == "stale_record"' <<<"$output"
	status_is 66 vmcustomize nobody
	err_has 'nobody'
	status_is 66 vmcustomize </dev/null
	status_is 0 vmcustomize -r </dev/null
}

@test "a spec edited on the way is checked; what is not in the store is told" {
	vmclone --from img box >clone.json
	jq -c '.spec.customize = [{"reboot": true}]' clone.json \
	    >edited.json
	status_is 65 vmcustomize <edited.json
	err_has 'spec.customize.0'
	jq -c '.spec.instance = [{"write": {"path": "etc/x", "content": ""}}]' \
	   clone.json >edited.json
	status_is 65 vmcustomize <edited.json
	err_has 'spec.instance.0.write.path'
	jq -c '.spec.instance = [{"write": {"path": "/x", "content": "{{nam}}"}}]' \
	   clone.json >edited.json
	status_is 65 vmcustomize <edited.json
	jq -e '.error.code == "bad_variable"' <<<"$output"
	jq -c '.spec.customize = [{"upload": {"path": "/x", "source": "f"}}]' \
	   clone.json >edited.json
	status_is 66 vmcustomize <edited.json
	jq -e '.error.code == "file_not_found"' <<<"$output"
	status_is 66 vmcustomize --ssh-inject root box
	err_has 'run: ssh-keygen -t ed25519'
	jq -e '.state == "cloned"' "$VMPIPE_ROOT/vms/box/vm.json"
	no_litter
}

@test "a disk that has run: drift, unless by hand; its copy gets an identity" {
	vmclone --from img box >/dev/null
	edit box '.started = true | .state = "stopped" |
	    .applied.customize = "x" | .applied.identity = "y"'
	vmls --json box | jq -c '.spec.instance =
	    [{"write":{"path":"/x","content":"{{roles.db.address}}"}}]' >in.json
	snapshot >before
	status_is 0 vmcustomize <in.json
	jq -e '.drift == ["customize", "instance"] and .state == "stopped"' \
	    <<<"$output"
	snapshot | diff before -
	status_is 0 vmcustomize -n --mkdir /x box
	err_is 'vmcustomize: box: would be changed in place; its own: mkdir /x'
	edit box '.applied.operations = [{"mkdir":{"path":"/x"}}]'
	status_is 0 vmcustomize --mkdir /x box
	out_has '"state":"stopped"'
	status_is 0 vmcustomize -n --mkdir /x --mkdir /y box
	err_has 'its own: mkdir /x, mkdir /y'
	vmclone --from box copy >/dev/null
	status_is 0 vmcustomize -n copy
	err_is 'vmcustomize: copy: would be changed in place; identity'
}

@test "in use: 75, and only when there is something to do" {
	vmclone --from img box >/dev/null
	flock "$VMPIPE_ROOT/vms/box/lock" bash -c \
	    'vmcustomize box >out.json 2>err.txt; echo $? >status
	    vmcustomize -n box >/dev/null 2>&1; echo $? >>status'
	[[ $(tr '\n' ' ' <status) == '75 0 ' ]]
	grep -q 'run: vmstop box' err.txt
	jq -e '.error.code == "in_use"' out.json
}

@test "no appliance: 69, the VM as it was, nothing left behind" {
	vmclone --from img a b >clones.json
	snapshot -path './vms*' >before
	status_is 69 vmcustomize --mkdir /x <clones.json
	jq -s -e 'all(.error.code == "no_appliance" and .error.retryable)' \
	    <<<"$output"
	snapshot -path './vms*' | diff before -
	[[ -z $(ls "$VMPIPE_ROOT/layers") ]]
	no_litter
}
