# vmdeploy, vmstop, vmconsole, vmssh and vmdoctor NAME on real guests.

load ../lib/common
load ../lib/vm

# clones [--set KEY=VALUE]... NAME...: clones of the tiny guest.
clones()
{
	requires "$VMPIPE_GUESTS/tiny.qcow2"
	vmfetch -a tiny "$VMPIPE_GUESTS/tiny.qcow2" |
	    vmclone --set memory=128M "$@" >clones.json
}

field() { jq -r "$1" <<<"$output"; }
pid_of() { jq .run.pid "$VMPIPE_ROOT/vms/$1/vm.json"; }
runs() { ! gone "$(pid_of "$1")"; }
state_of() { jq -r .state "$VMPIPE_ROOT/vms/$1/vm.json"; }
is_busy() { ! flock -n "$VMPIPE_ROOT/vms/$1/lock" true; }
has_vms() { [[ $(vm_pids | wc -l) == "$1" ]]; }

# What a VM's QEMU says its generation ID is.
generation_of()
{
	perl -MIO::Socket::UNIX -e 'my $s = IO::Socket::UNIX->new($ARGV[0])
	    or die "$ARGV[0]: $!";
	    <$s>; print $s qq({"execute":"qmp_capabilities"}\n); <$s>;
	    print $s qq({"execute":"query-vm-generation-id"}\n);
	    while (<$s>) { print, last if /"return"/ }' \
	    "$VMPIPE_ROOT/vms/$1/qmp.sock" | jq -r .return.guid
}

@test "ready by bytes from a port; again: nothing; stop; start: the same ports" {
	clones --set 'ready={tcp: {port: 7777, expect: tiny}}' a
	status_is 0 vmdeploy a
	err_has 'vmdeploy: '
	[[ $(field '.state, .error') == $'ready\nnull' ]]
	[[ $(field .run.machine) == pc-q35-* ]]
	pid=$(pid_of a)
	ports=$(field .run.forwards)
	runs a
	[[ $(generation_of a) == "$(field .identity.generation_id)" ]]

	status_is 0 vmdeploy a
	err_is ''
	[[ $(pid_of a) == "$pid" && $(field .state) == ready ]]

	status_is 0 vmstop a
	err_is ''
	[[ $(field '.state, .stopped_by') == $'stopped\nacpi' ]]
	gone "$pid"
	[[ $(state_of a) == stopped ]]
	status_is 0 vmstop a

	status_is 0 vmdeploy --no-wait a
	[[ $(field .state) == running && $(field .run.forwards) == "$ports" ]]
	status_is 0 vmstop -f a
	[[ $(field .stopped_by) == force ]]
}

@test "an edited role: drift while the VM runs, obeyed by its next start" {
	clones --set 'ready={tcp: {port: 7777, expect: tiny}}' a
	vmdeploy --no-wait a >/dev/null
	jq -c '.spec.memory = "160M"' "$VMPIPE_ROOT/vms/a/vm.json" >edited
	status_is 0 vmdeploy <edited
	[[ $(field '.state, .drift[0]') == $'ready\nmachine' ]]
	[[ $(jq -r .spec.memory "$VMPIPE_ROOT/vms/a/vm.json") == 128M ]]
	status_is 0 vmdeploy <edited
	[[ $(field '.drift[0]') == machine ]]
	vmstop -f a >/dev/null
	# what the start obeys is no drift any more, what it cannot stays
	status_is 0 vmdeploy --no-wait <<<"$(
	    jq -c '.drift = ["image", "machine"]' edited)"
	[[ $(jq -c .drift <<<"$output") == '["image"]' ]]
	[[ $(jq -r .spec.memory "$VMPIPE_ROOT/vms/a/vm.json") == 160M ]]
	vmstop -f a >/dev/null
}

