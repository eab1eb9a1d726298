#!/usr/bin/env bats
# vmupgrade on real guests: two generations of the tiny one, which says on port
# 7777 which it is.
load ../lib/common
load ../lib/vm

setup()
{
	fresh
	export LIBGUESTFS_BACKEND=direct
}

# generation N: the tiny guest says genN (of the same length as tiny).
generation()
{
	requires "$VMPIPE_GUESTS/tiny.qcow2"
	qemu-img convert -O raw "$VMPIPE_GUESTS/tiny.qcow2" tiny.raw
	perl -0777 -i -pe 's/echo "tiny \$\(hostname\)/echo "gen'"$1"' \$(hostname)/ == 1
	    or die "no greeting"' tiny.raw
	vmfetch --refresh -q -a tiny ./tiny.raw >/dev/null
}

# clones [--set KEY=VALUE]... NAME...: of the generation there is.
clones()
{
	vmclone --from tiny --set memory=128M \
	    --set 'ready={tcp: {port: 7777, expect: ready}}' "$@"
}

stored() { jq -r "$2" "$VMPIPE_ROOT/vms/$1/vm.json"; }
runs() { ! gone "$(stored "$1" .run.pid)"; }

# greeting VM: all it says.
greeting()
{
	local port talk

	port=$(stored "$1" '.run.forwards[] | select(.guest == 7777).host')
	exec {talk}<>"/dev/tcp/127.0.0.1/$port"
	cat <&"$talk"
	exec {talk}>&-
}

@test "upgraded while it runs: the new generation, itself, what was done by hand" {
	generation 1
	clones box | vmcustomize \
	    --append-line '/etc/init.d/greet:echo by hand' \
	    --append-line '/etc/init.d/greet:cat /etc/machine-id' | vmdeploy >/dev/null
	machine=$(stored box .identity.machine_id)
	greeting box >said
	[ "$(<said)" = $'gen1 box ready\nby hand\n'"$machine" ]
	cp "$VMPIPE_ROOT/vms/box/vm.json" before.json
	generation 2
	[ "$(vmls -Ho drift box)" = image ]

	status_is 0 vmupgrade box
	[ "$(jq -c '[.image.generation, .state, .drift]' <<<"$output")" = '[2,"ready",[]]' ]
	echo "# down for $(jq .timing_ms.down <<<"$output") of $(jq .timing_ms.upgrade <<<"$output") ms" >&3
	[ "$(greeting box)" = $'gen2 box ready\nby hand\n'"$machine" ]
	for member in .identity.uuid .identity.nics .identity.ssh_host_keys \
	    .private.ssh_host_keys .run.forwards .run.machine \
	    .applied.operations; do
		diff <(jq -S "$member" before.json) \
		    <(jq -S "$member" "$VMPIPE_ROOT/vms/box/vm.json")
	done
	[ "$(vmls -Ho drift box)" = - ]
	[ "$(vmls -t old -Ho name,vm,image.generation)" = $'box.1\tbox\t1' ]
	no_litter

	status_is 0 vmupgrade --rollback box
	[ "$(greeting box)" = "$(<said)" ]
	[ "$(vmls -t old -Ho image.generation)" = 2 ]
	status_is 0 vmupgrade --rollback --no-start box
	flock -n "$VMPIPE_ROOT/vms/box/lock" true
	status_is 0 vmgc --old
	[ -z "$(ls "$VMPIPE_ROOT/old")" ]
	status_is 66 vmupgrade --rollback box
	status_is 0 vmdeploy box
	[[ $(greeting box) == 'gen2 box ready'* ]]
}

@test "what fails on the new generation: it never stops, or is back" {
	generation 1
	clones hand | vmcustomize --run-command 'grep -q gen1 /etc/init.d/greet' |
	    vmdeploy >/dev/null
	clones --set 'instance=[{run_command: "grep -q gen1 /etc/init.d/greet"}]' \
	    role | vmcustomize | vmdeploy >/dev/null
	pids="$(stored hand .run.pid) $(stored role .run.pid)"
	generation 2

	status_is 65 vmupgrade hand role
	err_has 'vmupgrade: hand: not upgraded, nothing was changed: '
	err_has 'vmupgrade: role: not upgraded, nothing was changed: '
	[ "$(jq -r .error.code <<<"$output" | uniq)" = guest_command ]
	[ "$(stored hand .run.pid) $(stored role .run.pid)" = "$pids" ]

	# this one comes up, and does not say what it is to say
	jq -c '.spec |= (del(.instance) | .ready.tcp.expect = "gen1")' \
	    "$VMPIPE_ROOT/vms/role/vm.json" >edited
	status_is 75 vmupgrade -t 30s <edited
	err_has 'vmupgrade: role: not upgraded, the old disk runs again: not ready'
	grep -q . "$VMPIPE_ROOT/trash/role.1.1/console.log"
	for vm in hand role; do
		runs $vm
		[ "$(greeting $vm)" = "gen1 $vm ready" ]
		[ "$(stored $vm '.image.generation, .state' | xargs)" = '1 ready' ]
	done
	[ -z "$(ls "$VMPIPE_ROOT/old")" ]
	no_litter
}
