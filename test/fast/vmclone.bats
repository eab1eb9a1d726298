# vmclone: names, identity, drift, all or nothing.

load ../lib/common

# An image called base in the store; its record in base.json.
setup()
{
	fresh
	head -c 4194304 /dev/urandom >base.raw
	vmfetch -a base ./base.raw >base.json
}

# role JSON [JQ]: an image record of shop/web with this role on stdout.
role()
{
	jq -c --argjson role "$1" '.service = "shop" | .role = "web" |
	    .spec = ($role + {image: {source: "base"}})'" ${2:-}" base.json
}

names() { jq -r .name <<<"$output" | paste -sd ' '; }

@test "clones of a role: names, indices, a chain that qemu-img finds whole" {
	role '{"replicas": 2}' >in
	status_is 0 vmclone <in
	err_is ''
	[ "$(names)" = 'shop-web-1 shop-web-2' ]
	jq -e '.kind == "vm" and .state == "cloned" and .drift == [] and
	    (.disks[0].path | startswith("/")) and .image.virtual_size == 4194304 and
	    (has("private") | not)' <<<"$output"
	for vm in "$VMPIPE_ROOT"/vms/*; do
		qemu-img check -q "$vm/disk.qcow2"
		[ "$(stat -c %a "$vm/vm.json")" = 600 ]
		qemu-img convert -f qcow2 -O raw "$vm/disk.qcow2" out
		cmp out base.raw
	done
	[ "$(stat -c '%h %a' "$VMPIPE_ROOT"/images/*/*.raw)" = '3 444' ]
	no_litter
}

