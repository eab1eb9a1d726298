# vmfetch of tar files and OVAs: several disks, what an OVF describes, and
# archives made to do harm.
# shellcheck shell=bash disable=SC2154 # set by common.bash and bats

load ../lib/common

setup()
{
	fresh
	"$top/test/lib/mkqcow2.pl" >a.qcow2
	qemu-img convert -f qcow2 -O raw a.qcow2 a.raw
	truncate -s 2M b.raw
	printf 'second' | dd of=b.raw bs=4096 seek=1 conv=notrunc status=none
}

mktar() { "$top/test/lib/mktar.pl" "$@"; }
sha() { sha256sum "$1" | cut -d' ' -f1; }
field() { jq -r ".$1" <<<"$output"; }

# is_disk ID FILE: the image has the file's bytes, and is sealed.
is_disk()
{
	cmp "$VMPIPE_ROOT/images/$1/$1.raw" "$2"
	[ "$(stat -c %a "$VMPIPE_ROOT/images/$1/$1.raw")" = 444 ]
}

# ovf FIXTURE SED-SCRIPT: box.ovf, on the disks a.qcow2 and b.raw.
ovf()
{
	sed "s/box-disk001.vmdk/a.qcow2/; s/box-disk002.vmdk/b.raw/
	    s/appliance-1.vmdk/a.qcow2/; ${2:-}" "$top/test/lib/ovf/$1.ovf" >box.ovf
}

# digests PROGRAM FILE...: as a line of an .mf file has it.
digests()
{
	local program=$1

	shift
	"$program" --tag "$@" | sed 's/ (\(.*\)) = /(\1)= /'
}

# All files but the store's (and those in which bats keeps stderr).
outside()
{
	find . .. -maxdepth 3 -path '*/store' -prune -o -name 'separate-*' -prune \
	    -o -print | sort
}

# refused CODE TEXT [OPTION...]: x.ova is, with nothing left and no file of its
# making anywhere.
refused()
{
	local code=$1 text=$2

	shift 2
	[ "$(<x.ova wc -c)" -gt 0 ]
	before=$(outside)
	status_is 65 vmfetch "$@" ./x.ova
	[ "$(field error.code)" = "$code" ] || explain "not $code"
	err_has "$text"
	[ -z "$(ls -A "$VMPIPE_ROOT/images")" ]
	[ "$(outside)" = "$before" ] || explain 'a file was written'
	no_litter
}

@test "one disk in a tar file, packed or not, is one image" {
	requires gzip xz zstd bzip2
	tar cf disk.tar a.qcow2
	gzip -k disk.tar; xz -k disk.tar; zstd -q disk.tar; bzip2 -k disk.tar
	for file in disk.tar disk.tar.gz disk.tar.xz disk.tar.zst disk.tar.bz2; do
		status_is 0 vmfetch -a disk "./$file"
		[ "$(field image.id)" = "$(sha "$file")" ]
		[ "$(field image.disks)" = null ]
		is_disk "$(sha "$file")" a.raw
	done
	no_litter
	status_is 0 vmfetch -q ./disk.tar
	[[ $(field image.alias) =~ ^disk(-[0-9a-f]{6})?$ ]]
}

@test "several disks are several images, the first is the one that boots" {
	echo text >README
	tar cf disks.tar README a.qcow2 b.raw
	status_is 0 vmfetch -v ./disks.tar
	sum=$(sha disks.tar)
	[ "$(field image.id)" = "$sum-1" ]
	[ "$(field image.alias)" = disks ]
	[ "$(field spec.image.source)" = disks ]
	[ "$(jq -c '.image.disks' <<<"$output")" = "$(jq -nc --arg s "$sum" '[
	    {id: "\($s)-1", virtual_size: 1048576, alias: "disks"},
	    {id: "\($s)-2", virtual_size: 2097152, alias: "disks-2"}]')" ]
	is_disk "$sum-1" a.raw
	is_disk "$sum-2" b.raw
	err_has 'README: no disk, passed over'
	err_has 'is in the store as disks-2'
	no_litter
	before=$(snapshot)
	status_is 0 vmfetch ./disks.tar
	err_is ''
	[ "$before" = "$(snapshot)" ]
	status_is 0 vmfetch disks-2
	[ "$(field image.id)" = "$sum-2" ]
	status_is 0 vmfetch --refresh --all
	status_is 0 vmfetch --checksum "sha256:$sum" ./disks.tar
	vmfetch disks | vmclone one >vms
	[ "$(jq -r '.image.id, (.disks | length)' vms | xargs)" = "$sum-1 1" ]
}

