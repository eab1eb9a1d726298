# The whole pipe on a real guest: edited on its way, run again, killed anywhere.

load ../lib/common
load ../lib/vm

manifest()
{
	cat >shop.yaml <<-END
		vmpipe: 1
		service: t
		roles:
		  web:
		    image: {source: "$(guest tiny)"}
		    memory: 96M
		    networks:
		      - {private: t}
		      - {user: true, forward: [{host: 0, guest: 80}]}
		    customize:
		      - write: {path: /etc/layer, content: "for all\n"}
		    instance:
		      - write: {path: /root/mine, content: "{{name}}\n"}
		    ready: {serial: " ready", timeout: 5m}
		    replicas: 2
	END
}

# fetch_page NAME: what the guest's web server says, through its forwarded port.
fetch_page()
{
	local port

	port=$(vmls --json "$1" | jq '.run.forwards[] | select(.guest == 80).host')
	exec 5<>"/dev/tcp/127.0.0.1/$port" || return
	printf 'GET / HTTP/1.0\r\n\r\n' >&5
	tail -n 1 <&5
	exec 5>&-
}

page_is() { [[ $(fetch_page "$1") == "$2" ]]; }

memory_of() { tr '\0' '\n' <"/proc/$1/cmdline" | grep -A1 -x -e -m | tail -n 1; }

states() { jq -r '.name + " " + .state' "$@"; }

check_disks()
{
	local disk

	for disk in "$VMPIPE_ROOT"/vms/*/disk.qcow2; do
		qemu-img check -q "$disk"
	done
}

@test "jq edits the stream, names are input, a second run changes nothing" {
	requires jq qemu-img guestfish
	manifest

	# Between any two commands an edit is obeyed by the next.
	vmfetch shop.yaml | jq -c '.spec.memory = "112M"' | vmclone |
	    jq -c '.spec.instance += [{write: {path: "/root/more",
	        content: "\(.index)"}}]' | vmcustomize |
	    jq -c 'if .index == 2 then .spec.memory = "128M" else . end' |
	    vmdeploy >deployed
	[[ $(states deployed) == $'t-web-1 ready\nt-web-2 ready' ]]
	[[ $(jq -c .drift deployed) == $'[]\n[]' ]]
	[[ $(for pid in $(vm_pids); do memory_of "$pid"; done | sort) == \
	    $'112M\n128M' ]]
	wait_for page_is t-web-1 'tiny t-web-1'
	wait_for page_is t-web-2 'tiny t-web-2'
	layers=("$VMPIPE_ROOT"/layers/*)
	[[ ${#layers[@]} == 1 ]]
	[[ $(vmls -t layer -Ho image.alias,clones) == $'tiny\t2' ]]
	[[ $(vmls --why tiny -Ho kind) == $'alias\nlayer\nvm\nvm' ]]
	[[ $(vmls --tree | awk '{ print $2 }') == \
	    $'KIND\nimage\nlayer\nvm\nvm' ]]

	# Again, with a line in it that is no record: that alone fails.
	pids=$(vm_pids)
	masters=$(snapshot -path './images/*')
	status_is 1 bash -c 'set -o pipefail
	    { vmfetch shop.yaml | vmclone; echo "{"; } | vmcustomize |
	    vmdeploy >again'
	[[ $(grep -c . <<<"$stderr") == 1 ]]
	err_has 'vmcustomize: standard input:3: '
	[[ $(states again | head -2) == "$(states deployed)" ]]
	[[ $(jq -r '.error.code // "none"' again) == $'none\nnone\nbad_json' ]]
	[[ $(vm_pids) == "$pids" ]]
	[[ $(snapshot -path './images/*') == "$masters" ]]

	# Without jq, names.
	vmls -Ho name 't-web-*' | vmstop >stopped
	[[ $(vmls -Ho name,state) == $'t-web-1\tstopped\nt-web-2\tstopped' ]]
	[[ -z $(vm_pids) ]]
	check_disks
	status_is 0 env LIBGUESTFS_BACKEND=direct \
	    LIBGUESTFS_BACKEND_SETTINGS=force_tcg timeout 200 guestfish --ro \
	    --format=qcow2 -a "$VMPIPE_ROOT/vms/t-web-2/disk.qcow2" \
	    -m /dev/sda1 cat /etc/layer : cat /root/mine : cat /root/more
	out_is $'for all\n\nt-web-2\n\n2'
	vmls --state stopped -Ho name | vmdeploy -r >deployed
	[[ $(states deployed) == $'t-web-1 ready\nt-web-2 ready' ]]
	[[ $(snapshot -path './images/*') == "$masters" ]]
}

@test "killed in the middle of each command, the same line completes" {
	requires jq qemu-img
	manifest
	for victim in vmfetch vmclone vmcustomize vmdeploy; do
		for step in vmfetch vmclone vmcustomize vmdeploy; do
			eval "fault_$step="
		done
		eval "fault_$victim=rename:1:kill"
		# shellcheck disable=SC2154 # set by eval
		run bash -c "set -o pipefail
		    VMPIPE_FAULT=$fault_vmfetch vmfetch shop.yaml |
		    VMPIPE_FAULT=$fault_vmclone vmclone |
		    VMPIPE_FAULT=$fault_vmcustomize vmcustomize |
		    VMPIPE_FAULT=$fault_vmdeploy vmdeploy"
		[[ $status != 0 ]]
	done
	vmfetch shop.yaml | vmclone | vmcustomize | vmdeploy >deployed
	[[ $(states deployed) == $'t-web-1 ready\nt-web-2 ready' ]]
	[[ $(vm_pids | wc -w) == 2 ]]
	wait_for page_is t-web-1 'tiny t-web-1'
	vmls -Ho name | vmstop >stopped
	check_disks
}
