#!/usr/bin/env bats
# vmupgrade without guests: vmcustomize, vmdeploy and vmstop are stood in for
# by scripts beside a copy of it; a VM that runs is a process with its lock.
load ../lib/common

setup()
{
	fresh
	mkdir bin
	cp "$VMPIPE_BUILD/bin/vmupgrade" bin
	stand_in vmcustomize '
		[ ! -e fail-customize ] || fail 65 guest_command "exit status 1"
		change ".state = \"customized\" |
		    .applied.identity = \"x\" | .applied.by += 1"'
	stand_in vmdeploy '
		if [ -e fail-deploy ] && [ "$(jq .image.generation $json)" = 2 ]
		then
			started >/dev/null
			fail 75 not_ready "not ready"
		fi
		started'
	stand_in vmstop '
		kill "$(cat "$name.pid")"
		until flock -n "$dir/lock" true; do :; done
		change ".state = \"stopped\" | .stopped_by = \"acpi\""'
	PATH=$PWD/bin:$PATH
	image 1
}

teardown()
{
	local file

	for file in *.pid; do
		[[ ! -e $file ]] || kill "$(<"$file")" || :
	done 2>/dev/null
	stop_servers
}

# stand_in COMMAND SCRIPT: it runs with the VM's name in $name.
stand_in()
{
	cat >"bin/$1" <<-END
		#!/bin/bash
		cd "$PWD"; name=\${!#}; dir=\$VMPIPE_ROOT/vms/\$name
		tool=$1
		[ \$tool != vmcustomize ] ||
		    dir=\$(ls -d "\$VMPIPE_ROOT/old/\$name".* | sort -V | tail -1)
		json=\$dir/vm.json
		echo "$1 \${*:3}" >>calls
		change()
		{
			jq -c "\$1" "\$json" >"\$name.new" &&
			    cat "\$name.new" >"\$json"
			jq -c 'del(.private)' "\$json"
		}
		started()
		{
			change '.state = "ready" | .started = true |
			    del(.stopped_by)'
			(exec 9<>"\$dir/lock" && flock 9 &&
			    exec tail -f /dev/null >/dev/null 2>&1 3>&- 4>&-) &
			echo \$! >"\$name.pid"
			while flock -n "\$dir/lock" true; do :; done
		}
		fail()
		{
			echo "\$tool: \$name: \$3" >&2
			jq -c --arg tool \$tool --argjson status \$1 --arg code \$2 \\
			    --arg message "\$3" 'del(.private) |
			    .state = "failed" | .error = {\$tool, \$status, \$code,
			    \$message, retryable: false}' "\$json"
			exit \$1
		}
		$2
	END
	chmod +x "bin/$1"
}

# A new generation of the image img.
image()
{
	truncate -s 1M disk.raw
	printf 'generation %s' "$1" | dd of=disk.raw conv=notrunc status=none
	vmfetch --refresh -q -a img ./disk.raw >/dev/null
}

edit()
{
	jq -c "$2" "$VMPIPE_ROOT/vms/$1/vm.json" >edited
	cat edited >"$VMPIPE_ROOT/vms/$1/vm.json"
}

# box, which has run on the first generation, and a second generation.
behind()
{
	vmclone --from img box >/dev/null
	edit box '.started = true | .state = "stopped" | .stopped_by = "acpi" |
	    .applied = {customize: "c", instance: "i", identity: "n",
	    operations: [{mkdir: "/srv"}]}'
	printf 'what the guest wrote' |
	    dd of="$VMPIPE_ROOT/vms/box/disk.qcow2" bs=1k seek=900 status=none
	image 2
}

run_box() { behind; "$PWD/bin/vmdeploy" --root "$VMPIPE_ROOT" box >/dev/null; : >calls; }
stored() { jq -r "$1" "$VMPIPE_ROOT/vms/box/vm.json"; }
old() { jq -r "$1" "$VMPIPE_ROOT/old/box.$2/vm.json"; }
stands() { flock -n "$VMPIPE_ROOT/vms/box/lock" true; }
runs() { ! stands; }
in_old() { (cd "$VMPIPE_ROOT/old" && echo *); }

@test "a newer generation: built anew, itself as before, the old disk kept" {
	behind
	cp "$VMPIPE_ROOT/vms/box/vm.json" before.json
	sum=$(sha256sum <"$VMPIPE_ROOT/vms/box/disk.qcow2")
	status_is 0 vmupgrade box
	err_is ''
	[ "$(<calls)" = 'vmcustomize --next -- box' ]
	[ "$(jq -c '[.image.generation, .state, .drift]' <<<"$output")" = '[2,"customized",[]]' ]
	[[ $output != *private* ]]
	for member in .identity.uuid .identity.nics .identity.machine_id \
	    .identity.instance_id .identity.ssh_host_keys \
	    .private.ssh_host_keys .applied.operations .spec .run; do
		diff <(jq -c "$member" before.json) \
		    <(jq -c "$member" "$VMPIPE_ROOT/vms/box/vm.json")
	done
	[ "$(stored .identity.generation_id)" != "$(jq -r .identity.generation_id before.json)" ]
	[ "$(stored .private.random_seed)" != "$(jq -r .private.random_seed before.json)" ]
	[ "$(stored '.started, .upgrade, .applied.customize' | uniq)" = null ]
	cmp before.json "$VMPIPE_ROOT/old/box.1/vm.json"
	[ "$sum" = "$(sha256sum <"$VMPIPE_ROOT/old/box.1/disk.qcow2")" ]
	[ "$VMPIPE_ROOT/old/box.1/lock" -ef "$VMPIPE_ROOT/vms/box/lock" ]
	qemu-img check -q "$VMPIPE_ROOT/vms/box/disk.qcow2"
	[ "$(vmls -Ho drift box)" = - ]
	no_litter
	status_is 0 vmupgrade box
	err_is 'vmupgrade: box: is up to date'
	[ "$(ls "$VMPIPE_ROOT/old")" = box.1 ]
}

@test "one that runs: made first, then stopped, exchanged, started" {
	run_box
	status_is 0 vmupgrade -t 90s box
	[ "$(<calls)" = $'vmcustomize --next -- box\nvmstop -- box\nvmdeploy --timeout 90000ms -- box' ]
	[ "$(stored '.image.generation, .state' | xargs)" = '2 ready' ]
	runs
	jq -e '.timing_ms.upgrade >= .timing_ms.down and .timing_ms.down >= 0' \
	    <<<"$output"
	: >calls
	image 3
	status_is 0 vmupgrade --no-start -q box
	[ "$(<calls)" = $'vmcustomize -q --next -- box\nvmstop -q -- box' ]
	stands
	[ "$(in_old)" = 'box.1 box.2' ]
}

@test "--rollback exchanges the two, and again; vmgc --old ends that" {
	run_box
	vmupgrade box >/dev/null
	id=$(old .identity.generation_id 1)
	status_is 0 vmupgrade -n --rollback box
	err_is 'vmupgrade: box: would go back to box.1, img@1'
	jq -e '.planned == "rollback"' <<<"$output"
	status_is 0 vmupgrade --rollback box
	err_is ''
	[ "$(stored '.image.generation, .state' | xargs)" = '1 ready' ]
	[ "$(old .image.generation 1)" = 2 ]
	[ "$(stored .identity.generation_id)" != "$id" ]
	grep -q 'what the guest wrote' "$VMPIPE_ROOT/vms/box/disk.qcow2"
	runs
	[ "$(vmls -Ho drift box)" = image ]
	status_is 0 vmupgrade --rollback --no-start box
	[ "$(stored '.image.generation, .state' | xargs)" = '2 stopped' ]
	stands
	status_is 0 vmupgrade --rollback --to box.1 box
	status_is 66 vmupgrade --rollback --to box.2 box
	err_is 'vmupgrade: box: box.2: no disk of this VM that an upgrade has replaced; run: vmls -t old'
	vmgc --old >/dev/null
	status_is 66 vmupgrade --rollback box
	[ "$(jq -r .error.code <<<"$output")" = old_not_found ]
	[ "$(stored .image.generation)" = 1 ]
}

@test "customising fails: nothing was touched, it never stopped" {
	run_box
	: >fail-customize
	snapshot ! -path './locks*' ! -path ./old ! -path ./tmp >before
	status_is 65 vmupgrade box
	err_is $'vmcustomize: box: exit status 1\nvmupgrade: box: not upgraded, nothing was changed: exit status 1'
	[ "$(jq -r '.error.tool + " " + .error.code' <<<"$output")" = 'vmupgrade guest_command' ]
	snapshot ! -path './locks*' ! -path ./old ! -path ./tmp | diff before -
	[ "$(<calls)" = 'vmcustomize --next -- box' ]
	runs
	rm fail-customize
	status_is 0 vmupgrade box
	[ "$(stored '.image.generation, .state' | xargs)" = '2 ready' ]
}

@test "it does not get ready: stopped, and the old disk runs again" {
	run_box
	: >fail-deploy
	status_is 75 vmupgrade box
	err_has "vmupgrade: box: not upgraded, the old disk runs again: not ready; run: less '$VMPIPE_ROOT/trash/box.1.1/console.log'"
	[ -e "$VMPIPE_ROOT/trash/box.1.1/vm.json" ]
	[ "$(jq -r .error.code <<<"$output")" = not_ready ]
	[ "$(stored '.image.generation, .state' | xargs)" = '1 ready' ]
	grep -q -- '--force -- box' calls
	runs
	[ -z "$(ls "$VMPIPE_ROOT/old")" ]
}

@test "no space, an fsync that fails: what ran runs again, nothing changed" {
	run_box
	VMPIPE_FAULT=write:1:ENOSPC status_is 74 vmupgrade box
	err_has 'vmupgrade: box: not upgraded'
	runs
	[ "$(stored '.image.generation, .state' | xargs)" = '1 ready' ]
	[ -z "$(ls "$VMPIPE_ROOT/old")" ]
	VMPIPE_FAULT=fsync_dir:2+:EIO status_is 74 vmupgrade box
	[ "$(stored .image.generation)" = 1 ]
	runs
	no_litter
}

@test "killed while it is made: the VM runs on, the rest goes with the next try" {
	run_box
	cp bin/vmcustomize whole
	stand_in vmcustomize 'kill -9 $PPID; exit 1'
	status_is 137 vmupgrade box
	runs
	[ "$(stored '.image.generation, .state' | xargs)" = '1 ready' ]
	[ "$(vmls -t old -Ho name,state)" = $'box.1\tunfinished' ]
	status_is 66 vmupgrade --rollback box
	cp whole bin/vmcustomize
	status_is 0 vmupgrade box
	[ "$(vmls -t old -Ho name,state)" = $'box.1\tstopped' ]
	[ "$(stored .image.generation)" = 2 ]
	no_litter
}

@test "told to stop: while it is made nothing has changed, later it goes on" {
	run_box
	cp bin/vmcustomize whole
	stand_in vmcustomize 'kill -TERM $PPID; exec tail -f /dev/null'
	status_is 143 vmupgrade box
	runs
	[ "$(stored '.image.generation, .state' | xargs)" = '1 ready' ]
	[ -z "$(ls "$VMPIPE_ROOT/old")" ]
	no_litter
	cp whole bin/vmcustomize
	stand_in vmdeploy 'started >/dev/null; kill -TERM $PPID
	    exec tail -f /dev/null'
	status_is 143 vmupgrade box
	err_has 'run: vmupgrade box, or vmupgrade --rollback box'
	runs
	[ "$(stored .image.generation)" = 2 ]
	[ "$(old .image.generation 1)" = 1 ]
	status_is 0 vmupgrade box
	err_is 'vmupgrade: box: is up to date'
}

@test "killed after the exchange: run again it goes on, or goes back" {
	run_box
	cp bin/vmdeploy whole
	stand_in vmdeploy 'kill -9 $PPID; exit 1'
	status_is 137 vmupgrade box
	[ "$(stored '.image.generation, .state, .upgrade.running' | xargs)" = '2 customized true' ]
	[ "$(old .image.generation 1)" = 1 ]
	cp whole bin/vmdeploy
	status_is 0 vmupgrade -n box
	err_is 'vmupgrade: box: its upgrade would be finished'
	: >calls
	cp -a "$VMPIPE_ROOT" saved
	status_is 0 vmupgrade box
	[ "$(<calls)" = 'vmdeploy -- box' ]
	[ "$(stored '.image.generation, .state' | xargs)" = '2 ready' ]
	kill "$(<box.pid)"
	rm -r "$VMPIPE_ROOT" && mv saved "$VMPIPE_ROOT"
	status_is 0 vmupgrade --rollback box
	[ "$(stored '.image.generation, .state' | xargs)" = '1 ready' ]
	[ -z "$(ls "$VMPIPE_ROOT/old")" ]
	runs
}

@test "changed while it was made: not exchanged, it runs as it is now" {
	run_box
	stand_in vmcustomize 'change ".state = \"customized\""
	    jq -c ".applied.operations += [{mkdir: \"/x\"}]" \
	    "$VMPIPE_ROOT/vms/box/vm.json" >new && cat new >"$VMPIPE_ROOT/vms/box/vm.json"'
	status_is 75 vmupgrade box
	err_has 'not upgraded: changed by another command just now (applied)'
	[ "$(stored '.image.generation, .state' | xargs)" = '1 ready' ]
	runs
	[ -z "$(ls "$VMPIPE_ROOT/old")" ]
}

@test "-n says what would be done; --to, --force; nothing is touched" {
	run_box
	edit box '.spec.customize = [{install: ["nginx"]}, {run_command: "x"}]'
	snapshot >before
	status_is 0 vmupgrade -n box
	err_is 'vmupgrade: box: would be stopped, upgraded from img@1 to img@2; customize: install, run_command; by hand: mkdir; and started again'
	jq -e '.planned == "upgrade" and .state == "ready"' <<<"$output"
	status_is 0 vmupgrade -n --no-start --to img@2 box
	err_is 'vmupgrade: box: would be stopped, upgraded from img@1 to img@2; customize: install, run_command; by hand: mkdir'
	status_is 66 vmupgrade -n --to none box
	status_is 64 vmupgrade --rollback --force box
	snapshot | diff before -
	edit box 'del(.spec.customize, .applied)'
	status_is 0 vmupgrade --to img@1 box
	err_is 'vmupgrade: box: is up to date'
	[ ! -s calls ]
	status_is 0 vmupgrade --force --to img@1 box
	[ "$(stored .image.generation)" = 1 ]
	[ "$(ls "$VMPIPE_ROOT/old")" = box.1 ]
}

@test "a role that asks for more: customize: and instance: alone are due" {
	behind
	vmfetch -q img@1 >/dev/null
	jq -c 'del(.private)' "$VMPIPE_ROOT/vms/box/vm.json" >box.json
	edit box '.applied.customize = ""' # as of another role
	jq -c '.spec.memory = "2G" | del(.disks)' box.json >wish.json
	status_is 0 vmupgrade <wish.json
	[ "$(stored .spec.memory)" = 2G ]
	[ "$(old .spec.memory 1)" != 2G ]
}

@test "addresses stay, what the role adds gets its own, unlike any other" {
	cat >shop.yaml <<-'END'
		vmpipe: 1
		service: shop
		roles:
		  web:
		    image: {source: img}
		    networks: [{private: a}]
	END
	vmfetch -q -f shop.yaml | vmclone -c 2 >clones.json
	for vm in shop-web-1 shop-web-2; do
		edit $vm '.started = true | .state = "stopped"'
	done
	image 2
	sed -i 's/{private: a}/{private: a}, {private: b}/' shop.yaml
	vmfetch -q -f shop.yaml | vmclone -c 2 >behind.json
	[ "$(jq -c .drift behind.json | uniq)" = '["image","machine"]' ]
	status_is 0 vmupgrade <behind.json
	nics() { jq -s -c "[.[].identity.nics[] | select(.network == \"private:shop/$1\" or .network == \"private:$1\") | $2]" "${@:3}"; }
	echo "$output" >now.json
	diff <(nics a '.mac, .address' clones.json) <(nics a '.mac, .address' now.json)
	nics b .address now.json | jq -e 'length == 2 and .[0] != .[1]'
	[ "$(jq -r '[.index, .image.generation, .role] | join(" ")' now.json)" = $'1 2 web\n2 2 web' ]
	vmfetch -q -f shop.yaml | vmclone -c 2 >again.json
	[ "$(jq -c .drift again.json | uniq)" = '[]' ]
}

@test "volumes and data disks are the same ones, new ones are made" {
	vmclone --from img --set 'volumes=[{name: data, size: 8M}]' \
	    --set 'disks=[{name: more, size: 4M}, {name: less, size: 4M}]' \
	    box >clone.json
	edit box '.started = true | .state = "stopped"'
	image 2
	jq -c 'del(.disks) | .spec.disks[1].name = "extra" |
	    .spec.volumes[0].size = "16M"' clone.json >wish.json
	inode() { stat -c %i "$VMPIPE_ROOT/vms/box/$1"; }
	data=$(inode volume-data.raw) more=$(inode more.qcow2)
	status_is 0 vmupgrade <wish.json
	[ "$(stored '.disks[] | .name // "-"' | xargs)" = '- more extra data' ]
	[ "$data $more" = "$(inode volume-data.raw) $(inode more.qcow2)" ]
	[ "$VMPIPE_ROOT/volumes/box-data/disk.raw" -ef "$VMPIPE_ROOT/vms/box/volume-data.raw" ]
	[ "$(stat -c %s "$VMPIPE_ROOT/vms/box/volume-data.raw")" = 16777216 ]
	[ ! -e "$VMPIPE_ROOT/vms/box/less.qcow2" ]
	qemu-img check -q "$VMPIPE_ROOT/vms/box/extra.qcow2"
	status_is 0 vmupgrade --rollback box
	[ "$(stored '.disks[] | .name // "-"' | xargs)" = '- more less data' ]
	[ "$more" = "$(inode more.qcow2)" ]
	vmgc --old >/dev/null
	[ "$VMPIPE_ROOT/volumes/box-data/disk.raw" -ef "$VMPIPE_ROOT/vms/box/volume-data.raw" ]
	no_litter
}

@test "a snapshot of the old disk keeps its half on a data disk" {
	requires qemu-img qemu-io
	vmclone --from img --set 'disks=[{name: more, size: 4M}]' box >clone.json
	edit box '.started = true | .state = "stopped"'
	image 2
	more=$VMPIPE_ROOT/vms/box/more.qcow2
	qemu-io -f qcow2 -c 'write -q -P 1 0 64k' "$more"
	vmsnap box@before >/dev/null
	qemu-io -f qcow2 -c 'write -q -P 2 0 64k' "$more"
	vmupgrade box >/dev/null
	for options in '' -n --rollback; do
		status_is 73 vmsnap $options box@before
		err_has 'take another tag; run: vmupgrade --rollback box'
	done
	status_is 0 vmsnap box@after
	status_is 0 vmupgrade --rollback box
	status_is 73 vmsnap --rollback box@after
	status_is 0 vmsnap --rollback box@before
	qemu-io -f qcow2 -c 'read -q -P 1 0 64k' "$more"
}

@test "a volume that is lost or another one is not replaced by an empty one" {
	vmclone --from img --set 'volumes=[{name: data, size: 8M}]' box >/dev/null
	edit box '.started = true | .state = "stopped"'
	image 2
	echo precious |
	    dd of="$VMPIPE_ROOT/vms/box/volume-data.raw" conv=notrunc status=none
	rm -r "$VMPIPE_ROOT/volumes/box-data"
	status_is 65 vmupgrade box
	err_has 'volume box-data: not in the store; run: vmdoctor --repair box'
	[ ! -e "$VMPIPE_ROOT/volumes/box-data" ]
	status_is 0 vmdoctor --repair box
	status_is 0 vmupgrade box
	grep -q precious "$VMPIPE_ROOT/vms/box/volume-data.raw"
	image 3
	cp "$VMPIPE_ROOT/vms/box/volume-data.raw" another
	mv another "$VMPIPE_ROOT/volumes/box-data/disk.raw"
	status_is 65 vmupgrade box
	err_has 'is another file'
}

@test "a rollback that fails once the VM is stopped starts it again" {
	run_box
	vmupgrade box >/dev/null
	runs
	exec 9<"$VMPIPE_ROOT/old/box.1"
	flock 9
	status_is 75 vmupgrade --rollback box
	err_has 'not changed back: old/box.1: another command works on it'
	exec 9<&-
	runs
	[ "$(stored .image.generation)" = 2 ]
	status_is 0 vmupgrade --rollback box
	[ "$(stored .image.generation)" = 1 ]
}

@test "a raw clone stays one" {
	vmclone --from img --mode copy box >/dev/null
	edit box '.started = true | .state = "stopped"'
	image 2
	status_is 0 vmupgrade box
	[ "$(stored '.disks[0] | .path, .mode' | xargs)" = 'disk.raw copy' ]
	cmp disk.raw "$VMPIPE_ROOT/vms/box/disk.raw"
	run -1 cmp -s disk.raw "$VMPIPE_ROOT/old/box.1/disk.raw"
	status_is 0 vmupgrade --rollback box
	run -1 cmp -s disk.raw "$VMPIPE_ROOT/vms/box/disk.raw"
}

@test "what is not there, busy or another's" {
	behind
	status_is 66 vmupgrade none
	status_is 65 vmupgrade <<<'{"vmpipe":1,"kind":"image","image":{"id":"x"},"spec":{}}'
	err_has 'not the record of a VM; run: vmclone'
	jq -c 'del(.private) | .identity.uuid = "x"' \
	    "$VMPIPE_ROOT/vms/box/vm.json" >other.json
	status_is 73 vmupgrade <other.json
	failed='{"vmpipe":1,"kind":"vm","name":"z","state":"failed","error":{"tool":"vmclone","status":74,"code":"x","message":"m","retryable":false}}'
	status_is 1 vmupgrade <<<"$failed"
	out_is "$failed"
	exec 8<>"$VMPIPE_ROOT/locks/upgrade-box"
	flock 8
	status_is 75 vmupgrade box
	err_has 'another vmupgrade'
	exec 8>&-
	[ "$(stored .image.generation)" = 1 ]
	vmclone --from img@1 --ephemeral once >/dev/null
	status_is 64 vmupgrade once
	err_has 'it is there for one run'
}

@test "the old disk of another VM of that name is none to go back to" {
	behind
	vmupgrade box >/dev/null
	vmrm box >/dev/null
	vmclone --from img box >/dev/null
	status_is 66 vmupgrade --rollback box
	vmrm box >/dev/null
	rm -r "$VMPIPE_ROOT/trash/box.2"
	vmrm --undo box >/dev/null
	status_is 0 vmupgrade --rollback box
	[ "$(stored .image.generation)" = 1 ]
}