@test "a disk of several that is lost is fetched anew, with the others" {
	tar cf disks.tar a.qcow2 b.raw
	vmfetch -q ./disks.tar
	rm -rf "$VMPIPE_ROOT"/images/*-2
	status_is 0 vmfetch ./disks.tar
	err_has 'another disk of the same artifact is missing'
	is_disk "$(sha disks.tar)-2" b.raw
	rm -rf "$VMPIPE_ROOT"/images/*-2
	status_is 0 vmfetch disks
	is_disk "$(sha disks.tar)-2" b.raw
	rm -rf "$VMPIPE_ROOT"/images/*-2
	status_is 66 vmfetch disks-2
	err_has 'run: vmfetch with the source of all its disks'
}

@test "all disks are pinned, and their aliases move together" {
	tar cf disks.tar a.qcow2 b.raw
	first=$(sha disks.tar)
	status_is 0 vmfetch --pin ./disks.tar
	[ "$(cat "$VMPIPE_ROOT"/images/*/keep | jq -c .pinned | xargs)" = 'true true' ]
	tar cf disks.tar b.raw a.qcow2
	status_is 0 vmfetch --refresh ./disks.tar
	status_is 0 vmfetch disks-2
	[ "$(field image.id)" = "$(sha disks.tar)-2" ]
	status_is 0 vmfetch -a disks disks@1
	status_is 0 vmfetch disks-2
	[ "$(field image.id)" = "$first-2" ]
}

@test "an alias that is somebody else's is not taken" {
	vmfetch -q -a box-2 ./b.raw
	tar cf box.tar a.qcow2 b.raw
	status_is 73 vmfetch ./box.tar
	[ "$(field error.code)" = alias_taken ]
	status_is 66 vmfetch box
	status_is 0 vmfetch -a box-2 box-2
	[ "$(field image.id)" = "$(sha b.raw)" ]
	status_is 0 vmfetch -a other ./box.tar
	cp box.tar more.tar
	status_is 0 vmfetch -q -a other ./more.tar
	[ "$(field 'image.disks[1].alias')" = other-2 ]
}

@test "a disk is known by what is in it, whatever it is called" {
	cp a.qcow2 disk; echo 'left by another system' >._disk.img
	tar cf x.tar ._disk.img disk
	status_is 0 vmfetch -a x ./x.tar
	[ "$(field image.id)" = "$(sha x.tar)" ]
	cp a.qcow2 x.raw
	tar cf x.ova x.raw
	rm -rf store
	refused format_mismatch 'x.raw: by its name it is raw, by its contents qcow2'
	head -c 5000 /dev/zero >short.raw
	tar cf x.ova a.qcow2 short.raw
	refused format 'short.raw: 5000 bytes are no raw disk'
	mktar >x.ova
	refused format_mismatch 'by its name it is tar, by its contents raw'
	mktar README,data=text >x.ova
	refused no_disk 'no disk image in it'
	mv x.ova x.raw
	status_is 65 vmfetch ./x.raw
	err_has 'by its name it is raw, by its contents a tar file'
}

@test "an OVA as VirtualBox writes it, and its machine as a manifest" {
	ovf virtualbox
	digests sha1sum box.ovf a.qcow2 b.raw >box.mf
	tar cf box.ova box.ovf b.raw a.qcow2 box.mf
	status_is 0 vmfetch --manifest-out box.yaml ./box.ova
	sum=$(sha box.ova)
	is_disk "$sum-1" a.raw
	is_disk "$sum-2" b.raw
	[ "$(field image.id)" = "$sum-1" ]
	diff - box.yaml <<-END
		# As the OVF describes it: $PWD/box.ova
		vmpipe: 1
		service: "box"
		roles:
		  vm:
		    image: {source: "box"}
		    cpus: 2
		    memory: 1024M
		    disks:
		      - {name: disk2, image: "box-2"}
		    networks:
		      - {user: true}
		      - {private: "back-end"}
	END
	status_is 0 vmsched check box.yaml
	status_is 0 vmfetch --manifest-out box.yaml box
	vmfetch box.yaml | vmclone -q >vm
	[ "$(jq -r '.name, .spec.cpus, .disks[1].image' vm | xargs)" = \
	    "box-vm-1 2 $sum-2" ]
	echo mine >box.yaml
	status_is 73 vmfetch --manifest-out box.yaml box
	err_has 'there already, and says something else'
	[ "$(<box.yaml)" = mine ]
	status_is 66 vmfetch --manifest-out no/such/box.yaml box
}

