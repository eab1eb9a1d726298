# CASES F57: memory runs out at each allocation of our own in turn: said with
# status 71 (or done without), nothing half made, and it works when there is
# memory again.

load ../lib/common
load ../lib/sweep

setup_file()
{
	cd "$BATS_FILE_TMPDIR" || return
	"${CC:-cc}" -shared -fPIC -O2 -D_GNU_SOURCE -o nomem.so \
	    "$BATS_TEST_DIRNAME/../lib/nomem.c"
	truncate -s 1M master.raw
	printf 'begin' | dd of=master.raw conv=notrunc status=none
	qemu-img convert -c -f raw -O qcow2 master.raw master.qcow2
	tar cf master.tar master.qcow2
	gzip -k master.raw
	printf '%s\n' 'vmpipe: 1' 'service: s' 'roles:' \
	    "  a: {image: {source: ./master.raw.gz}, replicas: 2," \
	    "    instance: [write: {path: /x, content: '{{name}}'}]}" >m.yaml
	VMPIPE_ROOT=$PWD/with-master "$VMPIPE_BUILD/bin/vmfetch" -q -a m \
	    "$PWD/master.raw" >/dev/null
}

setup()
{
	requires qemu-img jq
	[[ $VMPIPE_BUILD != *san ]] || skip "requires a build without sanitizers"
	fresh
	master=$BATS_FILE_TMPDIR/master.raw
}

no_store() { rm -rf "$VMPIPE_ROOT"; }
with_master() { no_store; cp -a "$BATS_FILE_TMPDIR/with-master" "$VMPIPE_ROOT"; }
intact() { store_is_whole; }

without_memory()
{
	LD_PRELOAD=$BATS_FILE_TMPDIR/nomem.so "$@"
}

# nomem_sweep COMMAND...: each of the first 200 allocations ($dense), then fewer;
# alone, and with all that follow.
nomem_sweep()
{
	local n all on points=0

	prepare
	NOMEM_COUNT=$PWD/count without_memory "$@" >/dev/null
	all=$(<count)
	for ((n = 1; n <= all; n += n < ${dense:-200} ? 1 : n / 40 + 2)); do
		for on in '' +; do
			prepare
			status=0
			NOMEM_AT=$n$on without_memory "$@" >out 2>err || status=$?
			if [[ $status == 0 ]]; then
				finished && continue
				echo "allocation $n$on: status 0, not done: $(cat out err)"
				vmls -t image; find "$VMPIPE_ROOT"
				return 1
			fi
			swept "allocation $n$on of $all: $(<err)" 71 "$status" "$@"
			((++points))
		done
	done
	echo "# $points points of $all" >&3
	((points > 20))
}

one_image() { [[ $(vmls -t image -Ho name 2>/dev/null) == 'm@1' ]]; }

fetch_sweep()
{
	prepare() { no_store; }
	finished() { one_image; }
	nomem_sweep vmfetch -q -a m "$1"
}

@test "vmfetch of a compressed qcow2 file" { fetch_sweep "$BATS_FILE_TMPDIR/master.qcow2"; }
@test "vmfetch of a tar file" { fetch_sweep "$BATS_FILE_TMPDIR/master.tar"; }

@test "vmfetch of a manifest" {
	prepare() { no_store; }
	finished() { [[ $(vmls -t image -Ho name 2>/dev/null) == 'master@1' ]]; }
	nomem_sweep vmfetch -q "$BATS_FILE_TMPDIR/m.yaml"
}

@test "vmclone of two" {
	prepare() { with_master; }
	finished() { [[ $(vmls -Ho name,state) == $'k-1\tcloned\nk-2\tcloned' ]]; }
	nomem_sweep vmclone -q --from m -c 2 --name 'k-{{index}}'
}

# with_box: one clone besides, from a store kept for that.
with_box()
{
	no_store
	cp -a "$PWD/with-box" "$VMPIPE_ROOT"
}

make_box()
{
	with_master
	vmclone -q --from m box >/dev/null
	"$@"
	cp -a "$VMPIPE_ROOT" with-box
}

@test "vmclone that builds one again" {
	local dense=20
	make_box
	prepare() { with_box; }
	finished() { [[ $(vmls -pHo disks.0.size) == 2097152 ]]; }
	nomem_sweep vmclone -q --from m --set disk=2M box
}

@test "vmclone on a network where another is, with a UUID and keys" {
	local dense=20
	lan=(--set 'networks=[{private: lan}]')
	with_master
	vmclone -q --from m "${lan[@]}" box >/dev/null
	cp -a "$VMPIPE_ROOT" with-box
	prepare() { with_box; }
	finished()
	{
		[[ $(vmls -Ho name) == $'box\nk-7' ]] &&
		    vmdoctor --identity </dev/null >/dev/null
	}
	nomem_sweep vmclone -q --from m "${lan[@]}" --name 'k-{{index}}' \
	    --index 7 --uuid 5d0c9c1e-6c0f-4a5e-9b1c-2f6a0f0c7d11 \
	    --host-key ecdsa --host-key ed25519
}

