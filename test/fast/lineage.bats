# What a VM stands on: noted when it is built, compared before it is used,
# mended by the command that the refusal names; stores that were moved.
# CASES C04, C13, C14, C15.

load ../lib/common

setup()
{
	requires qemu-img qemu-io jq
	fresh
	head -c 3M /dev/urandom >m.raw
	truncate -s 9M m.raw
}

# fill NAME...: clones of m, whose disks have run; sets $id and $master.
fill()
{
	local name

	id=$(vmfetch -a m ./m.raw | jq -r .image.id)
	master=$VMPIPE_ROOT/images/$id/$id.raw
	vmclone --from m "$@" >/dev/null
	for name; do
		has_run "$name"
	done
}

has_run()
{
	sed -i 's/"kind":"vm"/&,"started":true/' "$VMPIPE_ROOT/vms/$1/vm.json"
	qemu-io -f qcow2 -c 'write -P 65 1M 64k' -c 'write -P 66 8M 64k' \
	    "$VMPIPE_ROOT/vms/$1/disk.qcow2" >/dev/null
}

dir() { echo "$VMPIPE_ROOT/vms/$1"; }
contents() { qemu-img convert -O raw "$(dir "$1")/disk.qcow2" "$1.now" &&
    sha256sum <"$1.now"; }
codes() { jq -r '.error.code' <<<"$output"; }
row() { jq -r "select(.check == \"$1\") | .result + \": \" + (.fix // \"-\")" \
    <<<"$output"; }
subjects() { jq -r "select(.check == \"$1\").subject" <<<"$output"; }

# refused NAME CODE WORDS: no use of the VM that reads its bases.
refused()
{
	status_is 65 vmclone --from "$1" copy
	[[ $(codes) == "$2" ]]
	err_has "$3"
	[[ ! -e $VMPIPE_ROOT/vms/copy ]]
	status_is 65 vmcustomize --mkdir /x "$1"
	[[ $(codes) == "$2" ]]
	status_is 69 vmdoctor --json "$1"
	[[ $(row disks) == "lacking: vmdoctor --repair $1" ]]
	err_is ''
	[[ $output == *"$3"* ]]
	! type qemu-system-x86_64 &>/dev/null || {
		status_is 65 vmdeploy -qn "$1"
		err_has "$3"
	}
	err_has "run: vmdoctor --repair $1"
}

# mended NAME: by that command; it can be used, its disk is as it was ($before).
mended()
{
	status_is 0 vmdoctor --repair --json "$1"
	[[ $(row disks) == 'ok: -' ]]
	status_is 0 vmdoctor --json "$1"
	[[ $(row disks) == 'ok: -' ]]
	[[ $(contents "$1") == "$before" ]]
	qemu-img check -q "$(dir "$1")/disk.qcow2"
	status_is 0 vmclone --from "$1" copy
	rm -r "$VMPIPE_ROOT/vms/copy"
	no_litter
}

@test "the facts of every file below the top are in vm.json" {
	fill a b
	[[ $(jq -r '.chain[] | .name, .file_size, .inode' "$(dir a)/vm.json") == \
	    "$id.raw"$'\n9437184\n'"$(stat -c %i "$master")" ]]
	[[ $(jq .lock_inode "$(dir a)/vm.json") == $(stat -c %i "$(dir a)/lock") ]]
	# a copy has its own; the store owns them, whatever a record says
	vmclone --from a c >/dev/null
	[[ $(jq .lock_inode "$(dir c)/vm.json") == $(stat -c %i "$(dir c)/lock") ]]
	status_is 0 vmdoctor --repair a b c
	[[ $(jq -c .chain "$(dir c)/vm.json") == "$(jq -c .chain "$(dir a)/vm.json")" ]]
}