@test "an OVA as VMware writes it: .mf first, SHA256, a gzipped disk" {
	gzip -c a.qcow2 >a.gz; mv a.gz a.qcow2.gz
	ovf vmware 's/a.qcow2"/a.qcow2.gz" ovf:compression="gzip"/'
	echo nvram >appliance-2.nvram
	digests sha256sum box.ovf a.qcow2.gz appliance-2.nvram >box.mf
	printf 'a certificate, not looked at' >box.cert
	tar cf box.ova box.ovf box.mf box.cert a.qcow2.gz appliance-2.nvram
	status_is 0 vmfetch --manifest-out box.yaml ./box.ova
	[ "$(field image.id)" = "$(sha box.ova)" ]
	is_disk "$(sha box.ova)" a.raw
	grep -qx '    cpus: 4' box.yaml
	grep -qx '    memory: 4096M' box.yaml
	grep -qx '    disk: 21474836480' box.yaml
	grep -qx '# 1 empty disk of the OVF is left out.' box.yaml
	status_is 0 vmsched check box.yaml
}

@test "--manifest-out needs an OVF, and one source" {
	status_is 65 vmfetch --manifest-out x.yaml ./a.qcow2
	[ "$(field error.code)" = no_ovf ]
	[ ! -e x.yaml ]
	status_is 64 vmfetch --manifest-out x.yaml ./a.qcow2 ./b.raw
	status_is 64 vmfetch --manifest-out x.yaml --refresh --all
	ovf virtualbox
	tar cf box.ova box.ovf a.qcow2 b.raw
	status_is 0 vmfetch -n --manifest-out x.yaml ./box.ova
	[ ! -e x.yaml ]
}

@test "a wrong digest in the .mf file is a damaged appliance" {
	ovf virtualbox
	for program in sha1sum sha256sum sha512sum; do
		digests "$program" box.ovf a.qcow2 b.raw >box.mf
		cp b.raw kept; printf 'X' | dd of=b.raw bs=1 seek=9000 conv=notrunc status=none
		tar cf x.ova box.ovf a.qcow2 b.raw box.mf
		refused digest_mismatch 'file b.raw: its SHA'
		tar cf x.ova box.ovf box.mf a.qcow2 b.raw
		refused digest_mismatch 'file b.raw: its SHA'
		mv kept b.raw
		echo '<!-- -->' >>box.ovf
		tar cf x.ova box.ovf box.mf a.qcow2 b.raw
		refused digest_mismatch 'file box.ovf: its SHA'
		ovf virtualbox
	done
	digests sha256sum box.ovf a.qcow2 b.raw >box.mf
	echo "SHA256(c.iso)= $(sha a.raw)" >>box.mf
	tar cf x.ova box.ovf box.mf a.qcow2 b.raw
	refused file_missing 'file c.iso: named in the .mf file, but not there'
	for bad in 'MD5(a.qcow2)= 00' 'SHA256(a.qcow2)= 12' 'SHA256 a.qcow2' \
	    "$(digests sha256sum a.qcow2 a.qcow2)"; do
		echo "$bad" >box.mf
		tar cf x.ova box.ovf box.mf a.qcow2 b.raw
		refused bad_digests 'box.mf: line'
	done
}

@test "an OVF that asks for what it shall not have is refused" {
	printf 'secret' >secret
	bad()
	{
		ovf virtualbox "$3"
		tar cf x.ova box.ovf a.qcow2 b.raw
		refused "$1" "$2"
	}
	bad doctype 'box.ovf: a document type' \
	    "1a<!DOCTYPE Envelope [<!ENTITY x SYSTEM \"file://$PWD/secret\">]>"
	bad doctype 'box.ovf: a document type' \
	    '1a<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;&b;&b;&b;">]>'
	bad bad_href 'it is elsewhere' 's,href="b.raw,href="http://127.0.0.1/b.raw,'
	bad bad_href 'not a file beside' 's,href="b.raw,href="../b.raw,'
	bad bad_href 'not a file beside' "s,href=\"b.raw,href=\"$PWD/b.raw,"
	bad bad_href '%n%s%x' 's,href="b.raw,href="%n%s%x,'
	bad file_missing 'c.raw: a disk of the OVF, but not in the archive' \
	    's,href="b.raw,href="c.raw,'
	bad not_supported 'chunkSize' 's,href="b.raw",& ovf:chunkSize="9",'
	bad bad_ovf 'line 10: "%n%s"' 's/capacity="2097152"/capacity="%n%s"/'
	bad bad_xml 'box.ovf: line' 's,</Envelope>,,'
	ovf virtualbox
	head -c 1100000 /dev/zero | tr '\0' ' ' >>box.ovf
	tar cf x.ova box.ovf a.qcow2 b.raw
	refused too_large 'box.ovf: more than'
	ovf virtualbox; cp box.ovf two.ovf
	tar cf x.ova a.qcow2 b.raw box.ovf
	refused bad_ovf 'the .ovf is the first file'
	tar cf x.ova box.ovf two.ovf a.qcow2 b.raw
	refused bad_ovf 'the .ovf is the first file'
}