@test "ready by the console; vmconsole attaches, one at a time, and logs" {
	clones --set 'ready={serial: "tiny tiny ready"}' a
	status_is 0 vmdeploy a
	[[ $(field .state) == ready ]]
	mkfifo keys
	vmconsole a <keys >shown &
	console=$!
	exec 5>keys
	echo 'echo sum-$((40 + 2))' >&5
	wait_for grep -q sum-42 shown
	status_is 75 vmconsole a
	err_has 'somebody else is attached'
	status_is 0 vmconsole --log a
	out_has sum-42
	vmconsole --log -f a >followed &
	follow=$!
	echo 'poweroff -f' >&5
	exec 5>&-
	wait "$console"
	wait "$follow"
	grep -q sum-42 followed
	status_is 69 vmconsole a
	err_has 'a: does not run; run: vmconsole --log a'
	status_is 69 vmssh a true
	err_has 'a: does not run; run: vmdeploy a'
}

@test "not ready in time: 75 with the console's last lines; the VM runs on" {
	clones --set 'ready={serial: "never said"}' a
	status_is 75 vmdeploy -t 8s a
	[[ $(field .error.code) == not_ready ]]
	err_has 'vmdeploy: a: not ready (serial) after 8 s: the console does'
	err_has '; run: vmconsole --log a'
	runs a
	[[ $(state_of a) == running ]]
	# a guest that boots hears no button: vmstop insists
	status_is 0 vmstop -t 100ms a
	err_has 'vmstop: a: the guest has not shut down in time: forced'
	has_vms 0
}

@test "what QEMU says last is in the message" {
	clones --set memory=4T a
	status_is 69 vmdeploy a
	[[ $(field .error.code) == qemu_failed ]]
	err_has 'vmdeploy: a: QEMU has ended at once: '
	err_has 'emory'
	has_vms 0
}

