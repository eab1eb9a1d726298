# vmsched with real guests: apply, again, scale, delete, failures in the middle.

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
		    networks: [{private: t}]
		    after: [db]
		    instance:
		      - write: {path: /root/db, content: "{{roles.db.address}}"}
		    ready: {serial: " ready", timeout: 5m}
		    replicas: {min: 1, initial: 1, max: 2}
		  db:
		    image: {source: "$(guest tiny)"}
		    memory: 96M
		    networks: [{private: t}]
		    ready: {serial: " ready", timeout: 5m}
	END
}

table() { vmsched "$@" -Ho name,state,action; }

@test "apply, again, scale up and down, undo, prune, delete" {
	requires jq
	manifest

	# db is ready before web is begun; then there is nothing left to do.
	table apply shop.yaml >applied
	[[ $(<applied) == $'t-db-1\tready\tcreate\nt-web-1\tready\tcreate' ]]
	pids=$(vm_pids)
	# (a guest that runs writes to its disk)
	before=$(snapshot -path './vms/*' -not -name '*.log' -not -name disk.qcow2)
	table apply shop.yaml >applied
	[[ $(<applied) == $'t-db-1\tready\tnone\nt-web-1\tready\tnone' ]]
	status_is 0 vmsched plan --detailed-exitcode shop.yaml
	[[ $(vm_pids) == "$pids" ]]
	[[ $(snapshot -path './vms/*' -not -name '*.log' -not -name disk.qcow2) == "$before" ]]

	# A disk that has run is not touched: that it differs is said.
	sed 's/memory: 96M/memory: 112M/' shop.yaml >larger.yaml
	status_is 0 vmsched apply -Ho name,action,drift larger.yaml
	out_is $'t-db-1\tnone\tmachine\nt-web-1\tnone\tmachine'
	[[ $(vm_pids) == "$pids" ]]

	# What is not as it should be is mended, and only that.
	vmstop t-web-1 >stopped
	status_is 2 vmsched plan --detailed-exitcode -Ho name,action shop.yaml
	out_is $'t-db-1\tnone\nt-web-1\tstart'
	table apply shop.yaml >applied
	[[ $(<applied) == $'t-db-1\tready\tnone\nt-web-1\tready\tstart' ]]

	# A count that scale has set outlives apply.
	table scale t/web 2 >scaled
	[[ $(<scaled) == $'t-web-1\tready\tnone\nt-web-2\tready\tcreate' ]]
	status_is 0 vmsched plan --detailed-exitcode shop.yaml
	table scale t/web 1 >scaled
	[[ $(<scaled) == $'t-web-1\tready\tnone\nt-web-2\tremoved\tremove' ]]
	[[ $(vm_pids | wc -w) == 2 ]]

	# One too many is left alone, except with --prune.
	vmrm --undo t-web-2 >undone
	table apply shop.yaml >applied
	[[ $(tail -n 1 applied) == $'t-web-2\tstopped\textra' ]]
	table apply --prune shop.yaml >applied
	[[ $(tail -n 1 applied) == $'t-web-2\tremoved\tremove' ]]

	# What runs is not deleted by accident.
	status_is 75 vmsched delete t
	err_is 'vmsched: t: 2 of its VMs run; run: vmsched delete -f t'
	table delete -f t >deleted
	[[ $(<deleted) == $'t-web-1\tremoved\tremove\nt-db-1\tremoved\tremove' ]]
	[[ -z $(vm_pids) && -z $(vmls -Ho name) ]]
	status_is 66 vmsched status t
}

@test "killed anywhere in the middle, the next apply completes" {
	manifest
	for fault in rename:1:kill rename:2:kill rename:3:kill link:2:kill; do
		VMPIPE_FAULT=$fault run vmsched apply shop.yaml
		[[ $status != 0 ]]
	done
	table apply shop.yaml >applied
	[[ $(cut -f 1,2 applied) == $'t-db-1\tready\nt-web-1\tready' ]]
	[[ $(vm_pids | wc -w) == 2 ]]
}

@test "a role that is not ready holds back those that come after it" {
	manifest
	# it never says this
	sed -i '$d' shop.yaml
	echo '    ready: {serial: "no such word", timeout: 1s}' >>shop.yaml
	status_is 69 vmsched apply -Ho role,state,error.tool shop.yaml
	out_is $'db\tfailed\tvmdeploy\nweb\tfailed\tvmsched'
	[[ $(vmls -Ho name) == t-db-1 ]]
}
