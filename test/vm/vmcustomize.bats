#!/usr/bin/env bats
# vmcustomize on the real guests, read back through libguestfs.  Appliances
# cost seconds each, so cases do much at once.
load ../lib/common
load ../lib/vm

setup()
{
	fresh
	export LIBGUESTFS_BACKEND=direct
	mkdir -m 700 .ssh
	ssh-keygen -q -t ed25519 -N '' -f .ssh/id_ed25519
}

# fetched ALIAS: the guest as an image of the store.
fetched() { vmfetch -q -a "$1" "$(guest "$1")" >/dev/null; }

# look NAME COMMANDS...: guestfish on the VM's disk, one command per argument.
look()
{
	local name=$1

	shift
	{ printf 'run\nmount-ro /dev/sda1 /\n'; printf '%s\n' "$@"; } |
	    LIBGUESTFS_BACKEND_SETTINGS=$(guestfs_settings) \
	    guestfish --ro --format=qcow2 \
	    -a "$VMPIPE_ROOT/vms/$name/disk.qcow2"
}

# Emulation, unless KVM was proved here.
guestfs_settings()
{
	grep -q '"kvm":true' "$VMPIPE_ROOT/locks/accel.json" 2>/dev/null ||
	    echo force_tcg
}

disk_is_clean() { qemu-img check -q "$VMPIPE_ROOT/vms/$1/disk.qcow2"; }

has_line()
{
	grep -qxF -- "$1" <<<"$output" || explain "no line: $1"
}

# A repository with one package, for the appliance's network.
make_repository()
{
	mkdir -p repo/pkg/DEBIAN repo/pkg/usr/share/vmpipe-test
	printf '%s\n' 'Package: vmpipe-test' 'Version: 1' \
	    'Architecture: all' 'Maintainer: nobody <nobody@example.org>' \
	    'Description: a package of the tests' >repo/pkg/DEBIAN/control
	echo installed >repo/pkg/usr/share/vmpipe-test/file
	dpkg-deb --root-owner-group -b repo/pkg repo/vmpipe-test.deb \
	    >/dev/null
	(cd repo && {
		cat pkg/DEBIAN/control
		echo "Filename: ./vmpipe-test.deb"
		echo "Size: $(stat -c %s vmpipe-test.deb)"
		echo "SHA256: $(sha256sum vmpipe-test.deb | cut -d' ' -f1)"
	} >Packages)
}

@test "every operation by hand, through a layer; again, nothing happens" {
	fetched debian
	make_repository
	serve "$PWD/repo"
	echo payload >up.bin
	chmod 600 up.bin
	printf '#!/bin/sh\necho "ran as $(id -u)" >/srv/dir/ran\n' >script.sh
	printf '#!/bin/sh\ntrue\n' >boot.sh
	ssh-keygen -q -t ed25519 -N '' -C other -f other
	vmclone --from debian box >clone.json
	status_is 0 vmcustomize --mkdir /srv/dir --write '/srv/dir/w:one' \
	    --append-line /srv/dir/w:two --upload up.bin:/srv/dir/up \
	    --upload up.bin:/srv/dir --chmod 0640:/srv/dir/up \
	    --link /srv/dir/w:/srv/link --write /srv/gone: \
	    --delete '/srv/g*' --timezone Etc/UTC --hostname web.example.org \
	    --run script.sh --run-command 'echo "$PWD" >/srv/dir/pwd' \
	    --root-password password:geheim --ssh-inject root \
	    --ssh-inject root:file:other.pub --firstboot boot.sh \
	    --firstboot-command 'echo first' \
	    --write "/etc/apt/sources.list:deb [trusted=yes] \
http://169.254.2.2:${url##*:}/ ./" \
	    --delete '/etc/apt/sources.list.d/*' \
	    --run-command 'rm -f /etc/apt/apt.conf.d/*roxy* /etc/apt/apt.conf' \
	    --install vmpipe-test box
	out_has '"state":"customized"'
	[[ $output != *geheim* ]]
	echo "$output" >first.json
	disk_is_clean box

	run look box 'cat /srv/dir/w' 'cat /srv/dir/up.bin' 'cat /srv/dir/ran' \
	    'cat /srv/dir/pwd' 'readlink /srv/link' 'exists /srv/gone' \
	    'readlink /etc/localtime' 'cat /etc/hostname' 'cat /etc/hosts' \
	    'cat /root/.ssh/authorized_keys' 'cat /etc/machine-id' \
	    'cat /usr/share/vmpipe-test/file' 'ls /usr/lib/vmpipe/firstboot.d' \
	    'ls /etc/ssh' 'exists /usr/sbin/policy-rc.d' 'ls /tmp' \
	    'stat /srv/dir/up' 'cat /etc/ssh/ssh_host_ed25519_key.pub' \
	    'cat /usr/lib/vmpipe/firstboot.d/0002' 'head /etc/shadow' \
	    'readlink /etc/systemd/system/multi-user.target.wants/vmpipe-firstboot.service'
	[[ $status == 0 ]]
	has_line one
	has_line two
	has_line payload
	has_line 'ran as 0'
	has_line /
	has_line /srv/dir/w
	[[ $(grep -cx false <<<"$output") == 2 ]]
	has_line /usr/share/zoneinfo/Etc/UTC
	has_line web.example.org
	has_line $'127.0.1.1\tweb.example.org web'
	has_line "$(<.ssh/id_ed25519.pub)"
	has_line "$(<other.pub)"
	has_line "$(jq -r .identity.machine_id clone.json)"
	has_line installed
	has_line 0001
	has_line 'echo first'
	has_line 'mode: 33184'
	has_line "$(jq -r '.identity.ssh_host_keys[0]' clone.json)"
	has_line ../vmpipe-firstboot.service
	grep -q '^root:\$6\$' <<<"$output"
	[[ $output != *ssh_host_rsa* && $output != *vmpipe-run* ]]

	# as it was made, it passes: no appliance, the same record and files
	snapshot -not -path './locks*' >before
	export LIBGUESTFS_HV=/bin/false
	status_is 0 vmcustomize <first.json
	out_is "$(<first.json)"
	snapshot -not -path './locks*' | diff before -
	no_litter
}

