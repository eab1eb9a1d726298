# vmfetch from ssh://: against a real sshd with keys of its own.
# shellcheck shell=bash disable=SC2154 # set by common.bash and bats

load ../lib/common

setup()
{
	fresh
	mkdir files path
	"$top/test/lib/mkqcow2.pl" >files/box.qcow2
	sum=$(sha256sum files/box.qcow2 | cut -d' ' -f1)
}

# Starts sshd with these further lines; sets $ssh.  ssh(1) is run with a
# configuration of ours ($real), and notes its arguments in $PWD/ran.
serve_ssh()
{
	local port

	requires ssh sshd ssh-keygen
	port=$(free_port)
	[[ -e host ]] || ssh-keygen -q -t ed25519 -N '' -f host
	[[ -e key ]] || ssh-keygen -q -t ed25519 -N '' -f key
	cp key.pub authorized
	[[ $EUID != 0 ]] || mkdir -p /run/sshd
	cat >sshd.conf <<-END
		ListenAddress 127.0.0.1:$port
		HostKey $PWD/host
		PidFile $PWD/sshd.pid
		AuthorizedKeysFile $PWD/authorized
		StrictModes no
		UsePAM no
		PermitRootLogin yes
		$(printf '%s\n' "$@")
	END
	"$(command -v sshd)" -f "$PWD/sshd.conf" -E "$PWD/sshd.log" 3>&- 4>&-
	wait_for test -s sshd.pid
	servers+=("$(<sshd.pid)")
	echo "[127.0.0.1]:$port $(cut -d' ' -f1,2 host.pub)" >known
	cat >ssh.conf <<-END
		IdentityFile $PWD/key
		IdentitiesOnly yes
		UserKnownHostsFile $PWD/known
		GlobalKnownHostsFile /dev/null
	END
	real="$(command -v ssh) -F $PWD/ssh.conf"
	fake_ssh "exec $real \"\$@\""
	ssh=ssh://$(id -un)@127.0.0.1:$port$PWD/files
}

# fake_ssh COMMAND: what runs in ssh's place.
fake_ssh()
{
	printf '#!/bin/sh\necho "$@" >>%q/ran\n%s\n' "$PWD" "$1" >path/ssh
	chmod +x path/ssh
	[[ $PATH == "$PWD/path:"* ]] || PATH=$PWD/path:$PATH
}

got_it() { [ "$(jq -r .image.id <<<"$output")" = "$sum" ]; }

@test "ssh://: an image of another host" {
	serve_ssh
	status_is 0 vmfetch "$ssh/box.qcow2"
	err_is ''
	got_it
	[ "$(jq -r .image.alias <<<"$output")" = box ]
	[ "$(jq -r .source "$VMPIPE_ROOT/images/$sum/image.json")" = \
	    "$ssh/box.qcow2" ]
	no_litter
	status_is 0 vmfetch "$ssh/box.qcow2"
	[ "$(wc -l <ran)" -eq 1 ]
}

@test "ssh://: whatever the file is called" {
	name="it's \$(touch p);%41 \"x\"*.img"
	serve_ssh
	mv files/box.qcow2 "files/$name"
	status_is 0 vmfetch "$ssh/${name//%/%25}"
	got_it
	[ ! -e p ] && [ ! -e files/p ] && [ ! -e ~/p ]
}

@test "ssh://: a digest is checked; checksums beside it are read" {
	serve_ssh
	status_is 65 vmfetch --checksum "sha256:${sum//[a-f]/0}" \
	    "$ssh/box.qcow2"
	err_has "sha256 is $sum"
	(cd files && sha256sum box.qcow2 >SHA256SUMS)
	status_is 0 vmfetch --checksums auto "$ssh/box.qcow2"
	got_it
	[ "$(jq -r .trust.by "$VMPIPE_ROOT/images/$sum/image.json")" = checksums ]
}

@test "ssh://: a refresh is a new generation" {
	serve_ssh
	status_is 0 vmfetch "$ssh/box.qcow2"
	truncate -s 1M files/new && mv files/new files/box.qcow2
	sum=$(sha256sum files/box.qcow2 | cut -d' ' -f1)
	mv files/box.qcow2 files/box.img
	status_is 0 vmfetch -a box "$ssh/box.img"
	got_it
	[ "$(jq -r .image.generation <<<"$output")" = 2 ]
	printf x | dd of=files/box.img bs=1 seek=4096 conv=notrunc status=none
	sum=$(sha256sum files/box.img | cut -d' ' -f1)
	status_is 0 vmfetch --refresh box
	got_it
	[ "$(jq -r .image.generation <<<"$output")" = 3 ]
}

@test "ssh://: a pinned transfer that breaks off goes on where it stopped" {
	serve_ssh
	head -c 6M /dev/urandom >files/big.img
	sum=$(sha256sum files/big.img | cut -d' ' -f1)
	# the first ssh ends in the middle, as by a lost connection
	fake_ssh "[ ! -e again ] || exec $real \"\$@\"
		: >again; echo 6291456; head -c 4000000 files/big.img; exit 255"
	status_is 0 vmfetch --checksum "sha256:$sum" "$ssh/big.img"
	got_it
	[ "$(wc -l <ran)" -eq 2 ]
	# where its hasher had come to
	tail -n1 ran | grep -qE " (1048577|2097153|3145729)$"
	no_litter
}