@test "archives made to do harm: 65, and no file outside" {
	local bad

	hostile=(
		'../x.raw' '/etc/x.raw' 'a/../../x.raw' 'd/..'
		'x.raw,pax=path:../y.raw' 'x.raw,pax=path:/tmp/y.raw'
		'l,type=2,link=/etc/passwd' 'l,type=1,link=a.raw'
		'l,type=1,link=/etc/passwd,data=root::0:0::/:/bin/sh'
		'c,type=3' 'b,type=4' 'f,type=6' 'a.raw' './a.raw'
		'x%0A.raw' 'x%1B[31m.raw' 'x%FF.raw' 'x%E2%80%AE.raw'
		"x,pax=path:$(printf '%04096d' 7)"
	)
	for bad in "${hostile[@]}"; do
		mktar a.raw,file=a.raw "$bad" >x.ova
		refused archive_member 'member "'
		! grep -q $'[\e\n].' <<<"${stderr//$'\n'/}"
	done
	mktar a.raw,file=a.raw x,count=10001 >x.ova
	refused too_many_members 'more than 10000 members'
	mktar a.raw,file=a.raw,pax=size:99999999999 >x.ova
	refused bad_archive 'a.raw: a bad archive'
	mktar s.raw,type=S,sparse=512:3+100:2,real=1024,data=abcde >x.ova
	refused bad_archive 's.raw: a bad archive'
	mktar s.raw,type=S,sparse=0:5,real=77777777777,data=abcde >x.ova
	refused bomb 'more than 1000 times as many'
	mktar s.raw,type=S,sparse=0:5,real=77777777777,data=abcde >x.ova
	refused virtual_size 'unpacks to more than' --max-size 1G
	truncate -s 1200M big.iso
	tar cf - a.raw big.iso | zstd -q -f -o x.ova
	refused bomb 'more than 1000 times as many'
	mktar a.raw,file=a.raw >x.ova
	head -c 1000 x.ova >y && mv y x.ova
	refused bad_archive 'a bad archive'
	{ tar cf - a.raw; head -c 3M /dev/urandom; } | gzip | head -c -6 >x.ova
	refused bad_compression 'cannot be unpacked'
}

@test "a name ends at its NUL, as everywhere; and is only a name" {
	mktar 'x%00/../../y.raw,file=a.raw' 'z,pax=path:a%00/../../y,data=text' >x.tar
	status_is 65 vmfetch ./x.tar
	[ "$(field error.code)" = no_disk ]
	[ ! -e ../y.raw ] && [ ! -e ../../y.raw ]
}

@test "GNU's sparse members are what they stand for" {
	truncate -s 3M sparse.raw
	printf 'data' | dd of=sparse.raw bs=4096 seek=300 conv=notrunc status=none
	for format in oldgnu 'posix --sparse-version=0.1' 'posix --sparse-version=1.0'; do
		# shellcheck disable=SC2086
		tar cSf s.tar --format=$format sparse.raw
		[ "$(stat -c %s s.tar)" -lt 100000 ]
		status_is 0 vmfetch -a s --refresh ./s.tar
		is_disk "$(sha s.tar)" sparse.raw
	done
}

@test "an artifact that is not what was asked for publishes nothing" {
	tar cf x.ova a.qcow2 b.raw
	refused digest_mismatch 'it is not what was asked for' \
	    --checksum "sha256:$(sha a.qcow2)"
	printf garbage >>b.raw
	tar cf x.ova a.qcow2 b.raw
	refused digest_mismatch 'it is not what was asked for' \
	    --checksum "sha256:$(sha a.qcow2)"
}

# list OVF DISK...: the digest of an .ovf and its disks, as sha256sum says it.
list() { sha256sum "$@" | sha256sum | cut -d' ' -f1; }