@test "unsealed or touched, the bytes right: refused; sealed again" {
	fill a b
	before=$(contents a)
	chmod u+w "$master"
	refused a base_changed 'it has been made writable; on it too: b'
	status_is 65 vmclone --from m copy
	status_is 0 vmdoctor --images --json
	[[ $(row master) == 'note: -' && -z $(row clone) ]]
	[[ $output == *'its bytes are right: sealed again'* ]]
	mended a
	touch "$master"
	refused b base_changed 'it was written to; on it too: a'
	mended b
	# it is one file: what was right for b is right for all
	mended a
	[[ $(stat -c '%h %a' "$master") == '3 444' ]]
	status_is 0 vmclone --from m copy
}

@test "F52 C13 cut off, replaced, gone, a link: refused; linked again" {
	fill a
	before=$(contents a)
	file=$(dir a)/$id.raw
	for change in 'truncate -s 1M' 'rm' 'ln -sf /etc/passwd' \
	    'cp --remove-destination -p m.raw'; do
		cp -p "$file" kept
		rm "$file"
		cp -p kept "$file"
		chmod u+w "$file"
		$change "$file"
		[[ ! -e $file || -L $file ]] || chmod 444 "$file"
		[[ $change != cp* ]] || touch -r kept "$file"
		code=base_changed
		[[ $change != rm ]] || code=base_missing
		refused a $code 'not as it was published'
		mended a
		[[ $(stat -c %i "$file") == $(stat -c %i "$master") ]]
	done
}

@test "C15 qemu-img commit on a clone: all clones named, each mended" {
	[[ $EUID == 0 ]] || skip 'requires root, who ignores modes'
	fill a b c
	before=$(contents a)
	qemu-img commit -q "$(dir c)/disk.qcow2"
	refused a base_changed 'it was written to; on it too: b, c'
	status_is 65 vmclone --from m copy
	[[ $(codes) == image_changed ]]
	status_is 69 vmdoctor --images --json
	# the alias means it: fetched again, with its digest
	[[ $(row master) == 'note: -' ]]
	[[ $(subjects clone) == $'a\nb\nc' ]]
	[[ $(row clone | head -n 1) == 'lacking: vmdoctor --repair a' ]]
	cmp m.raw "$master"
	status_is 0 vmclone --from m new
	mended a
	mended b
	[[ $(stat -c %h "$master") == 4 ]]
	# what was committed is kept until somebody says vmgc
	[[ -f $VMPIPE_ROOT/quarantine/$id.1/$id.raw ]]
}

@test "C14 a master open for writing is said; written so that it does not show, too" {
	[[ $EUID == 0 ]] || skip 'requires root, who ignores modes'
	fill a b
	before=$(contents a)
	exec 9<>"$master"
	status_is 69 vmdoctor --images --json
	[[ $(row master) == "lacking: fuser -v $master" ]]
	[[ $output == *'another process has it open for writing'* ]]
	touch -r "$master" time
	printf x | dd of="$master" bs=1 seek=70000 conv=notrunc status=none
	touch -r time "$master"
	exec 9>&-
	# only the digests can tell; then the clones are told
	status_is 0 vmdoctor a
	status_is 69 vmdoctor --images --json
	[[ $(subjects clone) == $'a\nb' ]]
	refused a base_changed 'it was written to'
	mended a
	mended b
}

@test "C04 C13 the image gone: clones work; a link gone too: fetched for it" {
	fill a b
	before=$(contents a)
	rm -r "$VMPIPE_ROOT/images/$id"
	status_is 66 vmclone --from m c
	err_has 'run: vmfetch m'
	status_is 0 vmclone --from a c
	status_is 0 vmdoctor a
	rm "$(dir a)/$id.raw"
	refused a base_missing 'it is missing'
	# the source is gone as well: from another VM
	mv m.raw away.raw
	status_is 69 vmdoctor --repair --json a
	[[ $(row disks) == 'ok: -' && $(row master) == lacking:* ]]
	[[ $(contents a) == "$before" ]]
	rm "$VMPIPE_ROOT/vms/"*/"$id.raw"
	status_is 69 vmdoctor --repair --json a
	[[ $(row disks) == 'lacking: vmfetch m@1 && vmdoctor --repair a' ]]
	mv away.raw m.raw
	status_is 0 bash -c 'vmfetch m@1 && vmdoctor --repair a'
	mended b
	mended a
}

