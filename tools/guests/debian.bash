# debian.bash - the tree of the guest `debian', for mkguest.
#
# guests/debian/root is laid over what mmdebstrap installs.
# shellcheck shell=bash disable=SC2154 # work, here: mkguest's

export DISK_MIB=2048

packages=(ca-certificates dbus iproute2 iputils-ping linux-image-cloud-amd64
    netcat-openbsd openssh-server qemu-guest-agent sudo systemd
    systemd-resolved systemd-sysv tiny-initramfs udev)

# Where this machine gets Debian from, as sources of Debian 12.  Nothing, which
# makes mmdebstrap use its default, when apt has no lists to tell by.
apt_sources()
{
	# shellcheck disable=SC2016 # apt expands these
	apt-get indextargets \
	    --format '$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)' \
	    'Created-By: Packages' |
	    awk '$1 == "Debian" && $3 ~ /^[a-z]+(-updates|-security)?$/ {
	        sub(/^[a-z]+/, "bookworm", $3)
	        print "deb", $2, $3, $4
	    }' | sort -u
}

# This machine's proxies, as apt options for the guest.
apt_proxies()
{
	apt-config dump |
	    sed -n 's/^\(Acquire::[a-z]*::Proxy.* "..*"\);$/--aptopt=\1/p'
}

# Runs in the guest once the packages are there.  What is masked costs seconds
# of each boot under emulation, or would wake up beside a test.
setup='
	rm -f /etc/ssh/ssh_host_* /vmlinuz.old /initrd.img.old
	passwd -q -l root
	systemctl -q enable systemd-networkd
	systemctl -q disable e2scrub_reap remote-fs.target systemd-pstore \
	    systemd-networkd-wait-online
	systemctl -q mask apt-daily.timer apt-daily-upgrade.timer \
	    dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
	    dev-hugepages.mount dev-mqueue.mount sys-fs-fuse-connections.mount \
	    sys-kernel-config.mount sys-kernel-debug.mount \
	    sys-kernel-tracing.mount systemd-network-generator.service \
	    systemd-repart.service
'

make_tree()
{
	local sources=$work/sources proxies=()

	mapfile -t proxies < <(apt_proxies)
	apt_sources >"$sources"
	overlay "$here/guests/debian/root" "$1" "$work/overlay.tar"
	mmdebstrap --quiet --format=tar --variant=minbase \
	    --include="$(IFS=,; echo "${packages[*]}")" \
	    --aptopt='APT::Install-Recommends "false"' \
	    --aptopt='Acquire::Languages "none"' \
	    "${proxies[@]}" \
	    --dpkgopt='path-exclude=/usr/share/doc/*' \
	    --dpkgopt='path-exclude=/usr/share/info/*' \
	    --dpkgopt='path-exclude=/usr/share/locale/*' \
	    --dpkgopt='path-exclude=/usr/share/man/*' \
	    --essential-hook="tar-in '$work/overlay.tar' /" \
	    --customize-hook="chroot \"\$1\" sh -ec '$setup'" \
	    --customize-hook="tar-in '$work/overlay.tar' /" \
	    bookworm "$work/root.tar" - <"$sources"
}
