# vmexport: what is written and what is refused.  Where an identity is removed,
# an appliance is needed: test/vm/vmexport.bats.

load ../lib/common
load ../lib/smalldisk

# A VM box on the image base, its disk written to as its guest would have.
setup()
{
	requires qemu-img qemu-io jq
	fresh
	{ head -c 1048576 /dev/urandom; head -c 3145728 /dev/zero; } >base.raw
	vmfetch -q -a base ./base.raw >/dev/null
	vmclone --from base box >/dev/null
	disk=$VMPIPE_ROOT/vms/box/disk.qcow2
	qemu-io -f qcow2 -c 'write -q -P 7 2M 300k' -c 'write -q -z 512k 64k' \
	    "$disk"
	qemu-img convert -f qcow2 -O raw "$disk" want.raw
}

# is_image FILE FORMAT: what the VM's disk holds, and nothing below it.
is_image()
{
	qemu-img compare -q -f "$2" -F raw "$1" want.raw
	qemu-img info -f "$2" --output=json "$1" | jq -e 'has("backing-filename") | not'
	[[ $2 == raw ]] || qemu-img check -q -f "$2" "$1"
}

@test "each format, by its name and by FILE's; vmfetch gives the same bytes" {
	for case in 'a.qcow2 qcow2' 'b.img raw' 'c.RAW raw' 'd.vmdk vmdk' \
	    'e qcow2' 'f.disk raw -O' 'g vmdk -O'; do
		read -r file format option <<<"$case"
		status_is 0 vmexport --keep-identity \
		    ${option:+"$option" "$format"} box "$file"
		err_is ''
		is_image "$file" "$format"
		[[ $(stat -c '%a %h' "$file") == '600 1' ]]
		jq -e --arg path "$PWD/$file" --arg format "$format" \
		    --arg sum "$(sha256sum <"$file" | cut -d' ' -f1)" \
		    --argjson size "$(stat -c %s "$file")" '.name == "box" and
		    .state == "cloned" and .exported == {path: $path,
		    format: $format, size: $size, sha256: $sum}' <<<"$output"
		id=$(jq -r .exported.sha256 <<<"$output")
		vmfetch -q -a "x-${file%%.*}" "./$file" >fetched.json
		[[ $(jq -r .image.id fetched.json) == "$id" ]]
		cmp "$VMPIPE_ROOT/images/$id/$id.raw" want.raw
	done
	no_litter
}

@test "to standard output: the image and nothing else, taken by vmfetch" {
	for format in qcow2 raw vmdk; do
		status_is 0 bash -o pipefail -c "vmexport --keep-identity \
		    -O $format box - | vmfetch -a $format --image - -Ho image.id"
		err_is ''
		cmp "$VMPIPE_ROOT/images/$output/$output.raw" want.raw
	done
	vmexport -v --keep-identity -O raw box - >stream 2>err
	cmp stream want.raw
	grep -q "sha256 $(sha256sum <stream | cut -d' ' -f1), identity kept" err
	no_litter
}

@test "the VM is that of a record, or of a name, on standard input" {
	vmls --json box >box.json
	status_is 0 bash -c 'vmexport --keep-identity -Ho name a.raw <box.json'
	out_is box
	cmp a.raw want.raw
	echo box | vmexport --keep-identity -O raw - >b.raw
	cmp b.raw want.raw
	status_is 66 vmexport a.qcow2 </dev/null
	err_is 'vmexport: no input: neither names nor records; run: vmexport NAME a.qcow2'
	status_is 64 bash -c '{ cat box.json box.json; } | vmexport a.qcow2'
	err_has 'one VM at a time'
	status_is 65 bash -c 'vmls -t image --json base | vmexport -'
	out_is ''
	err_has 'not of a VM'
	jq -c '.identity.uuid = "00000000-0000-4000-8000-000000000000"' \
	    box.json >stale.json
	status_is 73 bash -c 'vmexport stale.qcow2 <stale.json'
	err_has 'the record is not of the VM in the store'
	[[ ! -e stale.qcow2 ]]
}

@test "what has failed before is not exported" {
	jq -cn '{vmpipe: 1, kind: "vm", name: "box", state: "failed",
	    error: {tool: "vmstop", status: 75, code: "in_use",
	    message: "box: in use", retryable: true}}' >failed.json
	status_is 1 bash -c 'vmexport - <failed.json'
	out_is ''
	status_is 1 bash -c 'vmexport a.qcow2 <failed.json'
	out_is "$(<failed.json)"
	[[ ! -e a.qcow2 ]]
}