@test "an .ovf in a directory, its disks and its .mf file beside it" {
	ovf virtualbox
	digests sha256sum box.ovf a.qcow2 b.raw >box.mf
	status_is 0 vmfetch --manifest-out box.yaml ./box.ovf
	sum=$(list box.ovf a.qcow2 b.raw)
	[ "$(field image.id)" = "$sum-1" ]
	[ "$(field image.alias)" = box ]
	is_disk "$sum-1" a.raw
	is_disk "$sum-2" b.raw
	status_is 0 vmsched check box.yaml
	no_litter
	before=$(snapshot)
	status_is 0 vmfetch ./box.ovf
	status_is 0 vmfetch --checksum "sha256:$sum" ./box.ovf
	[ "$before" = "$(snapshot)" ]
	printf 'X' | dd of=b.raw bs=1 seek=9000 conv=notrunc status=none
	status_is 65 vmfetch --refresh ./box.ovf
	[ "$(field error.code)" = digest_mismatch ]
	err_has 'file b.raw: its SHA256 is'
	digests sha256sum box.ovf a.qcow2 b.raw >box.mf
	status_is 65 vmfetch --checksum "sha256:${sum//[0-4]/5}" ./box.ovf
	[ "$(field error.code)" = digest_mismatch ]
	status_is 0 vmfetch --refresh ./box.ovf
	[ "$(field image.id)" = "$(list box.ovf a.qcow2 b.raw)-1" ]
	[ "$(field image.generation)" = 2 ]
}

@test "an .ovf may not name what is not beside it" {
	printf '%512s' secret >secret.raw; mkdir -p d/e
	for href in ../secret.raw "$PWD/secret.raw" %2e%2e/secret.raw \
	    file:///etc/passwd http://127.0.0.1/x.raw; do
		ovf virtualbox "s,b.raw,$href,"; mv box.ovf d; cp a.qcow2 d
		status_is 65 vmfetch ./d/box.ovf
		[ "$(field error.code)" = bad_href ]
	done
	ln -s ../secret.raw d/b.raw
	ovf virtualbox; mv box.ovf d
	status_is 65 vmfetch ./d/box.ovf
	err_has 'd/./b.raw: a symbolic link is not followed'
	ln -s ../.. d/e/up
	ovf virtualbox 's,b.raw,e/up/secret.raw,'; mv box.ovf d
	status_is 65 vmfetch ./d/box.ovf
	err_has 'a symbolic link is not followed'
	ovf virtualbox 's,b.raw,none.raw,'
	status_is 66 vmfetch ./box.ovf
	err_has 'none.raw'
	[ -z "$(ls -A "$VMPIPE_ROOT/images")" ]
	no_litter
}

@test "an .ovf by http: its disks from the same place, all or none" {
	mkdir -p web/dir
	ovf vmware 's,a.qcow2,my disk%231.qcow2,'
	mv box.ovf web/dir; cp a.qcow2 'web/dir/my disk#1.qcow2'
	(cd web/dir && digests sha1sum 'my disk#1.qcow2' >box.mf)
	serve "$PWD/web"
	status_is 77 vmfetch "$url/dir/box.ovf?x=/y"
	sum=$(cd web/dir && list box.ovf 'my disk#1.qcow2')
	status_is 0 vmfetch --checksum "sha256:$sum" "$url/dir/box.ovf?x=/y"
	[ "$(field image.id)" = "$sum" ]
	is_disk "$sum" a.raw
	wait_for has_requests 1 GET '/dir/box.mf'
	has_requests 1 GET '/dir/my%20disk%231.qcow2'
	rm web/dir/box.mf
	status_is 0 vmfetch --refresh --insecure "$url/dir/box.ovf"
	[ "$(field image.id)" = "$sum" ]
	rm web/dir/my*
	status_is 66 vmfetch --refresh --insecure "$url/dir/box.ovf"
	err_has 'my%20disk%231.qcow2'
	status_is 64 vmfetch --checksums auto "$url/dir/box.ovf"
	err_has 'checksums are of one file; use --checksum'
	status_is 64 vmfetch --checksum "sha256:${sum//[0-4]/5}" \
	    --mirror "$url/dir2/box.ovf" "$url/dir/box.ovf"
	err_has 'mirrors do not go with an .ovf'
}

