# vmls: what it lists is true now, and it only reads.

load ../lib/common

# A store with one image, alias base, and the VMs box and shop-web-{2,10}.
make_store()
{
	head -c 1M </dev/urandom >base.raw
	vmfetch -a base ./base.raw | vmclone box shop-web-2 shop-web-10 >cloned
}

# edit NAME JQ: changes what is stored of a VM.
edit()
{
	local file=$VMPIPE_ROOT/vms/$1/vm.json

	jq -c "$2" "$file" >edited && cat edited >"$file"
}

@test "the table, and lines for scripts" {
	make_store
	status_is 0 vmls -o name,state,image.alias,image.generation,drift
	out_is "NAME        STATE  IMAGE GEN DRIFT
box         cloned base  1   -
shop-web-2  cloned base  1   -
shop-web-10 cloned base  1   -"
	err_is ''
	status_is 0 vmls -Ho name,state 'shop-*'
	out_is $'shop-web-2\tcloned\nshop-web-10\tcloned'
	status_is 0 vmls
	[[ ${lines[0]} =~ ^NAME\ +STATE\ +IMAGE\ +GEN\ +ADDRESS\ +PORT\ +USED\ +DRIFT$ ]]
}

@test "records: public, whole, one a line" {
	make_store
	status_is 0 vmls --json box
	[[ $(jq -r '.name + " " + .kind' <<<"$output") == 'box vm' ]]
	[[ $(jq 'has("private") or has("used")' <<<"$output") == false ]]
	[[ -n $(jq -r '.identity.ssh_host_keys[0]' <<<"$output") ]]
	grep -q PRIVATE "$VMPIPE_ROOT/vms/box/vm.json"
	[[ $output != *PRIVATE* ]]
	status_is 0 vmls --json -o name,image.alias box
	out_is '{"name":"box","image":{"alias":"base"}}'
}

@test "a name that is not there is 66; a wildcard that matches nothing is not" {
	make_store
	status_is 66 vmls -Ho name box absent
	out_is box
	err_is 'vmls: absent: no such VM; run: vmls -t vm'
	status_is 0 vmls -Ho name 'absent-*'
	out_is ''
	err_is ''
}

@test "recorded as running, with nobody holding the lock: stopped" {
	make_store
	edit box '.state = "running"'
	edit shop-web-2 '.state = "ready"'
	exec {lock}<"$VMPIPE_ROOT/vms/shop-web-2/lock"
	flock -n "$lock"
	status_is 0 vmls -Ho name,state
	out_is $'box\tstopped\nshop-web-2\tready\nshop-web-10\tcloned'
	status_is 0 vmls -Ho name --state ready --state stopped
	out_is $'box\nshop-web-2'
	exec {lock}<&-
	status_is 0 vmls -Ho name --state ready
	out_is ''
	status_is 64 vmls --state runing
	err_has 'did you mean running?'
}

@test "drift follows the alias, forward and back" {
	make_store
	edit box '.drift = ["machine"]'
	head -c 1M </dev/urandom >newer.raw
	vmfetch -a base ./newer.raw >fetched
	status_is 0 vmls -Ho name,drift,image.generation
	out_is $'box\timage,machine\t1\nshop-web-2\timage\t1\nshop-web-10\timage\t1'
	status_is 0 vmls -t image -Ho name,current
	out_is $'base@1\tfalse\nbase@2\ttrue'
	vmfetch -a base base@1 >fetched
	status_is 0 vmls -Ho drift
	out_is $'machine\n-\n-'
}