@test "C13 an image that is just being fetched is waited for, and cloned" {
	serve "$PWD" 'limit_rate 3m;'
	vmfetch --insecure -a m "$url/m.raw" | vmclone a >/dev/null 3>&- 4>&- &
	wait_for has_part
	status_is 66 vmclone --from m b
	status_is 0 bash -o pipefail -c "vmfetch --insecure -a m '$url/m.raw' | vmclone b"
	wait $!
	cmp m.raw "$(dir a)"/*.raw
	cmp m.raw "$(dir b)"/*.raw
	[[ $(requests GET /m.raw) == 1 ]]
}

has_part() { [[ -n $(ls "$VMPIPE_ROOT/incoming" 2>/dev/null) ]]; }

@test "an image taken by vmgc and fetched again: the VM stays on its own file" {
	fill a
	before=$(contents a)
	mv "$VMPIPE_ROOT/images/$id" away
	vmfetch m@1 >/dev/null
	status_is 0 vmdoctor a
	[[ $(stat -c %i "$(dir a)/$id.raw") != $(stat -c %i "$master") ]]
	status_is 0 vmdoctor --images
	# asked to, it comes to share the file that is there now
	mended a
	[[ $(stat -c %h "$master") == 2 ]]
}

# layer: the VM a on a layer of its own, and b on the same, as vmcustomize
# makes them, but for the appliance.
layer()
{
	local name

	key=$(printf '%064d' 7)
	mkdir "$VMPIPE_ROOT/layers/$key"
	cd "$VMPIPE_ROOT/layers/$key" || return
	ln "$master" .
	qemu-img create -q -f qcow2 -b "$id.raw" -F raw "$key.qcow2"
	qemu-io -c 'write -P 9 4M 64k' "$key.qcow2" >/dev/null
	chmod 444 "$key.qcow2"
	stat -c '{"name":"%n","inode":%i,"file_size":%s,"mtime_ns":%.9Y}' \
	    -- *.qcow2 *.raw | sed 's/\(mtime_ns":[0-9]*\)\./\1/' >files
	printf '{"vmpipe":1,"key":"%s","base":"%s","image":"%s","virtual_size":9437184,"files":[%s]}' \
	    "$key" "$id" "$id" "$(paste -sd, files)" >layer.json
	for name; do
		cd "$(dir "$name")" || return
		ln "$VMPIPE_ROOT/layers/$key/$key.qcow2" .
		qemu-img create -q -f qcow2 -b "$key.qcow2" -F qcow2 disk.qcow2
		sed -i "s/\"chain\":\[.*\],\"lock/\"layer\":\"$key\",\"chain\":[$(
		    paste -sd, "$VMPIPE_ROOT/layers/$key/files")],\"lock/" vm.json
	done
	rm "$VMPIPE_ROOT/layers/$key/files"
	cd "$BATS_TEST_TMPDIR" || return
	for name; do
		qemu-io -f qcow2 -c 'write -P 65 1M 64k' "$(dir "$name")/disk.qcow2" \
		    >/dev/null
	done
}

@test "a layer: sealed again, from the store, from another VM; else vmupgrade" {
	fill a b
	layer a b
	before=$(contents a)
	file=$(dir a)/$key.qcow2
	status_is 0 vmdoctor a
	chmod u+w "$file"
	refused a base_changed 'it has been made writable; on it too: b'
	mended a
	rm "$file"
	refused a base_missing 'it is missing'
	mended a
	[[ $(stat -c %h "$file") == 3 ]]
	mv "$VMPIPE_ROOT/layers/$key" away
	rm "$file"
	mended a
	# one made anew under that key has other bytes, and is no help
	rm "$file" "$(dir b)/$key.qcow2"
	cp -r away "$VMPIPE_ROOT/layers/$key"
	sed -i 's/"inode":[0-9]*/"inode":1/g; s/"mtime_ns":[0-9]*/"mtime_ns":1/g' \
	    "$VMPIPE_ROOT/layers/$key/layer.json"
	touch -d @0.000000001 "$VMPIPE_ROOT/layers/$key/"*
	status_is 69 vmdoctor --repair --json a
	[[ $(row disks) == 'lacking: vmupgrade --force a' ]]
	rm -r "$VMPIPE_ROOT/layers/$key"
	status_is 69 vmdoctor --repair --json a
	[[ $(row disks) == 'lacking: vmupgrade --force a' ]]
	[[ $output == *'a layer, which cannot be fetched again'* ]]
}