@test "-c makes it smaller; the same VM gives the same bytes" {
	head -c 1048576 <(yes) >text
	qemu-io -f qcow2 -c 'write -q -s text 1M 1M' "$disk"
	qemu-img convert -f qcow2 -O raw "$disk" want.raw
	vmexport -q --keep-identity box big.qcow2 >/dev/null
	vmexport -q --keep-identity -c box small.qcow2 >/dev/null
	vmexport -q --keep-identity -c box - | cmp - small.qcow2
	is_image small.qcow2 qcow2
	(($(stat -c %s small.qcow2) < $(stat -c %s big.qcow2) - 900000))
	jq -e '."format-specific".data."compression-type" == "zlib"' < \
	    <(qemu-img info --output=json small.qcow2)
}

@test "raw in a file is sparse" {
	vmexport -q --keep-identity box a.raw >/dev/null
	(($(stat -c '%b * 512' a.raw) < 2000000))
}

@test "a FILE that is there stays as it is; -f replaces it" {
	echo mine >a.qcow2
	status_is 73 vmexport --keep-identity box a.qcow2
	err_is 'vmexport: box: a.qcow2: already there; run: vmexport --force --keep-identity box a.qcow2'
	[[ $(<a.qcow2) == mine ]]
	status_is 0 vmexport -f --keep-identity box a.qcow2
	is_image a.qcow2 qcow2
	status_is 0 vmexport -f --keep-identity box a.qcow2
	[[ -z $(find . -maxdepth 1 -name '.?*' -type f) ]]
}

@test "what is no file is not replaced, not even with -f" {
	mkdir dir
	mkfifo fifo
	echo precious >target
	ln -s target link
	ln -s nowhere dangling
	for file in fifo link dangling; do
		status_is 77 vmexport -f --keep-identity box $file
		err_is "vmexport: box: $file: there is something that is no regular file; run: vmexport -O raw box - >$file"
	done
	[[ $(<target) == precious && -d dir && -p fifo && ! -e nowhere ]]
	for file in dir dir/ . ..; do
		status_is 77 vmexport -f --keep-identity box $file
		err_is "vmexport: box: $file: a directory, not a file in it"
	done
	status_is 66 vmexport --keep-identity box no/a.qcow2
	err_has 'no/: No such file'
	ln -s "$VMPIPE_ROOT/vms/box" inside
	for file in "$disk" inside/disk.qcow2 inside/new.qcow2; do
		status_is 77 vmexport -f --keep-identity box "$file"
		err_has 'in the store'
	done
	qemu-img compare -q -f qcow2 -F raw "$disk" want.raw
	no_litter
}

@test "a FILE in a directory that is not ours to write: said at once" {
	((EUID)) || skip 'expected: root may write everywhere'
	mkdir -m 500 closed
	status_is 77 vmexport box closed/a.qcow2
	err_has 'closed/a.qcow2'
}

@test "-n: what would be written, and nothing is" {
	status_is 0 vmexport -n -Ho planned,state box a.vmdk
	out_is $'export\tcloned'
	err_is 'vmexport: box: would write a.vmdk (vmdk, 4 MiB, identity removed)'
	status_is 0 vmexport -nc --keep-identity box -
	out_is ''
	err_is 'vmexport: box: would write to standard output (qcow2, compressed, 4 MiB, identity kept)'
	[[ ! -e a.vmdk ]]
	touch there.raw
	status_is 73 vmexport -n box there.raw
	no_litter
}

@test "command lines that make no sense: 64" {
	status_is 64 vmexport
	err_has 'one VM and the FILE to write are needed'
	status_is 64 vmexport a b c
	status_is 64 vmexport box ''
	status_is 64 vmexport -O vhd box a
	err_has '-O: qcow2, raw or vmdk'
	status_is 64 vmexport -c box a.raw
	err_has 'raw is never compressed'
	[[ ! -e a && ! -e a.raw ]]
	requires script
	status_is 64 script -qec 'vmexport --keep-identity box -' /dev/null
	out_has 'an image is not written to a terminal'
}

@test "a VM, or a disk, that is not there" {
	status_is 66 vmexport nobody a.qcow2
	err_is 'vmexport: nobody: no such VM; run: vmls'
	status_is 66 vmexport --disk data box a.qcow2
	err_is 'vmexport: box: it has no disk named data; run: vmls -o disks box'
	[[ ! -e a.qcow2 ]]
}