@test "a manifest's role: one layer, identities apart, a failed one alone" {
	fetched debian
	cat >shop.yaml <<-'END'
		vmpipe: 1
		service: shop
		roles:
		  web:
		    image: {source: debian}
		    networks: [{private: shop}]
		    customize:
		      - user: {name: deploy, sudo: true, groups: [sudo], ssh_keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOpndzS81lhiRqcZsbFiXn49AdfCNhnR5J8H2iTU17ec x"]}
		      - write: {path: /etc/motd, content: "shop\n", mode: 0600}
		    instance:
		      - write: {path: /etc/shop.conf, content: "{{name}} {{address}}\n"}
	END
	vmfetch -q -f shop.yaml | vmclone -c 3 >clones.json
	# one of them asks for what cannot be
	jq -c 'if .index == 2 then
	    .spec.instance += [{"write":{"path":"/no/such","content":""}}]
	    else . end' clones.json >asked.json
	cp -a "$VMPIPE_ROOT/vms/shop-web-2/vm.json" before.json
	status_is 65 vmcustomize -v <asked.json
	err_has 'shop-web-2: write: /no/such: its directory is not in the guest'
	[[ $(grep -c 'layer .*: made in' <<<"$stderr") == 1 ]]
	jq -s -e 'map(.state) == ["customized","failed","customized"]' \
	    <<<"$output"
	jq -s -e '.[1].error.code == "guest_no_directory"' <<<"$output"
	cmp before.json "$VMPIPE_ROOT/vms/shop-web-2/vm.json"
	[[ $(find "$VMPIPE_ROOT/layers" -mindepth 1 -maxdepth 1 | wc -l) == 1 ]]
	no_litter

	# the cause gone, the same command completes it, on the layer there is
	status_is 0 vmcustomize -v <clones.json
	[[ $stderr != *'made in'* ]]
	jq -s -e 'map(.state) == ["customized","customized","customized"]
	    and (map(.layer) | unique | length) == 1
	    and all(.drift == [])' <<<"$output"
	for i in 1 2 3; do disk_is_clean shop-web-$i; done
	run look shop-web-3 'cat /etc/motd' 'cat /etc/shop.conf' \
	    'cat /etc/hostname' 'cat /etc/machine-id' 'cat /etc/group' \
	    'cat /home/deploy/.ssh/authorized_keys' 'ls /etc/sudoers.d' \
	    'cat /etc/systemd/network/10-vmpipe-0.network'
	has_line shop
	has_line "shop-web-3 $(jq -r 'select(.index == 3) |
	    .identity.nics[0].address | split("/")[0]' clones.json)"
	has_line shop-web-3
	has_line "$(jq -r 'select(.index == 3).identity.machine_id' clones.json)"
	has_line "Address=$(jq -r 'select(.index == 3) |
	    .identity.nics[0].address' clones.json)"
	has_line vmpipe-deploy
	grep -q '^sudo:.*deploy' <<<"$output"
}

@test "the guest's links are not followed, its full disk is told" {
	fetched tiny
	vmclone --from tiny a b c >/dev/null
	status_is 65 vmcustomize --run-command 'ln -sf shadow /etc/hostname' a
	err_has 'identity: /etc/hostname: a symbolic link in the guest'
	jq -e '.error.code == "guest_symlink"' <<<"$output"
	status_is 74 vmcustomize --run-command \
	    'dd if=/dev/zero of=/fill bs=1M 2>/dev/null; true' \
	    --write "/etc/big:$(printf '%0100000d' 1)" b
	jq -e '.error.code == "guest_full"' <<<"$output"
	status_is 65 vmcustomize --run-command 'echo "oh no" >&2; exit 3' c
	err_has 'oh no'
	err_has 'status 3'
	for vm in a b c; do
		jq -e '.state == "cloned" and (has("applied") | not)' \
		    "$VMPIPE_ROOT/vms/$vm/vm.json"
	done
	no_litter
}

@test "a stopped VM is changed in place and keeps its data" {
	fetched tiny
	vmclone --from tiny box | vmcustomize --write /root/data:kept >/dev/null
	jq -c '.started = true | .state = "stopped"' \
	    "$VMPIPE_ROOT/vms/box/vm.json" >vm.json
	cat vm.json >"$VMPIPE_ROOT/vms/box/vm.json"
	layer=$(jq -r .layer vm.json)
	ino=$(stat -c %i "$VMPIPE_ROOT/vms/box/lock")

	# what the role says now is drift; the disk is left alone
	snapshot -path './vms*' >before
	vmls --json box | jq -c '.spec.customize =
	    [{"write":{"path":"/root/x","content":""}}]' >asked.json
	status_is 0 vmcustomize <asked.json
	jq -e '.drift == ["customize"]' <<<"$output"
	snapshot -path './vms*' | diff before -

	status_is 0 vmcustomize --append-line /root/data:more box
	jq -e --arg layer "$layer" '.state == "stopped" and .layer == $layer
	    and (.applied.operations | length) == 2' <<<"$output"
	disk_is_clean box
	[[ $(stat -c %i "$VMPIPE_ROOT/vms/box/lock") == "$ino" ]]
	run look box 'cat /root/data'
	has_line kept
	has_line more

	# a copy of it keeps the data, gets its own identity and is a new VM
	vmclone --from box copy >/dev/null
	status_is 0 vmcustomize copy
	jq -e '.state == "customized" and .identity.hostname == "copy"' \
	    <<<"$output"
	no_litter
}

@test "an appliance that hangs is ended in time, one that dies is told" {
	fetched tiny
	vmclone --from tiny box >/dev/null
	snapshot -path './vms*' >before
	printf '#!/bin/sh\necho $$ >%q\nexec tail -f /dev/null\n' "$PWD/pid" >hang
	chmod +x hang
	LIBGUESTFS_HV=$PWD/hang status_is 75 vmcustomize --timeout 3s box
	err_has 'not answered in 3 s'
	jq -e '.error.code == "timeout" and .error.retryable' <<<"$output"
	wait_for gone "$(<pid)"
	snapshot -path './vms*' | diff before -
	no_litter

	vmcustomize box >out.json 2>err.txt &
	pid=$!
	wait_for -t 120 appliance_runs
	vm_pids | xargs kill -9
	wait "$pid" && status=0 || status=$?
	[[ $status == 69 ]]
	jq -e '.state == "failed" and .error.retryable' out.json
	[[ $(wc -l <err.txt) == 1 ]]
	snapshot -path './vms*' | diff before -
	no_litter
}

@test "killed at any time: the VM is as it was, the next run completes" {
	fetched tiny
	vmclone --from tiny a b >clones.json
	vmcustomize -q a >/dev/null	# so that the layout is known
	snapshot -path './vms*' >before
	# in the appliance, at the overlay's seal, at the rename, and after it
	for fault in fsync:2:kill rename:1:kill fsync_dir:1:kill; do
		VMPIPE_FAULT=$fault status_is 137 vmcustomize --mkdir /srv b
		disk_is_clean b
		jq -e .identity.uuid "$VMPIPE_ROOT/vms/b/vm.json"
	done
	vmcustomize --mkdir /opt b >/dev/null 2>&1 &
	pid=$!
	wait_for -t 120 appliance_runs
	kill -9 "$pid"
	wait_for -t 60 no_appliance
	status_is 0 vmcustomize --mkdir /opt b
	jq -e '.state == "customized"' <<<"$output"
	disk_is_clean b
	run look b 'is-dir /opt' 'cat /etc/hostname'
	has_line true
	has_line b
}

appliance_runs() { [[ -n $(vm_pids) ]]; }
no_appliance() { [[ -z $(vm_pids) ]]; }