@test "an OVA by http: asked again it has not changed, then it has" {
	mkdir web
	ovf virtualbox
	tar cf web/box.ova box.ovf a.qcow2 b.raw
	serve "$PWD/web"
	status_is 0 vmfetch --insecure --manifest-out 1.yaml "$url/box.ova"
	before=$(snapshot)
	status_is 0 vmfetch --refresh --insecure "$url/box.ova"
	wait_for grep -q '"GET /box.ova .* 304 ' "$access_log"
	[ "$before" = "$(snapshot)" ]
	[ "$(field 'image.disks[1].alias')" = box-2 ]
	tar cf web/box.ova box.ovf b.raw a.qcow2
	touch -d '+1 hour' web/box.ova
	status_is 0 vmfetch --refresh --insecure --manifest-out 2.yaml "$url/box.ova"
	[ "$(field image.generation)" = 2 ]
	[ "$(field 'image.disks[1].id')" = "$(sha web/box.ova)-2" ]
	cmp 1.yaml 2.yaml
	status_is 0 vmfetch box-2@1
	is_disk "$(field image.id)" b.raw
}

@test "the OVAs that there are: streamOptimized VMDK" {
	for i in 1 2; do
		qemu-img convert -f raw -O vmdk -o subformat=streamOptimized \
		    "$([[ $i = 1 ]] && echo a.raw || echo b.raw)" \
		    "box-disk00$i.vmdk"
	done
	cp "$top/test/lib/ovf/virtualbox.ovf" box.ovf
	digests sha256sum box.ovf box-disk00[12].vmdk >box.mf
	tar --format=ustar -cf box.ova box.ovf box-disk00[12].vmdk box.mf
	status_is 0 vmfetch ./box.ova
	is_disk "$(sha box.ova)-1" a.raw
	is_disk "$(sha box.ova)-2" b.raw
	status_is 0 vmfetch -a box2 ./box.ovf
	is_disk "$(list box.ovf box-disk00[12].vmdk)-2" b.raw
	qemu-img convert -f raw -O vmdk -o subformat=monolithicFlat a.raw flat.vmdk
	cp flat.vmdk box-disk001.vmdk
	tar cf x.ova box.ovf box-disk00[12].vmdk
	rm -rf store
	refused data_file 'box-disk001.vmdk: VMDK'
}

@test "a damaged disk of several goes to quarantine and comes back with them" {
	tar cf disks.tar a.qcow2 b.raw
	status_is 0 vmfetch -q ./disks.tar
	second=$VMPIPE_ROOT/images/$(sha disks.tar)-2/$(sha disks.tar)-2.raw
	chmod u+w "$second"
	printf 'X' | dd of="$second" bs=1 seek=9000 conv=notrunc status=none
	chmod 444 "$second"
	run vmdoctor --images
	is_disk "$(sha disks.tar)-2" b.raw
	status_is 0 vmfetch disks-2
	[ "$(field image.id)" = "$(sha disks.tar)-2" ]
	status_is 0 vmfetch disks
	[ "$(field image.id)" = "$(sha disks.tar)-1" ]
}

@test "stdin and the lock file know artifacts with several disks" {
	tar cf disks.tar a.qcow2 b.raw
	status_is 0 vmfetch --lock images.lock -a box --image - <disks.tar
	[ "$(field image.id)" = "$(sha disks.tar)-1" ]
	[ "$(jq -r .digest images.lock)" = "sha256:$(sha disks.tar)" ]
	status_is 0 vmfetch --lock images.lock --locked box
	[ "$(field image.id)" = "$(sha disks.tar)-1" ]
	status_is 0 vmfetch --refresh --all
}

@test "vmgc takes all disks of an artifact or none" {
	tar cf disks.tar a.qcow2 b.raw
	vmfetch -q ./disks.tar | vmclone -q box >/dev/null
	touch -d '100 days ago' "$VMPIPE_ROOT"/images/*-2/image.json
	status_is 0 vmfetch disks
	[ -z "$(find "$VMPIPE_ROOT"/images -name image.json -mtime +90)" ]
	vmgc -q >/dev/null
	status_is 0 vmgc --keep 0
	[ "$(find "$VMPIPE_ROOT/images" -mindepth 1 -maxdepth 1 | wc -l)" = 2 ]
	vmrm -q box >/dev/null
	vmgc --trash >/dev/null
	status_is 0 vmgc --keep 0 -n
	[ "$(grep -c "no clones" <<<"$output")" = 2 ]
	used=$(find "$VMPIPE_ROOT" -type f -printf '%b\n' |
	    awk '{ n += $1 } END { print n }')
	status_is 0 vmgc --max-space "$((used * 512 - 4096))"
	[ -z "$(ls -A "$VMPIPE_ROOT/images")" ]
}
