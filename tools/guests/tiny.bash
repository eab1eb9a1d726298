# tiny.bash - the tree of the guest `tiny', for mkguest.
#
# The kernel is the one installed here for libguestfs, busybox is fetched.
# guests/tiny/root is the guest's own files, guests/tiny/initramfs what runs
# before them.
# shellcheck shell=bash disable=SC2154 # work, here: mkguest's

export DISK_MIB=64

modules=(virtio_pci virtio_blk virtio_net virtio_rng virtio_console ata_piix
    sd_mod button evdev)

newest_kernel()
{
	local image
	image=$(printf '%s\n' /boot/vmlinuz-*-cloud-amd64 | sort -V | tail -n 1)
	[[ -r $image ]] || die "$UNAVAILABLE" "$image: cannot be read"
	echo "${image#/boot/vmlinuz-}"
}

# busybox of busybox-static, not installed, to $1.
fetch_busybox()
{
	(cd "$work" &&
	    apt-get -qq -o APT::Sandbox::User=root download busybox-static)
	dpkg-deb --fsys-tarfile "$work"/busybox-static_*.deb |
	    tar -x --to-stdout -f - ./bin/busybox >"$1"
	chmod 755 "$1"
}

# The modules with what they depend on, numbered in the order of loading.
copy_modules()
{
	local version=$1 to=$2 file n=100

	for file in "${modules[@]}"; do
		modprobe -S "$version" --show-depends "$file"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' |
	    while read -r file; do
		n=$((n + 1))
		case $file in
		*.xz) xz -dc "$file" >"$to/$n-$(basename "$file" .xz)" ;;
		*) cp "$file" "$to/$n-${file##*/}" ;;
		esac
	done
}

make_tree()
{
	local uuid=$1 version tree=$work/tree initramfs=$work/initramfs name

	version=$(newest_kernel)
	mkdir -p "$tree"/{bin,boot,dev,etc/systemd/network,proc,root,run,sys,tmp} \
	    "$tree"/var/{lib/dpkg,log} "$initramfs"/{bin,dev,modules,proc,root,sys}
	fetch_busybox "$tree/bin/busybox"

	# The initramfs: ours, busybox and the modules.
	overlay "$here/guests/tiny/initramfs" "$uuid" "$work/overlay.tar"
	tar -C "$initramfs" -xf "$work/overlay.tar"
	cp "$tree/bin/busybox" "$initramfs/bin"
	for name in sh mount insmod findfs usleep switch_root; do
		ln -s busybox "$initramfs/bin/$name"
	done
	copy_modules "$version" "$initramfs/modules"
	(cd "$initramfs" && find . | cpio --quiet -o -H newc -R 0:0) |
	    zstd -q -3 >"$tree/boot/initrd.img"

	# The root.
	overlay "$here/guests/tiny/root" "$uuid" "$work/overlay.tar"
	tar -C "$tree" -xf "$work/overlay.tar"
	cp "/boot/vmlinuz-$version" "$tree/boot/vmlinuz"
	"$tree/bin/busybox" --list | while read -r name; do
		[[ $name == busybox ]] || ln -s busybox "$tree/bin/$name"
	done
	ln -s bin "$tree/sbin"
	mkdir "$tree/usr"
	ln -s ../bin "$tree/usr/bin"
	ln -s ../bin "$tree/usr/sbin"
	: >"$tree/etc/machine-id"
	: >"$tree/var/lib/dpkg/status"
	chmod 640 "$tree"/etc/{shadow,gshadow}
	chmod 1777 "$tree/tmp"
	tar -C "$tree" --owner=0 --group=0 --numeric-owner \
	    -cf "$work/root.tar" .
}
