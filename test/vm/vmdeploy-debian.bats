# Readiness that needs a real system in the guest: ssh and the guest agent.

load ../lib/common
load ../lib/vm

json() { echo "$VMPIPE_ROOT/vms/box/vm.json"; }

# edit FILTER: vm.json, as if nobody had seen the VM ready.
edit()
{
	jq -c "$1 | .state = \"running\"" "$(json)" >edited
	cat edited >"$(json)"
}

@test "ssh: the record's host key and no other; the agent; a clean end" {
	requires jq ssh-keygen "$VMPIPE_GUESTS/debian.qcow2"
	ssh-keygen -q -t ed25519 -N '' -f key
	vmfetch -a debian "$VMPIPE_GUESTS/debian.qcow2" |
	    vmclone --set memory=384M --set 'ready={ssh: true, timeout: 10m}' \
		box | vmcustomize --ssh-inject root:file:key.pub >box.json
	status_is 0 vmdeploy <box.json
	[[ $(jq -r .state <<<"$output") == ready ]]

	status_is 0 vmssh -i key root@box hostname
	out_is box
	err_is ''
	status_is 3 vmssh -i key box exit 3

	# Another key in the record than in the guest: not this VM.
	key=$(jq -c .identity.ssh_host_keys "$(json)")
	ssh-keygen -q -t ed25519 -N '' -f other
	edit ".identity.ssh_host_keys = [\"$(cut -d' ' -f1,2 other.pub)\"]"
	status_is 77 vmdeploy box
	[[ $(jq -r .error.code <<<"$output") == host_key_mismatch ]]
	status_is 255 vmssh -i key box true
	edit ".identity.ssh_host_keys = $key"

	jq -c '.spec.ready = {agent: true}' box.json >agent.json
	status_is 0 vmdeploy <agent.json
	[[ $(jq -r .state <<<"$output") == ready ]]
	status_is 0 vmstop -t 5m box
	[[ $(jq -r .stopped_by <<<"$output") == agent ]]
	status_is 69 vmssh box true

	# As typed by hand, with nothing asked for: vmdeploy && vmssh.
	status_is 0 vmdeploy --no-wait box
	status_is 0 vmssh -i key root@box hostname
	out_is box
}