@test "images: what they take up, how many hard links they have elsewhere" {
	make_store
	status_is 0 vmls -t image -pHo name,state,image.virtual_size,clones
	out_is $'base@1\tfetched\t1048576\t3'
	status_is 0 vmls -t image -pHo used base
	[[ $output == $(($(stat -c '%b*%B' "$VMPIPE_ROOT"/images/*/*.raw))) ]]
	id=$(vmls -t image -Ho image.id)
	status_is 0 vmls -t image -Ho name "$id" 'bas?' 'base@*'
	out_is base@1
	status_is 0 vmls -pHo used,refer box
	[[ ${output%$'\t'*} -lt ${output#*$'\t'} ]]
	status_is 0 vmls -t layer
	out_is ''
	status_is 64 vmls -t images
	err_has 'did you mean image?'
}

@test "a mistyped field is pointed out" {
	make_store
	status_is 0 vmls -Ho nmae,spec.memory box
	out_is $'-\t-'
	err_is 'vmls: -o nmae: no record has it (did you mean name?)'
}

@test "volumes: whose, how large, attached or orphan" {
	make_store
	vmclone --from base box2 >/dev/null --set \
	    'volumes=[{name: data, size: 64M, mount: /srv}, {name: log, size: 1G}]'
	dd if=/dev/urandom of="$VMPIPE_ROOT/volumes/box2-log/disk.raw" bs=64K \
	    count=1 conv=notrunc status=none
	status_is 0 vmls -t volume -pHo name,state,vm,size,mount
	out_is $'box2-data\tattached\tbox2\t67108864\t/srv
box2-log\tattached\tbox2\t1073741824\t-'
	status_is 0 vmls -t volume -pHo name,used,refer 'box2-l*'
	out_is $'box2-log\t65536\t65536'
	vmrm -q box2 >/dev/null
	status_is 0 vmls -t volume -Ho name,state,size box2
	out_is $'box2-data\torphan\t64M\nbox2-log\torphan\t1G'
	status_is 0 vmls -t volume box2-data
	[[ ${lines[0]} == NAME*STATE*VM*SIZE*USED*MOUNT ]]
	status_is 0 vmls -t volume -o help
	out_has mount
	echo '{' >"$VMPIPE_ROOT/volumes/box2-log/volume.json"
	status_is 65 vmls -t volume -Ho name,error.code
	out_is $'box2-data\t-\nbox2-log\tvolume_damaged'
	err_has 'vmls: volume box2-log: volume.json: damaged: '
	rm -r "$VMPIPE_ROOT/volumes/box2-log"
	status_is 66 vmls -t volume none
	err_has 'none: no such volume; run: vmls -t volume'
}

@test "--why: a VM whose data disk stands on it" {
	make_store
	head -c 65536 /dev/urandom >tools.raw
	vmfetch -qa tools ./tools.raw >/dev/null
	vmclone --from base box2 --set 'disks=[{name: t, image: tools}]' \
	    >/dev/null
	status_is 0 vmls --why tools -Ho kind,name,why
	out_has $'vm\tbox2\ta further disk stands on it'
	status_is 0 vmgc --keep 0 -o kind,name -H
	[[ $output != *image* ]]
	status_is 0 vmls -t image -Ho name tools@1
}

@test "old disks of upgrades: whose, of which generation, what they take" {
	make_store
	mv "$VMPIPE_ROOT/vms/shop-web-2" "$VMPIPE_ROOT/old/shop-web-2.3"
	cp -a "$VMPIPE_ROOT/vms/box" "$VMPIPE_ROOT/old/other.1"
	status_is 65 vmls -t old -Ho name,vm,image.alias,image.generation shop\*
	out_is $'shop-web-2.3\tshop-web-2\tbase\t1'
	err_has 'old/other.1: vm.json is of something else'
	rm -r "$VMPIPE_ROOT/old/other.1"
	status_is 0 vmls -t old --json shop-web-2
	jq -e '.kind == "old" and .name == "shop-web-2.3" and .used > 0 and
	    .vm == "shop-web-2" and .refer > .used' <<<"$output"
	[[ $output != *private* ]]
	status_is 66 vmls -t old box
	err_has 'box: no such old disk; run: vmls -t old'
}

@test "sorting, also the other way round" {
	make_store
	dd if=/dev/urandom of="$VMPIPE_ROOT/vms/shop-web-2/disk.qcow2" bs=1M \
	    seek=1 count=1 conv=notrunc status=none
	status_is 0 vmls -Ho name -s used -d
	[[ ${lines[0]} == shop-web-2 ]]
	status_is 0 vmls -Ho name -d
	out_is $'shop-web-10\nshop-web-2\nbox'
}

@test "--why lists all that keeps an image, also in the trash" {
	make_store
	mv "$VMPIPE_ROOT/vms/box" "$VMPIPE_ROOT/trash/box.1"
	status_is 0 vmls --why base@1 -Ho kind,name,why
	out_is $'alias\tbase@1\tcurrent generation
vm\tshop-web-2\tclone of it
vm\tshop-web-10\tclone of it
trash\tbox.1\tin the trash'
	status_is 66 vmls --why absent
	out_is ''
	err_has 'absent: no such alias'
}

@test "--tree: images, and clones of an image that is gone" {
	make_store
	status_is 0 vmls --tree
	[[ ${lines[0]} == NAME*KIND*STATE*USED*REFER*NOTE ]]
	[[ ${lines[1]} =~ ^base@1\ +image\ +fetched ]]
	[[ ${lines[2]} =~ box\ +vm\ +cloned ]]
	[[ ${#lines[@]} == 5 ]]
	mv "$VMPIPE_ROOT"/images/* "$VMPIPE_ROOT/quarantine/"
	status_is 0 vmls --tree
	[[ ${lines[1]} =~ ^base@1\ +image\ +removed ]]
	[[ ${lines[4]} =~ shop-web-10\ +vm ]]
	status_is 64 vmls --tree -t image
	status_is 64 vmls --tree box
}

@test "--tree and --why: copies, volumes, old disks, further disks, trash" {
	requires qemu-io
	make_store
	vmrm -q shop-web-2 shop-web-10 >/dev/null
	head -c 65536 /dev/urandom >tools.raw
	vmfetch -qa tools --lease 1d ./tools.raw >/dev/null
	vmclone --from base --set 'volumes=[{name: data, size: 8M, mount: /srv}]' \
	    --set 'disks=[{name: t, image: tools}]' db >/dev/null
	vmclone --from base --mode copy full >/dev/null
	vmsnap box@before >/dev/null
	status_is 0 vmls --tree -Ho kind,name,note
	out_has $'\nvm\tbox\tsnapshots: before\n'
	vmclone --from box copy >/dev/null
	vmclone --from copy again >/dev/null
	# a copy of its own copy is in no circle
	vmrm -q box >/dev/null
	vmclone --from copy box >/dev/null
	mkdir "$VMPIPE_ROOT/volumes/gone-data"
	cp "$VMPIPE_ROOT"/volumes/db-data/* "$VMPIPE_ROOT/volumes/gone-data"
	sed -i 's/"vm":"db"/"vm":"gone"/' "$VMPIPE_ROOT/volumes/gone-data/volume.json"
	cp -al "$VMPIPE_ROOT/vms/db" "$VMPIPE_ROOT/old/db.1"
	before=$(snapshot)
	status_is 0 vmls --tree -Ho depth,kind,name,on,note
	err_is ''
	out_is $'0\timage\tbase@1\t-\tcurrent
1\tvm\tbox\tbase@1\tcopy of copy
1\tvm\tcopy\tbase@1\tcopy of box
2\tvm\tagain\tcopy\tcopy of copy
1\tvm\tdb\tbase@1\t-
2\tvolume\tdb-data\tdb\tat /srv
2\told\tdb.1\tdb\tvmupgrade --rollback db
1\tvm\tfull\tbase@1\tcopy, needs nothing below
1\ttrash\tbox.1\tbase@1\tvmrm --undo box
1\ttrash\tshop-web-10.1\tbase@1\tvmrm --undo shop-web-10
1\ttrash\tshop-web-2.1\tbase@1\tvmrm --undo shop-web-2
0\timage\ttools@1\t-\t'"$(lease_of tools)"$'
1\tdisk\tdb:t\ttools@1\tdisk of db
0\tvolume\tgone-data\t-\tat /srv'
	status_is 0 vmls --tree --json
	[[ $(jq -s 'length' <<<"$output") == 14 && $output != *private* ]]
	status_is 0 vmls --tree
	[[ $output == *'─box '* && ${#lines[@]} == 15 ]]
	status_is 0 vmls --why base -Ho kind,name,why
	out_is $'alias\tbase@1\tcurrent generation
vm\tagain\tcopy of copy, a clone of it
vm\tbox\tcopy of copy, a clone of it
vm\tcopy\tcopy of box, a clone of it
vm\tdb\tclone of it
old\tdb.1\twhat db was before an upgrade
trash\tbox.1\tin the trash
trash\tshop-web-10.1\tin the trash
trash\tshop-web-2.1\tin the trash'
	[[ $(snapshot) == "$before" ]]
}

lease_of() { echo "current; leased until $(vmls -t image -Ho lease "$1")"; }

@test "--format: for ssh, hosts(5) and Ansible" {
	make_store
	edit box '.ssh = {user: "root", host: "127.0.0.1", port: 40022}
	    | .identity.nics = [{address: "10.1.2.3/24"}]'
	status_is 0 vmls --format ssh-config
	out_has "Host box
	HostName 127.0.0.1
	Port 40022"
	vmls --format ssh-config >config
	ssh -G -F config box | grep -qx 'port 40022'
	vmls --format known-hosts box >known
	ssh-keygen -l -F '[127.0.0.1]:40022' -f known | grep -q ED25519
	ssh-keygen -l -F box -f known | grep -q ED25519
	status_is 0 vmls --format hosts box
	out_is $'10.1.2.3\tbox'
	status_is 0 vmls --format ansible box
	out_is "[ungrouped]
box ansible_host=127.0.0.1 ansible_port=40022 ansible_user=root"
	status_is 64 vmls --format ssh
	status_is 64 vmls --format hosts --json
}

@test "a damaged VM is listed as failed, the others as ever" {
	make_store
	echo '{"vmpipe":1,' >"$VMPIPE_ROOT/vms/box/vm.json"
	status_is 65 vmls -Ho name,state
	out_is $'box\tfailed\nshop-web-2\tcloned\nshop-web-10\tcloned'
	[[ $stderr == 'vmls: '*box* && $stderr != *$'\n'* ]]
}

@test "text in a record cannot drive the terminal or break a line" {
	make_store
	edit box '.note = "a\u001b[31m\tb\nc"'
	status_is 0 vmls -o note box
	out_is 'NOTE
a\x1b[31m\tb\nc'
	status_is 0 vmls -Ho note box
	out_is $'a\e[31m\\tb\\nc'
}

@test "it only reads" {
	make_store
	edit box '.state = "running"'
	before=$(snapshot)
	vmls
	vmls --json
	vmls -t image
	vmls --tree
	vmls --why base
	vmls --format hosts
	[[ $(snapshot) == "$before" ]]
}

@test "no store: 66, and what to do" {
	status_is 66 vmls
	out_is ''
	err_is "vmls: $VMPIPE_ROOT: no store there yet; run: vmfetch SOURCE"
	[[ ! -e $VMPIPE_ROOT ]]
}

@test "10,000 VMs are listed within a second of work" {
	make_store
	cd "$VMPIPE_ROOT/vms"
	perl -e '
		open my $in, "<", "box/vm.json" or die; my $json = <$in>;
		for my $i (1 .. 10000) {
			my $name = sprintf "many-%05d", $i;
			mkdir $name and link "box/lock", "$name/lock" or die;
			(my $own = $json) =~ s/"name":"box"/"name":"$name"/;
			open my $out, ">", "$name/vm.json" or die;
			print $out $own; close $out or die;
			chmod 0600, "$name/vm.json";
		}'
	TIMEFORMAT='%U %S'
	{ time vmls -Ho name,state,drift >"$BATS_TEST_TMPDIR/list"; } \
	    2>"$BATS_TEST_TMPDIR/time"
	[[ $(wc -l <"$BATS_TEST_TMPDIR/list") == 10003 ]]
	# The bound is the plain build's, not valgrind's or a variant's.
	[[ -n ${RUN:-} || $VMPIPE_BUILD != */build ]] ||
	    awk '{ exit !($1 + $2 < 1) }' "$BATS_TEST_TMPDIR/time"
}