@test "identity: complete, unlike any other, the private half stays here" {
	status_is 0 vmclone -c 20 <base.json
	for member in uuid machine_id instance_id generation_id \
	    ssh_host_keys.0 nics.0.mac; do
		[ "$(jq -r --arg m "$member" 'getpath(["identity"] +
		    ($m | split(".") | map(tonumber? // .)))' <<<"$output" |
		    sort -u | grep -vc null)" = 20 ]
	done
	jq -e '.identity | .uuid | test("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")' \
	    <<<"$output"
	jq -e '.identity.nics[0].mac | test("^52(:[0-9a-f]{2}){5}$")' <<<"$output"
	[[ $output != *PRIVATE* ]]
	grep -q 'OPENSSH PRIVATE KEY' "$VMPIPE_ROOT/vms/base-1/vm.json"
	jq -r '.private.ssh_host_keys[0].private' \
	    "$VMPIPE_ROOT/vms/base-1/vm.json" >key
	chmod 600 key
	[ "$(ssh-keygen -y -f key)" = \
	    "$(jq -r '.identity.ssh_host_keys[0]' <<<"$output" | head -n 1)" ]
}

@test "run again, nothing changes" {
	role '{"replicas": 3}' >in
	vmclone <in >first
	before=$(snapshot)
	status_is 0 vmclone <in
	err_is ''
	[ "$before" = "$(snapshot)" ]
	[ "$(jq -c '[.name, .identity, .disks, .drift]' first)" = \
	    "$(jq -c '[.name, .identity, .disks, .drift]' <<<"$output")" ]
	# one is removed: its index is the free one
	vmrm shop-web-2 >/dev/null
	status_is 0 vmclone <in
	[ "$(names)" = 'shop-web-1 shop-web-2 shop-web-3' ]
	[ "$(jq -s '.[0].identity.uuid == .[1].identity.uuid' \
	    <(sed -n 2p first) <(sed -n 2p <<<"$output"))" = false ]
}

@test "never started and wanted otherwise: built again, the identity kept" {
	role '{}' | vmclone >first
	role '{"disk": "1G", "memory": "1G"}' >in
	status_is 0 vmclone <in
	without='.identity | del(.generation_id)'
	[ "$(jq -c "$without" first)" = "$(jq -c "$without" <<<"$output")" ]
	# its guest is told that its disk is not what it was
	[ "$(jq .identity.generation_id first)" != \
	    "$(jq .identity.generation_id <<<"$output")" ]
	[ "$(qemu-img info --output=json "$VMPIPE_ROOT/vms/shop-web-1/disk.qcow2" |
	    jq '."virtual-size"')" = 1073741824 ]
	no_litter
}

@test "a disk that has run is left alone and its drift listed" {
	role '{}' | vmclone >/dev/null
	jq '.started = true' "$VMPIPE_ROOT/vms/shop-web-1/vm.json" >x
	cat x >"$VMPIPE_ROOT/vms/shop-web-1/vm.json"
	before=$(snapshot)
	role '{"disk": "1G", "cpus": 2}' >in
	status_is 0 vmclone <in
	[ "$(jq -c .drift <<<"$output")" = '["disk","machine"]' ]
	[ "$before" = "$(snapshot)" ]
}

@test "a name that is another's: 73, and both are untouched" {
	role '{}' | vmclone shop-db-1 >/dev/null
	before=$(snapshot)
	role '{}' '| .role = "db"' >in
	status_is 73 vmclone <in
	err_has 'vmclone: shop-db-1: the name belongs to service shop, role web; run: vmrm shop-db-1'
	[ "$(jq -r '.state + " " + .error.code' <<<"$output")" = 'failed name_taken' ]
	[ "$before" = "$(snapshot)" ]
}

@test "what is in the way under vms/: 73 or refused, never followed (C05)" {
	mkdir -p "$VMPIPE_ROOT/vms" elsewhere
	mkdir "$VMPIPE_ROOT/vms/base-1"
	ln -s /nowhere "$VMPIPE_ROOT/vms/base-2"
	ln -s "$PWD/elsewhere" "$VMPIPE_ROOT/vms/base-3"
	echo x >"$VMPIPE_ROOT/vms/base-4"
	before=$(snapshot vms)
	status_is 73 vmclone base-1 base-2 base-3 base-4 base-5 <base.json
	[ "$(jq -r .state <<<"$output" | paste -sd ' ')" = \
	    'failed failed failed failed cloned' ]
	rm -r "$VMPIPE_ROOT/vms/base-5"
	[ "$before" = "$(snapshot vms)" ]
	[ -z "$(ls elsewhere)" ]
}

@test "names that cannot be: 64 and nothing made (C11)" {
	for name in A a_b 'a b' -- "$(printf 'x%.0s' {1..64})" 'a:b' $'a\nb' ä; do
		[ "$name" != -- ] || name=''
		status_is 64 vmclone -- "$name" <base.json
		[ ! -d "$VMPIPE_ROOT/vms" ] || [ -z "$(ls "$VMPIPE_ROOT/vms")" ]
	done
	status_is 64 vmclone ../x <base.json
	status_is 64 vmclone -rf <base.json
	status_is 64 vmclone -c 2 a b <base.json
	status_is 64 vmclone a a <base.json
}

@test "sizes that cannot be: 64 and nothing made (C12)" {
	for size in 1K 0 4194305 9223372036854775808 2P; do
		status_is 64 vmclone --set "disk=$size" x <base.json ||
		    [ "$status" = 65 ]
		[ ! -e "$VMPIPE_ROOT/vms/x" ]
		no_litter
	done
	status_is 64 vmclone --set disk=2M x <base.json
	err_has 'smaller than the image'
}

@test "an image that is not there, or not as published (C13)" {
	jq -c '.image.id = ("0" * 64)' base.json >in
	status_is 66 vmclone <in
	err_has 'run: vmfetch base'
	chmod u+w "$VMPIPE_ROOT"/images/*/*.raw
	status_is 65 vmclone <base.json
	[ "$(jq -r .error.code <<<"$output")" = image_changed ]
}

@test "jq edits the stream, the next command obeys" {
	jq -c '.indices = [5, 9] | .spec.memory = "3G" | .note = {a: 1}' base.json >in
	status_is 0 vmclone <in
	[ "$(names)" = 'base-5 base-9' ]
	[ "$(jq -c '[.spec.memory, .note]' <<<"$output" | uniq)" = '["3G",{"a":1}]' ]
}

@test "failed and broken records: passed on, or told, the others made" {
	jq -c '.state = "failed" | .error = {tool: "vmfetch", status: 65,
	    code: "x", message: "m", retryable: false}' base.json >in
	echo '{"vmpipe":1,' >>in
	cat base.json >>in
	status_is 65 vmclone <in
	[ "$(jq -r '.state + " " + (.error.tool // "-")' <<<"$output" |
	    paste -sd ,)" = 'failed vmfetch,failed vmclone,cloned -' ]
	status_is 66 vmclone </dev/null
	status_is 0 vmclone -r </dev/null
	out_is ''
	status_is 1 vmclone < <(sed -n 1p in)
	err_is ''
}

@test "--from an alias, a generation, an id; --name; --set" {
	id=$(jq -r .image.id base.json)
	for from in base base@1 "$id" "${id:0:12}"; do
		status_is 0 vmclone --from "$from" --name 'n{{index}}' -c 2 \
		    --set cpus=3
		[ "$(names)" = 'n1 n2' ]
	done
	[ "$(jq .spec.cpus <<<"$output" | uniq)" = 3 ]
	status_is 66 vmclone --from nonsense
	status_is 64 vmclone --from base --set 'cpu=3' y
	err_has cpus
	[ ! -e "$VMPIPE_ROOT/vms/y" ]
}

@test "--from a VM copies its disk, with an identity of its own" {
	vmclone --from base box >first
	disk=$VMPIPE_ROOT/vms/box/disk.qcow2
	qemu-io -f qcow2 -c 'write -P 65 0 64k' "$disk" >/dev/null
	status_is 64 vmclone --from box
	status_is 0 vmclone --from box copy
	for member in uuid generation_id machine_id instance_id nics \
	    ssh_host_keys; do
		[ "$(jq -c ".identity.$member" first)" != \
		    "$(jq -c ".identity.$member" <<<"$output")" ]
	done
	[ "$(jq -r .copy_of <<<"$output")" = box ]
	copy=$VMPIPE_ROOT/vms/copy/disk.qcow2
	qemu-img compare -q -f qcow2 -F qcow2 "$disk" "$copy"
	qemu-img check -q "$copy"
	rm -r "$VMPIPE_ROOT/vms/box" "$VMPIPE_ROOT/images"
	qemu-img check -q "$copy"
	qemu-io -f qcow2 -c 'read -P 65 0 64k' "$copy" | grep -q 'read 65536'
	exec 9<"$VMPIPE_ROOT/vms/copy/lock"
	flock 9
	status_is 75 vmclone --from copy another
	err_has 'run: vmstop copy'
}

@test "--from a VM: one that is there and is no copy of it is not passed for one" {
	vmclone --from base box other >/dev/null
	vmclone --from box copy | jq -r .identity.uuid >first
	status_is 0 vmclone --from box copy
	[ "$(jq -r .identity.uuid <<<"$output")" = "$(cat first)" ]
	for name in other box; do
		status_is 73 vmclone --from box "$name"
		[ "$(jq -r .error.code <<<"$output")" = name_taken ]
		err_has 'no copy of box'
	done
	jq -e '.copy_of == null' "$VMPIPE_ROOT/vms/other/vm.json"
}

@test "built again, it knows what was applied by hand" {
	json=$VMPIPE_ROOT/vms/box/vm.json
	vmclone --from base box >/dev/null
	jq -c '.applied = {customize: "c", instance: "i", identity: "n",
	    operations: [{mkdir: "/srv"}]}' "$json" >new
	cat new >"$json"
	status_is 0 vmclone --from base --set cpus=2 box
	err_has 'without what was applied by hand; run: vmcustomize box'
	for record in "$output" "$(cat "$json")"; do
		[ "$(jq -c .applied <<<"$record")" = '{"operations":[{"mkdir":"/srv"}]}' ]
	done
	status_is 0 vmclone -q --from base --set cpus=2 box
	err_is ''
}

@test "private networks: addresses known, unique, kept; a card for ssh" {
	role '{"replicas": 3, "networks": [{"private": "shop"}]}' >in
	vmclone <in >first
	[ "$(jq -r '.identity.nics[0].address' first | sort -u | wc -l)" = 3 ]
	jq -e '.identity.nics[0].address | test("^10\\.[0-9]+\\.[0-9]+\\.1[1-3]/20$")' first
	[ "$(jq -c '.identity.nics[1] | [.network, .management]' first | uniq)" = \
	    '["user",true]' ]
	# another role of the same service goes on where this one ended
	role '{"networks": [{"private": "shop"}]}' '| .role = "db"' >in
	status_is 0 vmclone <in
	jq -e '.identity.nics[0].address | endswith(".14/20")' <<<"$output"
}

@test "a MAC that is given: taken only once (C17)" {
	role '{"networks": [{"user": true, "mac": "52:54:00:12:34:56"}]}' >in
	status_is 0 vmclone a <in
	[ "$(jq -r '.identity.nics[0].mac' <<<"$output")" = 52:54:00:12:34:56 ]
	status_is 73 vmclone b <in
	err_has 'a has it'
	[ ! -e "$VMPIPE_ROOT/vms/b" ]
}

@test "a MAC or UUID given to many at once: one gets it (C17)" {
	role '{"networks": [{"user": true, "mac": "52:54:00:AB:CD:EF"}]}' >in
	for i in {1..12}; do
		vmclone "m-$i" <in >"mac-$i" 2>/dev/null &
		vmclone --from base --uuid "$uuid" "u-$i" >"uuid-$i" 2>/dev/null &
	done
	wait
	for what in mac uuid; do
		[ "$(cat "$what"-* | jq -r '.error.code // .state' | sort |
		    uniq -c | tr -s ' ' | paste -sd ,)" = \
		    " 1 cloned, 11 ${what}_taken" ]
	done
	[ "$(vmls -H -o name | wc -l)" = 2 ]
	[ "$(cat mac-* | jq -r 'select(.error | not).identity.nics[0].mac')" = \
	    52:54:00:ab:cd:ef ]
}

uuid=5d0c9c1e-6c0f-4a5e-9b1c-2f6a0f0c7d11

@test "--uuid: checked, in lower case, once in a store, of one VM (C17)" {
	status_is 0 vmclone --from base --uuid "${uuid^^}" a
	[ "$(jq -r .identity.uuid <<<"$output")" = "$uuid" ]
	status_is 0 vmclone --from base --uuid "$uuid" a
	before=$(snapshot vms)
	status_is 73 vmclone --from base --uuid "$uuid" b
	err_is "vmclone: b: UUID $uuid: a has it"
	status_is 73 vmclone --from base --uuid "${uuid/5d/6d}" a
	err_has "a: it is there, with the UUID $uuid; run: vmrm a"
	for bad in x "$uuid-" '' 00000000-0000-0000-0000-000000000000; do
		status_is 64 vmclone --from base --uuid "$bad" c
		err_has '--uuid: "'
	done
	status_is 64 vmclone --from base --uuid "${uuid/5d/6d}" -c 2
	err_has '--uuid is for one VM, not for 2'
	status_is 64 vmclone --uuid "${uuid/5d/6d}" < <(cat base.json base.json)
	[ "$before" = "$(snapshot vms)" ]
	no_litter
}

@test "--index: exactly these, found again, names by pattern" {
	role '{"replicas": 2}' >in
	status_is 0 vmclone --index 9,3-5 <in
	[ "$(names)" = 'shop-web-3 shop-web-4 shop-web-5 shop-web-9' ]
	[ "$(jq -r .index <<<"$output" | paste -sd ' ')" = '3 4 5 9' ]
	before=$(snapshot)
	status_is 0 vmclone --index 4 <in
	[ "$(names)" = shop-web-4 ]
	[ "$before" = "$(snapshot)" ]
	# it wins over the record's own; -c does not make these again
	status_is 0 vmclone --index 7 < <(jq -c '.indices = [1, 2]' in)
	[ "$(names)" = shop-web-7 ]
	status_is 0 vmclone --from base --index 2-3 --name 'n{{index+10}}'
	[ "$(names)" = 'n12 n13' ]
	status_is 64 vmclone --from base --index 2-3 --name n
	err_has 'needs {{index}} for more than one VM'
}

@test "--index: what is no set is refused, and so are other ways to count" {
	for set in '' 0 3- 7-3 1,1 x 1-999999 '1, 2'; do
		status_is 64 vmclone --from base --index "$set"
		err_has "--index \"$set\": "
	done
	status_is 64 vmclone --from base --index 1 -c 2
	err_has 'no -c and no names with it'
	status_is 64 vmclone --from base --index 1 a
	[ ! -d "$VMPIPE_ROOT/vms" ] || [ -z "$(ls "$VMPIPE_ROOT/vms")" ]
}

@test "--host-key: those types, which OpenSSH reads; all are known hosts" {
	status_is 0 vmclone --from base --host-key rsa --host-key ecdsa \
	    --host-key ed25519 --host-key rsa box
	[ "$(jq -r '.identity.ssh_host_keys[] | split(" ")[0]' <<<"$output" |
	    paste -sd ' ')" = 'ssh-ed25519 ecdsa-sha2-nistp256 ssh-rsa' ]
	for i in 0 1 2; do
		jq -r ".private.ssh_host_keys[$i].private" \
		    "$VMPIPE_ROOT/vms/box/vm.json" >key
		chmod 600 key
		[ "$(ssh-keygen -y -f key)" = \
		    "$(jq -r ".identity.ssh_host_keys[$i]" <<<"$output")" ]
	done
	[ "$(ssh-keygen -l -f key | cut -d' ' -f1)" = 3072 ]
	[ "$(vmls --format known-hosts | cut -d' ' -f2 | sort | paste -sd ' ')" = \
	    'ecdsa-sha2-nistp256 ssh-ed25519 ssh-rsa' ]
	status_is 64 vmclone --from base --host-key dsa other
	err_has '--host-key: no type of host key: "dsa"; ed25519, ecdsa or rsa'
	status_is 64 vmclone --from base --host-key rsa --no-host-keys other
	[ ! -e "$VMPIPE_ROOT/vms/other" ]
}

@test "two batches on the same networks, named in another order, do not block" {
	role '{"networks": [{"private": "a"}, {"private": "b"}]}' >ab
	role '{"networks": [{"private": "b"}, {"private": "a"}]}' >ba
	for i in {1..10}; do
		vmclone "ab-$i" <ab >"out-ab-$i" &
		vmclone "ba-$i" <ba >"out-ba-$i" &
	done
	wait
	[ "$(cat out-* | jq -r .state | sort | uniq -c | tr -s ' ')" = ' 20 cloned' ]
	[ "$(cat out-* | jq -r '.identity.nics[] | select(.address) |
	    .network + .address' | sort |
	    uniq -d)" = '' ]
}

@test "-n says what would be done and touches nothing" {
	before=$(snapshot)
	status_is 0 vmclone -n -c 2 <base.json
	[ "$(jq -r .planned <<<"$output" | uniq)" = make ]
	err_has 'vmclone: base-1: would be made'
	[ "$before" = "$(snapshot)" ]
}

@test "disk full, once at each point: told, nothing half made, then it works" {
	for point in mkdir open write fsync fsync_dir link rename; do
		status_is 74 env VMPIPE_FAULT="$point:1:ENOSPC" \
		    vmclone "v-${point/_/-}" <base.json
		[ ! -e "$VMPIPE_ROOT/vms/v-${point/_/-}" ]
		status_is 0 vmclone "v-${point/_/-}" <base.json
		no_litter
	done
	status_is 71 env VMPIPE_FAULT=link:1:EMLINK vmclone l <base.json
	status_is 73 env VMPIPE_FAULT=link:1:EXDEV vmclone l <base.json
	no_litter
}

@test "one of a batch fails: the others are made" {
	status_is 74 env VMPIPE_FAULT=link:3:ENOSPC vmclone -j 1 -c 5 <base.json
	[ "$(jq -r .state <<<"$output" | sort | uniq -c | tr -s ' ' | paste -sd ,)" = \
	    ' 4 cloned, 1 failed' ]
	status_is 0 vmclone -c 5 <base.json
	[ "$(find "$VMPIPE_ROOT/vms" -mindepth 1 -maxdepth 1 | wc -l)" = 5 ]
}

@test "killed at each point: absent or complete, the next run completes (C03)" {
	for point in mkdir open write fsync fsync_dir link rename; do
		for nth in 1 2 3 4; do
			VMPIPE_FAULT="$point:$nth:kill" vmclone -j 1 -c 2 \
			    <base.json >/dev/null 2>&1 || :
			for vm in "$VMPIPE_ROOT"/vms/*/; do
				[ -e "$vm" ] || continue
				qemu-img check -q "$vm/disk.qcow2"
				jq -e .identity.uuid "$vm/vm.json" >/dev/null
			done
			vmclone -c 2 <base.json >out
			[ "$(jq -r .state out | uniq -c | tr -s ' ')" = ' 2 cloned' ]
			rm -rf "$VMPIPE_ROOT"/vms/*
		done
	done
}

@test "many processes at once: every clone valid, none lost (C01)" {
	for i in {1..60}; do
		vmclone --from base "p-$i" >"out-$i" &
	done
	wait
	[ "$(cat out-* | jq -r .state | sort | uniq -c | tr -s ' ')" = ' 60 cloned' ]
	[ "$(stat -c %h "$VMPIPE_ROOT"/images/*/*.raw)" = 61 ]
	no_litter
}

@test "the same VM asked for many times at once: one VM" {
	for i in {1..20}; do
		vmclone --from base one >"out-$i" &
	done
	wait
	[ "$(cat out-* | jq -r .identity.uuid | sort -u | wc -l)" = 1 ]
	[ "$(cat out-* | jq -r .state | sort -u)" = cloned ]
	no_litter
}

@test "a batch of 1,000 shares its sync, and is complete" {
	status_is 0 env VMPIPE_FAULT_LOG="$PWD/log" vmclone -c 1000 -o name <base.json
	[ "$(find "$VMPIPE_ROOT/vms" -mindepth 1 -maxdepth 1 | wc -l)" = 1000 ]
	[ "$(grep -c '^syncfs' log)" -le 4 ]
	[ "$(stat -c %h "$VMPIPE_ROOT"/images/*/*.raw)" = 1001 ]
	no_litter
}