@test "C15 a layer written to: under quarantine, its VMs named" {
	fill a b c
	layer a b
	status_is 0 vmdoctor --images --json
	[[ -z $(row layer) ]]
	chmod u+w "$(dir a)/$key.qcow2"
	status_is 0 vmdoctor --images --json
	[[ $(row layer) == 'note: -' && $output == *'sealed again'* ]]
	status_is 0 vmdoctor a b
	chmod u+w "$(dir a)/$key.qcow2"
	qemu-img commit -q "$(dir a)/disk.qcow2"
	chmod 444 "$(dir a)/$key.qcow2"
	refused b base_changed 'its size differs; on it too: a'
	status_is 69 vmdoctor --images --json
	[[ $(row layer) == 'note: -' ]]
	[[ $output == *'under quarantine; vmcustomize makes it anew'* ]]
	[[ $(subjects clone) == $'a\nb' ]]
	[[ -z $(ls "$VMPIPE_ROOT/layers") ]]
	status_is 69 vmdoctor --repair --json b
	[[ $(row disks) == 'lacking: vmupgrade --force b' ]]
	status_is 0 vmdoctor c
}

@test "the master of a further disk: refused, also by an upgrade; mended" {
	vmfetch -qa t ./m.raw >/dev/null
	head -c 1M /dev/urandom >s.raw
	vmfetch -qa s ./s.raw >/dev/null
	vmclone --from s --set 'disks=[{name: t, image: t}]' a >/dev/null
	sed -i 's/"kind":"vm"/&,"started":true/' "$(dir a)/vm.json"
	[[ $(jq '.chain | length' "$(dir a)/vm.json") == 2 ]]
	id=$(vmls -t image -Ho image.id t)
	rm "$(dir a)/$id.raw"
	cp --preserve=timestamps m.raw "$(dir a)/$id.raw"
	chmod 444 "$(dir a)/$id.raw"
	refused a base_changed 'it was written to'
	status_is 65 vmupgrade --force a
	[[ $(codes) == base_changed ]]
	status_is 0 vmdoctor --repair a
	status_is 0 vmdoctor a
	cmp "$(dir a)/$id.raw" "$VMPIPE_ROOT/images/$id/$id.raw"
	no_litter
}

@test "the header of a disk leads elsewhere: refused" {
	requires qemu-system-x86_64
	fill a
	cp "$master" "$(dir a)/other.raw"
	chmod 444 "$(dir a)/other.raw"
	qemu-img rebase -u -F raw -b other.raw "$(dir a)/disk.qcow2"
	status_is 65 vmdeploy -qn a
	err_has 'other.raw is not what the VM was built on; run: vmdoctor --repair a'
	status_is 69 vmdoctor --repair --json a
	[[ $(row disks) == 'lacking: vmupgrade --force a' ]]
}

@test "--repair: usage, one that runs, none there" {
	fill a
	status_is 64 vmdoctor --repair
	status_is 64 vmdoctor --repair --images a
	status_is 66 vmdoctor --repair none
	rm "$(dir a)/$id.raw"
	snapshot >before
	status_is 75 flock "$(dir a)/lock" vmdoctor --repair a
	err_has 'run: vmstop a'
	snapshot | diff before -
}

@test "--repair of a VM of a version that noted nothing" {
	fill a
	before=$(contents a)
	sed -i 's/,"chain":\[[^]]*\],"lock_inode":[0-9]*//' "$(dir a)/vm.json"
	status_is 0 vmdoctor a
	status_is 0 vmclone --from a b
	touch "$master"
	status_is 0 vmdoctor a
	rm "$(dir a)/$id.raw"
	status_is 69 vmdoctor a
	touch -r m.raw "$master"
	mended a
	[[ $(jq '.chain | length' "$(dir a)/vm.json") == 1 ]]
}