@test "F49 ssh://: a host whose key is unknown or another one" {
	serve_ssh
	mv known known.right
	status_is 77 vmfetch "$ssh/box.qcow2" </dev/null
	err_has 'does not know the host'
	err_has 'run: ssh -p'
	[ "$(jq -r .error.code <<<"$output")" = host_key ]
	ssh-keygen -q -t ed25519 -N '' -f other
	sed "s|ssh-ed25519 .*|$(cut -d' ' -f1,2 other.pub)|" known.right >known
	status_is 77 vmfetch "$ssh/box.qcow2"
	err_has 'not the one that ssh knows'
	err_has 'ssh-keygen -R'
	# somebody's careless configuration is none for bytes without a digest
	: >known
	echo 'StrictHostKeyChecking no' >>ssh.conf
	status_is 77 vmfetch "$ssh/box.qcow2"
	[ "$(jq -r .error.code <<<"$output")" = host_key ]
	status_is 0 vmfetch --checksum "sha256:$sum" "$ssh/box.qcow2"
}

@test "F49 ssh://: nobody is asked for a password" {
	serve_ssh 'PasswordAuthentication yes'
	: >authorized
	printf '#!/bin/sh\ntouch %q\n' "$PWD/asked" >askpass && chmod +x askpass
	export SSH_ASKPASS=$PWD/askpass SSH_ASKPASS_REQUIRE=force DISPLAY=:9
	status_is 77 vmfetch "$ssh/box.qcow2"
	err_has 'does not let us in'
	err_has 'run: ssh-copy-id'
	[ "$(jq -r .error.code <<<"$output")" = forbidden ]
	[ ! -e asked ]
}

@test "F48 ssh://: what could be an option or a command is none" {
	fake_ssh 'exit 0'
	for bad in 'ssh://-oProxyCommand=touch p/x' \
	    "ssh://-oProxyCommand=touch%20$PWD%2Fp/x" \
	    'ssh://a;touch p@host/x' 'ssh://-lroot@host/x' \
	    "ssh://\$(touch p)@host/x" 'ssh://host:22;x/x' 'ssh://host/' \
	    'ssh://ho st/x' $'ssh://host/a\nb' 'ssh://host/a%0ab'; do
		status_is 64 vmfetch "$bad"
	done
	status_is 64 vmfetch 'ssh://amy:hush@host/x'
	err_has 'ssh-copy-id'
	[[ $stderr != *hush* ]]
	[ ! -e p ] && [ ! -e ran ]
}

@test "ssh://: no such file, a directory, no server" {
	serve_ssh
	status_is 66 vmfetch "$ssh/none.img"
	err_has 'there is no such file'
	mkdir files/dir.img
	status_is 77 vmfetch "$ssh/dir.img"
	err_has 'not a regular file'
	kill "$(<sshd.pid)"
	wait_for gone "${servers[-1]}"
	status_is 69 vmfetch "$ssh/box.qcow2"
	err_has 'refused'
	status_is 69 vmfetch "ssh://no.such.host.invalid/x"
	[ "$(jq -r .error.code <<<"$output")" = resolve ]
	no_litter
}

@test "ssh://: an other side that speaks nonsense" {
	fake_ssh 'echo Welcome to the jungle'
	status_is 76 vmfetch ssh://host/x
	err_has '"Welcome to the jungle" came'
	fake_ssh 'true'
	status_is 76 vmfetch ssh://host/x
	err_has 'nothing came'
	fake_ssh 'echo 10; echo 123'
	status_is 75 vmfetch ssh://host/x
	err_has 'became shorter'
	fake_ssh 'echo 3; echo 123456'
	status_is 75 vmfetch ssh://host/x
	err_has 'changed while it was read'
	fake_ssh 'echo 99999999999999999999'
	status_is 76 vmfetch ssh://host/x
	fake_ssh 'echo sh: tail: not found >&2; exit 127'
	status_is 76 vmfetch ssh://host/x
	err_has 'ended with 127: sh: tail: not found'
	no_litter
}

@test "ssh://: ^C ends ssh and us, and says so" {
	fake_ssh 'echo 10; kill -INT $PPID; exit 255'
	status_is 130 vmfetch ssh://host/x
	fake_ssh 'echo $$ >pid; echo 10; exec tail -f /dev/null'
	vmfetch ssh://host/x 2>err >out 3>&- 4>&- &
	vmfetch=$!
	wait_for test -s pid
	kill -KILL "$vmfetch"
	wait_for gone "$(<pid)"
}

@test "ssh://: options that say nothing to it; no ssh at all" {
	fake_ssh 'exit 0'
	echo amy:pw >auth && chmod 600 auth
	status_is 64 vmfetch --auth-file auth ssh://host/x
	status_is 64 vmfetch --no-private ssh://host/x
	[ ! -e ran ]
	mkdir empty
	status_is 69 env PATH="$PWD/empty" \
	    "$(command -v vmfetch)" ssh://host/x
	err_has 'run: apt-get install openssh-client'
}
