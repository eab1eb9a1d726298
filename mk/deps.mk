# Which pkg-config package each module of lib/adapt stands on.  A module is its
# file's name up to the first `_' or `.': guestfs_mount.c belongs to guestfs.
# Flags are asked for only when a recipe needs them, and once.

PKG_archive  := libarchive
PKG_crypt    := libcrypt
PKG_crypto   := libcrypto
PKG_curl     := libcurl
PKG_guestfs  := libguestfs
PKG_inflate  := zlib libzstd
PKG_json     := jansson
PKG_lzma     := liblzma
PKG_table    := smartcols
PKG_sqlite   := sqlite3
PKG_virt     := libvirt
PKG_xml      := libxml-2.0
PKG_yaml     := yaml-0.1

adapt_src := $(filter lib/adapt/%,$(lib_src))
module    = $(firstword $(subst _, ,$(basename $(notdir $(1)))))
packages  := $(sort $(foreach s,$(adapt_src),$(PKG_$(call module,$s))))

pkgconf = $(or $(shell pkg-config $(1) && echo ' '),$(error pkg-config $(1) \
	fails; type: tools/deps build))
module_cflags = $(if $(filter lib/adapt/%,$(1)),$(if \
	$(PKG_$(call module,$(1))),$(call pkgconf,--cflags \
	$(PKG_$(call module,$(1))))))
module_libs = $(eval module_libs := $(if $(packages),$(call \
	pkgconf,--libs $(packages))))$(module_libs)