@test "--repair killed at every point: the VM before or after; then mended" {
	fill a
	want=$(contents a)
	mkfifo "$(dir a)/strange" # what is not ours is not thrown away
	rm "$(dir a)/$id.raw"
	status_is 69 vmdoctor --repair a
	rm "$(dir a)/strange"
	for point in mkdir link open write fsync rename fsync_dir unlink; do
		for nth in 1 2 3 4; do
			rm -f "$(dir a)/$id.raw"
			run env VMPIPE_FAULT=$point:$nth:kill \
			    vmdoctor --repair a
			jq -e .name "$(dir a)/vm.json" >/dev/null
			[[ -f $(dir a)/disk.qcow2 && -f $(dir a)/lock ]]
			status_is 0 vmdoctor --repair a
			[[ $(contents a) == "$want" ]]
		done
	done
	vmgc -q
	no_litter
}

# --- moved stores ------------------------------------------------------------

# works: all that is done with a store, in the one at $VMPIPE_ROOT, which was
# moved here with a, b and the image m.
works()
{
	status_is 0 vmls -Ho name,disks.0.path
	out_is "a	$VMPIPE_ROOT/vms/a/disk.qcow2
b	$VMPIPE_ROOT/vms/b/disk.qcow2"
	status_is 0 vmls --tree
	status_is 0 vmls --why m
	for name in a b; do
		status_is 0 vmdoctor "$name"
		[[ $(contents "$name") == "$before" ]]
	done
	status_is 0 vmclone --from m new
	qemu-img check -q "$(dir new)/disk.qcow2"
	status_is 0 vmclone --from a copy
	status_is 0 vmcustomize -n --mkdir /x a
	! type qemu-system-x86_64 &>/dev/null || status_is 0 vmdeploy -qn a
	status_is 0 vmrm a
	status_is 0 vmrm --undo a
	status_is 0 vmdoctor --images
	status_is 0 vmgc --keep 0
	status_is 0 vmdoctor a b new copy
	status_is 0 vmrm new copy
	status_is 0 vmgc --keep 0 --trash
	# what changes from now on is seen as before
	touch "$VMPIPE_ROOT/vms/a/$id.raw"
	status_is 69 vmdoctor a
	mended a
}

@test "a store that was moved by mv, rsync -aHS and cp -a works" {
	requires rsync
	fill a b
	before=$(contents a)
	mkdir elsewhere
	mv store elsewhere/there
	VMPIPE_ROOT=$PWD/elsewhere/there works
	rsync -aHS elsewhere/there/ synced
	rm -r elsewhere
	VMPIPE_ROOT=$PWD/synced works
	cp -a --sparse=always synced copied
	rm -r synced
	VMPIPE_ROOT=$PWD/copied works
	[[ $(stat -c %h "copied/images/$id/$id.raw") == 3 ]]
	# without -H every VM has a file of its own, and may be made to share one
	rsync -aS copied/ apart
	rm -r copied
	VMPIPE_ROOT=$PWD/apart works
	VMPIPE_ROOT=$PWD/apart status_is 0 vmdoctor --repair a b
	[[ $(stat -c %h "apart/images/$id/$id.raw") == 3 ]]
}

on_another()
{
	mount -t tmpfs -o mode=755 tmpfs /mnt
	rsync -aHS "$VMPIPE_ROOT/" /mnt/store
	export VMPIPE_ROOT=/mnt/store
	works
}

@test "to another file system" {
	requires rsync
	unshare -rm true 2>/dev/null || skip 'requires user namespaces'
	fill a b
	before=$(contents a)
	export before id
	export -f on_another works status_is out_is explain contents dir mended \
	    row codes no_litter
	unshare -rm bash -euc 'run() {
		shift 2
		status=0
		output=$("$@" 2>err) || status=$?
		stderr=$(<err)
	}
	on_another'
}
