# vmssh without a guest: when ssh is started.

load ../lib/common

# A VM box that seems to run: its lock is held, its port is a server's.
setup()
{
	fresh
	head -c 1M </dev/urandom >base.raw
	vmfetch -a base ./base.raw | vmclone box >/dev/null
	exec 7>>"$VMPIPE_ROOT/vms/box/lock"
	flock 7
	mkdir bin
	printf '#!/bin/sh\necho "ssh $*"\n' >bin/ssh
	chmod +x bin/ssh
	PATH=$PWD/bin:$PATH
}

# box is at this port, in this state.
edit()
{
	local file=$VMPIPE_ROOT/vms/box/vm.json

	jq -c ".state = \"$2\" | .ssh = {user: \"root\", host: \"127.0.0.1\",
	    port: $1}" "$file" >edited
	cat edited >"$file"
}

@test "a guest that still boots: vmssh waits for its sshd" {
	port=$(free_port)
	edit "$port" running
	# As QEMU does it: the first two connections are taken and come to nothing.
	perl -MIO::Socket::INET -e '
	    my $s = IO::Socket::INET->new(Listen => 5, ReuseAddr => 1,
		LocalAddr => "127.0.0.1", LocalPort => shift) or die;
	    for (1 .. 2) { my $c = $s->accept; print "lost\n"; close $c }
	    my $c = $s->accept; print $c "SSH-2.0-x\r\n"; print "answered\n";
	' "$port" >served 3>&- 7>&- &
	status_is 0 timeout 60 vmssh box true
	out_has "ssh -o UserKnownHostsFile"
	err_is ''
	[ "$(paste -sd, served)" = lost,lost,answered ]
}

@test "a VM seen ready is not asked; one that ends is not waited for" {
	edit 1 ready
	status_is 0 timeout 60 vmssh box true
	out_has "127.0.0.1 true"
	edit 1 running
	timeout 60 vmssh box true >out 2>err 7>&- &
	waiting=$!
	wait_for grep -q 'vmssh: box: waiting for its sshd' err
	exec 7>&-
	wait "$waiting" || status=$?
	[ "$status" = 69 ]
	grep -q 'vmssh: box: does not run; run: vmdeploy box' err
}