@test "a port that is taken: 69, and no other VM is harmed" {
	serve "$PWD"
	port=${url##*:}
	clones --set "networks=[{user: true, forward: [{host: $port, guest: 80}]}]" a
	vmclone --from tiny --set memory=128M b >/dev/null
	status_is 69 vmdeploy a b
	err_has "vmdeploy: a: port $port of 127.0.0.1: in use"
	[[ $(jq -r '.state' <<<"$output") == $'failed\nrunning' ]]
	status_is 69 vmdoctor a
	out_has "port $port of 127.0.0.1: in use"
	stop_servers
	status_is 0 vmdeploy a
	[[ $(field .state) == running ]]
}

@test "started many times at once: one QEMU" {
	clones a
	for i in 1 2 3 4 5 6; do
		vmdeploy a >"out.$i" 2>"err.$i" && echo "$i" >>begun ||
		    echo $? >>failed &
	done
	wait
	has_vms 1
	[[ -s begun ]]
	[[ ! -e failed || $(sort -u failed) == 75 ]]
}

@test "a VM outlives the session, the signal and the killing of its starter" {
	clones --set 'ready={serial: "never said"}' a b c
	# the whole session goes
	setsid bash -c 'vmdeploy a & wait' >/dev/null 2>&1 &
	session=$!
	wait_for grep -q '"state":"running"' "$VMPIPE_ROOT/vms/a/vm.json"
	kill -9 -- -"$session"
	# ^C ends the waiting
	vmdeploy b >interrupted.json &
	waiting=$!
	wait_for grep -q '"state":"running"' "$VMPIPE_ROOT/vms/b/vm.json"
	kill -INT "$waiting"
	wait "$waiting" && return 1
	[[ $(jq -r .state interrupted.json) == running ]]
	# killed at any moment: absent, or running and known
	vmdeploy c >/dev/null 2>&1 &
	killed=$!
	wait_for test -S "$VMPIPE_ROOT/vms/c/qmp.sock"
	kill -9 "$killed"
	status_is 0 vmdeploy --no-wait a b c
	[[ $(field .state) == $'running\nrunning\nrunning' ]]
	runs a
	runs b
	runs c
	has_vms 3
}

@test "a VM that dies while it is waited for: 69, with its last words" {
	clones --set 'ready={serial: "never said"}' a
	vmdeploy a >record.json 2>messages &
	waiting=$!
	wait_for grep -q '"state":"running"' "$VMPIPE_ROOT/vms/a/vm.json"
	kill -TERM "$(pid_of a)"
	wait "$waiting" && return 1
	[[ $? == 69 ]]
	grep -q 'a: QEMU has ended before the guest was ready: .*signal 15' messages
}

# role NAME AFTER: what vmclone would print for it
role() { jq -c --arg r "$1" --argjson a "$2" \
    '.service = "s" | .role = $r | .spec.after = $a' <<<"$output"; }

@test "roles wait for what they come after" {
	clones --set 'ready={serial: "tiny tiny ready"}' db
	output=$(<clones.json)
	role db '[]' >stream
	vmclone --from tiny --set memory=128M web >clones.json
	output=$(<clones.json)
	role web '["db"]' >>stream
	tac stream >backwards
	status_is 0 vmdeploy <backwards
	[[ $(field '.name + " " + .state') == $'web running\ndb ready' ]]
	[[ $VMPIPE_ROOT/vms/web/qemu.log -nt $VMPIPE_ROOT/vms/db/vm.json ]]
}

@test "a role that comes after a failed one is not started; nor is a ring" {
	clones db web
	{
		jq -c 'select(.name == "db") | .service = "s" | .role = "db" |
		    .spec.memory = "4T"' clones.json
		jq -c 'select(.name == "web") | .service = "s" |
		    .role = "web" | .spec.after = ["db"]' clones.json
	} >stream
	status_is 69 vmdeploy <stream
	err_has 'vmdeploy: web: not started: db, which comes first, has failed'
	has_vms 0
	jq -c '.spec.memory = "128M" |
	    if .name == "db" then .spec.after = ["web"] else . end' stream >ring
	status_is 65 vmdeploy <ring
	err_has 'vmdeploy: db: spec.after: it would wait for ever'
	err_has 'vmdeploy: web: spec.after: it would wait for ever'
	has_vms 0
}

@test "a long path, a symbolic link and a directory that others may write" {
	VMPIPE_ROOT=$PWD/$(printf 'd%.0s' {1..150})
	export VMPIPE_ROOT
	clones a
	status_is 0 vmdeploy a
	vmstop -f a >/dev/null
	rm -f "$VMPIPE_ROOT/vms/a/qmp.sock"
	ln -s /tmp/elsewhere "$VMPIPE_ROOT/vms/a/qmp.sock"
	status_is 77 vmdeploy a
	err_has 'something that is not a socket is in its place'
	rm "$VMPIPE_ROOT/vms/a/qmp.sock"
	chmod o+w "$VMPIPE_ROOT/vms/a"
	status_is 77 vmdeploy a
	has_vms 0
}

@test "a base that is not the record's, or not sealed: 65, nothing is started" {
	clones a
	base=("$VMPIPE_ROOT"/vms/a/*.raw)
	before=$(stat -c '%a %Y %s %i' "${base[0]}")
	chmod u+w "${base[0]}"
	status_is 65 vmdeploy a
	err_has 'it has been made writable; run: vmdoctor --repair a'
	status_is 69 vmdoctor a
	out_has 'it has been made writable'
	chmod 0444 "${base[0]}"
	other=$(tr 0-9 1-90 <<<"${base[0]##*/}")
	mv "${base[0]}" "${base[0]%/*}/$other"
	qemu-img rebase -u -F raw -b "$other" "$VMPIPE_ROOT/vms/a/disk.qcow2"
	status_is 65 vmdeploy a
	err_has 'it is missing; run: vmdoctor --repair a'
	ln "${base[0]%/*}/$other" "${base[0]}"
	status_is 65 vmdeploy a
	err_has 'is not what the VM was built on'
	sed -i 's/"chain":/"old":/' "$VMPIPE_ROOT/vms/a/vm.json"
	status_is 65 vmdeploy a
	err_has 'is not the image of the record'
	status_is 69 vmdoctor a
	out_has 'is not the image of the record'
	has_vms 0
	[[ $(stat -c '%a %Y %s %i' "${base[0]%/*}/$other") == "$before" ]]
}

@test "-n prints a command that runs by hand, and changes nothing" {
	clones a
	vmdoctor >/dev/null
	vmdeploy -n a >/dev/null 2>&1 # finds out about KVM, once
	before=$(snapshot)
	status_is 0 vmdeploy -n a
	err_is ''
	[[ $(wc -l <<<"$output") == 1 && $before == "$(snapshot)" ]]
	bash -c "$output" 3>&- 4>&- 2>by-hand.err &
	wait_for test -S "$VMPIPE_ROOT/vms/a/agent.sock"
	wait_for has_vms 1
	[[ ! -s by-hand.err ]]
}

@test "a bridge: the tap is on it while the VM runs, and gone with it" {
	[[ $EUID == 0 ]] || skip 'requires root'
	requires ip /dev/net/tun
	clones --set 'networks=[{bridge: br7}]' a
	status_is 69 vmdeploy a
	err_has 'bridge br7: there is none on this host; run: ip link add br7'
	status_is 0 unshare -n bash -ec '
		ip link set lo up
		ip link add br7 type bridge
		ip link set br7 up
		vmdeploy a >&2
		ip -o link show master br7 | cut -d: -f2
		vmstop -f a >&2
		ip -o link show master br7'
	out_is ' vmp0'
}

@test "an image record, a stranger and a stale record are refused" {
	clones a
	status_is 66 vmdeploy nobody
	err_has 'vmdeploy: nobody: '
	status_is 65 vmdeploy <<<'{"vmpipe":1,"kind":"image","image":{"id":"x"}}'
	err_has 'the record is of no VM; run: vmclone'
	status_is 73 vmdeploy < <(jq -c '.identity.uuid = "0"' clones.json)
	[[ $(field .error.code) == stale_record ]]
	has_vms 0
}

@test "a QEMU that hangs is found by the VM's lock, and killed" {
	clones a
	status_is 0 vmdeploy a
	pid=$(pid_of a)
	kill -STOP "$pid"
	status_is 69 vmdoctor a
	out_has 'its lock is held, yet'
	status_is 75 vmdeploy a
	status_is 0 vmstop -f a
	[[ $(field .stopped_by) == force ]]
	gone "$pid"
	has_vms 0
}

@test "a process that is not the VM's is left alone" {
	clones a
	status_is 0 vmdeploy a
	kill -9 "$(pid_of a)"
	wait_for has_vms 0
	tail --pid=$$ -f /dev/null 3>&- 4>&- &
	other=$!
	jq -c ".run.pid = $other" "$VMPIPE_ROOT/vms/a/vm.json" >edited
	cat edited >"$VMPIPE_ROOT/vms/a/vm.json"
	# somebody holds the lock, and it is not that process
	flock "$VMPIPE_ROOT/vms/a/lock" tail --pid=$$ -f /dev/null 3>&- 4>&- &
	holder=$!
	wait_for is_busy a
	status_is 75 vmstop -f a
	err_has 'vmstop: a: another command is at work on it'
	run ! gone "$other"
	kill "$other"
	pkill -P "$holder" && wait "$holder" || :
}

@test "killed from outside an instant ago: vmdeploy starts it, vmstop is content" {
	clones a
	for _ in 1 2 3; do
		status_is 0 vmdeploy a
		kill -KILL "$(pid_of a)"
		status_is 0 vmdeploy a
		[[ $(field .state) == running ]]
		kill -KILL "$(pid_of a)"
		status_is 0 vmstop a
		[[ $(field .state) == stopped ]]
	done
}