@test "vmdoctor --identity" {
	local dense=20
	make_box
	vmls --json >records
	prepare() { with_box; }
	finished() { grep -q '1 VMs have nothing in common' said; }
	compare() { vmdoctor --identity <records >said; }
	nomem_sweep compare
}

@test "vmclone with data disks and volumes, vmrm --volumes" {
	local dense=20
	disks=(--set 'disks=[{name: e, size: 1G}, {name: t, image: m}]'
	    --set 'volumes=[{name: v, size: 8M}]')
	prepare() { with_master; }
	finished() { [[ $(vmls -t volume -Ho name,state) == $'k-v\tattached' ]]; }
	nomem_sweep vmclone -q --from m "${disks[@]}" k
	with_master
	vmclone -q --from m "${disks[@]}" k >/dev/null
	cp -a "$VMPIPE_ROOT" with-volume
	prepare() { no_store; cp -a with-volume "$VMPIPE_ROOT"; }
	finished() { [[ -z $(ls "$VMPIPE_ROOT"/{vms,volumes}/) ||
	    -z $(vmls -t volume -Ho name) ]]; }
	remove()
	{
		local result=0

		vmrm -q --volumes k || result=$?
		((result != 66)) || result=0 # all was removed, but not said
		return "$result"
	}
	nomem_sweep remove
}

@test "vmclone --from a VM" {
	local dense=20
	make_box
	prepare() { with_box; }
	finished() { [[ $(vmls -Ho name) == $'box\ncopy' ]]; }
	nomem_sweep vmclone -q --from box copy
}

@test "vmexport" {
	make_box
	prepare() { with_box; echo mine >box.qcow2; }
	finished() { qemu-img compare -q -f qcow2 -F raw box.qcow2 "$master"; }
	intact() { store_is_whole && { cmp -s box.qcow2 <(echo mine) || finished; }; }
	nomem_sweep vmexport -qf --keep-identity box box.qcow2
}

# What it is not done for yet: it may have died while it said so.
remove_box() { [[ ! -e $VMPIPE_ROOT/vms/box ]] || vmrm -q box; }
restore_box() { [[ -e $VMPIPE_ROOT/vms/box ]] || vmrm -q --undo box; }

@test "vmrm" {
	make_box
	prepare() { with_box; }
	finished() { [[ -z $(vmls -Ho name) ]]; }
	nomem_sweep remove_box
}

@test "vmrm --undo" {
	make_box vmrm -q box >/dev/null
	prepare() { with_box; }
	finished() { [[ $(vmls -Ho name) == box ]]; }
	nomem_sweep restore_box
}

@test "vmgc" {
	make_box
	cp with-box/images/*/*.raw other.raw
	chmod u+w other.raw
	echo x >>other.raw
	truncate -s 1M other.raw
	VMPIPE_ROOT=$PWD/with-box vmfetch -qa other ./other.raw >/dev/null
	VMPIPE_ROOT=$PWD/with-box vmclone -q --from m gone >/dev/null
	VMPIPE_ROOT=$PWD/with-box vmrm -q gone >/dev/null
	prepare() { with_box; }
	intact() { qemu-img check -q "$VMPIPE_ROOT/vms/box/disk.qcow2"; }
	finished() { [[ $(vmls -t image -Ho name) == 'm@1' &&
	    -z $(ls "$VMPIPE_ROOT/trash") ]]; }
	nomem_sweep vmgc -q --keep 0 --trash
}

@test "vmdoctor --repair" {
	local dense=20
	make_box
	rm with-box/vms/box/*.raw
	prepare() { with_box; }
	intact() { jq -e .name "$VMPIPE_ROOT/vms/box/vm.json" >/dev/null; }
	finished() { store_is_whole && vmdoctor -q box >/dev/null; }
	nomem_sweep vmdoctor -q --repair box
}

@test "vmls --tree" {
	prepare() { :; }
	finished() { :; }
	with_master
	vmclone -q --from m box >/dev/null
	nomem_sweep vmls --tree
}

# The old disk is stood in for: what is exchanged are two directories.
@test "vmupgrade --rollback" {
	local dense=20
	make_box
	cp -a with-box/vms/box with-box/old/box.1
	ln -f with-box/vms/box/lock with-box/old/box.1/lock
	prepare() { with_box; }
	intact()
	{
		store_is_whole && qemu-img check -q "$VMPIPE_ROOT/old/box.1/disk.qcow2" &&
		    jq -e .name "$VMPIPE_ROOT/old/box.1/vm.json" >/dev/null
	}
	finished() { [[ $(vmls -Ho name) == box && $(vmls -t old -Ho vm) == box ]]; }
	nomem_sweep vmupgrade -q --rollback box
}
