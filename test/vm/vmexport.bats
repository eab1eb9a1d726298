# vmexport of real guests: what is removed from them, what is made of the image.
# Boots and appliances are slow, so cases do much at once.

load ../lib/common
load ../lib/vm

# look FILE COMMAND...: guestfish on an image, one command per argument.
look()
{
	local file=$1

	shift
	{ printf 'run\nmount-ro /dev/sda1 /\n'; printf '%s\n' "$@"; } |
	    LIBGUESTFS_BACKEND=direct \
	    LIBGUESTFS_BACKEND_SETTINGS=$(guestfs_settings) \
	    guestfish --ro --format=qcow2 -a "$file"
}

# Emulation, unless KVM was proved here.
guestfs_settings()
{
	grep -q '"kvm":true' "$VMPIPE_ROOT/locks/accel.json" 2>/dev/null ||
	    echo force_tcg
}

# A debian VM called box, ready; root logs in with `key'.
start_box()
{
	requires jq ssh-keygen ssh-keyscan guestfish \
	    "$VMPIPE_GUESTS/debian.qcow2"
	ssh-keygen -q -t ed25519 -N '' -f key
	vmfetch -q -a debian "$VMPIPE_GUESTS/debian.qcow2" |
	    vmclone --set memory=384M --set 'ready={ssh: true, timeout: 10m}' \
		box | vmcustomize --ssh-inject root:file:key.pub |
	    vmdeploy >box.json
	[[ $(jq -r .state box.json) == ready ]]
}

@test "an image for a colleague: nothing of box in it; a VM made of it is its own" {
	start_box
	status_is 0 vmssh -i key root@box 'echo mine >/root/data; sync'
	# the private key, as it lies on the disk; and much that was deleted
	secret=$(jq -r '.private.ssh_host_keys[0].private' \
	    "$VMPIPE_ROOT/vms/box/vm.json" | sed -n 3p)
	status_is 0 vmssh -i key root@box 'dd if=/dev/urandom of=/root/big \
	    bs=1M count=64 status=none && sync && rm /root/big && sync'
	vmstop -q -t 5m box | vmexport -O qcow2 -c - >box.qcow2
	vmexport -q --keep-identity box kept.raw >/dev/null
	grep -qaF "$secret" kept.raw
	qemu-img convert -f qcow2 -O raw box.qcow2 stripped.raw
	[[ $(grep -caF "$secret" stripped.raw) == 0 ]]
	(($(stat -c %b kept.raw) - $(stat -c %b stripped.raw) > 120000))
	rm kept.raw stripped.raw
	[[ $(qemu-img info --output=json box.qcow2 |
	    jq 'has("backing-filename")') == false ]]
	no_litter

	look box.qcow2 'filesize /etc/machine-id' \
	    'glob-expand /etc/ssh/ssh_host_*' \
	    'glob-expand /etc/systemd/network/10-vmpipe-*' \
	    'exists /etc/hostname' 'exists /etc/vmpipe-release' \
	    'exists /var/lib/systemd/random-seed' \
	    'glob-expand /var/log/journal/*' 'grep 127.0.1.1 /etc/hosts' \
	    'cat /root/data' 'cat /root/.ssh/authorized_keys' >seen
	diff seen - <<-END
		0
		false
		false
		false
		mine

		$(<key.pub)

	END

	vmfetch -q -a box ./box.qcow2 |
	    vmclone --set memory=384M --set 'ready={ssh: true, timeout: 10m}' \
		mine | vmcustomize --ssh-inject root:file:key.pub |
	    vmdeploy >mine.json
	[[ $(jq -r .state mine.json) == ready ]]
	status_is 0 vmssh -i key root@mine \
	    'hostname; cat /etc/machine-id /root/data'
	out_is "mine
$(jq -r .identity.machine_id mine.json)
mine"
	[[ $(jq -r .identity.machine_id mine.json) != \
	    "$(jq -r .identity.machine_id box.json)" ]]
	vmstop -qf mine >/dev/null

	# Nobody gives it an identity: it makes one.
	vmclone --from box --set memory=384M \
	    --set 'ready={agent: true, timeout: 10m}' bare | vmdeploy >bare.json
	[[ $(jq -r .state bare.json) == ready ]]
	wait_for -t 120 scanned bare
	[[ $(<scanned) != *"$(jq -r .identity.ssh_host_keys[0] bare.json |
	    cut -d' ' -f2)"* ]]
	vmstop -qf bare >/dev/null
}

# Its sshd says which key it has.
scanned()
{
	ssh-keyscan -t ed25519 -p "$(jq -r .ssh.port "$1.json")" 127.0.0.1 \
	    2>/dev/null >scanned
	[[ -s scanned ]]
}

@test "of a VM that runs: its disk of one instant; it runs on" {
	requires jq guestfish "$VMPIPE_GUESTS/tiny.qcow2"
	vmfetch -q -a tiny "$VMPIPE_GUESTS/tiny.qcow2" |
	    vmclone --set memory=128M \
		--set 'ready={tcp: {port: 7777, expect: tiny}}' run |
	    vmdeploy >run.json
	[[ $(jq -r .state run.json) == ready ]]
	pid=$(jq .run.pid "$VMPIPE_ROOT/vms/run/vm.json")

	status_is 0 vmexport -v --keep-identity run kept.qcow2
	err_has 'power cut'
	[[ $(jq -r .state <<<"$output") == ready ]]
	vmexport --keep-identity -O raw run - | vmfetch -q -a kept --image - \
	    >/dev/null
	status_is 0 vmexport run stripped.qcow2
	[[ $(jq .run.pid "$VMPIPE_ROOT/vms/run/vm.json") == "$pid" ]]
	[[ $(vmdeploy run | jq -r .state) == ready ]]
	gone "$pid" && return 1
	no_litter

	for image in kept stripped; do
		qemu-img check -q $image.qcow2
		[[ $(qemu-img info --output=json $image.qcow2 |
		    jq 'has("backing-filename")') == false ]]
	done
	[[ $(look stripped.qcow2 'exists /etc/hostname') == false ]]
	vmstop -qf run >/dev/null
	vmfetch -q -a copy ./stripped.qcow2 |
	    vmclone --set memory=128M \
		--set 'ready={tcp: {port: 7777, expect: tiny}}' copy |
	    vmdeploy >copy.json
	[[ $(jq -r .state copy.json) == ready ]]
}