@test "further disks and volumes by name, as they are" {
	cat >disks.yaml <<-'END'
		vmpipe: 1
		service: s
		roles:
		  r:
		    image: {source: base}
		    disks: [{name: data, size: 8M}, {name: img, image: base}]
		    volumes: [{name: vol, size: 8M}]
	END
	vmfetch disks.yaml | vmclone >/dev/null
	qemu-io -f qcow2 -c 'write -q -P 5 1M 64k' \
	    "$VMPIPE_ROOT/vms/s-r-1/data.qcow2"
	qemu-io -f raw -c 'write -q -P 6 1M 64k' \
	    "$VMPIPE_ROOT/volumes/s-r-1-vol/disk.raw"
	for name in data img vol; do
		status_is 0 vmexport --disk $name s-r-1 $name.qcow2
		qemu-img check -q $name.qcow2
	done
	qemu-img compare -q -f qcow2 -F qcow2 data.qcow2 \
	    "$VMPIPE_ROOT/vms/s-r-1/data.qcow2"
	qemu-img compare -q -f qcow2 -F raw img.qcow2 base.raw
	qemu-img compare -q -f qcow2 -F raw vol.qcow2 \
	    "$VMPIPE_ROOT/volumes/s-r-1-vol/disk.raw"
}

@test "clones of every mode" {
	for mode in overlay copy; do
		vmclone --mode $mode --from base $mode >/dev/null
		vmexport --keep-identity -O raw $mode - | cmp - base.raw
	done
}

@test "while it is exported, nobody starts or changes it; others export it" {
	mkfifo out
	exec {keep}<>out
	vmexport --keep-identity -O raw box - >out 3>&- &
	pid=$!
	read -rn 1 -u "$keep"	# it has begun to write, and cannot go on
	status_is 75 vmrm box
	status_is 75 vmcustomize --write /x:y box
	status_is 0 vmexport --keep-identity box a.qcow2
	is_image a.qcow2 qcow2
	cat <&"$keep" >/dev/null & cat=$!
	wait "$pid"
	kill "$cat"
	exec {keep}>&-
	status_is 0 vmrm box
}

@test "a VM that another command changes: 75" {
	exec {lock}<"$VMPIPE_ROOT/vms/box/lock"
	flock "$lock"
	status_is 75 vmexport --keep-identity box a.qcow2
	err_is 'vmexport: box: another command works on it'
	[[ ! -e a.qcow2 ]]
	exec {lock}<&-
	no_litter
}

@test "a disk whose base is no longer what it was: 65" {
	chmod 644 "$VMPIPE_ROOT"/images/*/*.raw
	echo x | dd of="$(echo "$VMPIPE_ROOT"/images/*/*.raw)" conv=notrunc \
	    status=none
	status_is 65 vmexport --keep-identity box a.raw
	[[ $(jq -r .error.code <<<"$output") == base_changed ]]
	[[ ! -e a.raw ]]
	no_litter
}

@test "a full disk leaves nothing, neither FILE nor litter: 74" {
	cramped()
	{
		cp base.raw "$VMPIPE_ROOT/base.raw"
		mkdir -m 750 "$VMPIPE_ROOT/store" "$VMPIPE_ROOT/out"
		cd "$VMPIPE_ROOT/out"
		small=$VMPIPE_ROOT
		export VMPIPE_ROOT=$small/store
		vmfetch -q -a base ../base.raw >/dev/null
		rm ../base.raw
		vmclone --from base box >/dev/null
		VMPIPE_ROOT=$small disk_size 1600
		echo mine >there.qcow2
		for format in qcow2 raw vmdk; do
			for file in a.$format -f\ there.qcow2 -; do
				status=0
				# shellcheck disable=SC2086 # two words
				vmexport --keep-identity -O $format box $file \
				    >"$HOME/rec" 2>"$HOME/err" || status=$?
				cat "$HOME/err"
				[[ $status == 74 ]]
				grep -qi 'no space' "$HOME/err"
			done
		done
		[[ $(ls -A) == there.qcow2 && $(<there.qcow2) == mine ]]
		[[ -z $(ls -A "$VMPIPE_ROOT/tmp") ]]
		VMPIPE_ROOT=$small disk_size 65536
		vmexport -q --keep-identity box a.qcow2 >/dev/null
		qemu-img check -q a.qcow2
	}
	export -f cramped
	on_small_disk cramped
}

@test "a reader that goes away: 74, and no litter" {
	truncate -s 100M large.raw
	vmfetch -q -a large ./large.raw >/dev/null
	vmclone --from large big >/dev/null
	run --separate-stderr bash -c 'vmexport --keep-identity -O raw big - |
	    head -c 10 >/dev/null; exit "${PIPESTATUS[0]}"'
	[[ $status == 74 ]] || explain "$status"
	err_has 'standard output'
	no_litter
}
