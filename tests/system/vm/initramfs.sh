#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# initramfs.sh MODULES CACHE: prints the path of the initramfs for a kernel (MODULES is its folder of modules), made
# on first use: busybox, the guest-* scripts and the modules without which the host's root cannot be mounted.
# Its name in CACHE is the hash of all that is in it: nothing stale is ever booted, and two builders at once agree.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
modules=$1 cache=$2
busybox=$(command -v busybox)
wanted=(virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_console fuse virtiofs overlay)

# In the order of loading; what is not found is built in.
found=()
for name in "${wanted[@]}"; do
	found+=("$(find "$modules/kernel" -name "$name.ko*" -print -quit)")
done
inputs=("$0" "$here"/guest-* "$busybox")
for file in "${found[@]}"; do
	[ -z "$file" ] || inputs+=("$file")
done
hash=$(cat "${inputs[@]}" | sha256sum | cut -c1-16)
image=$cache/initramfs-${modules##*/}-$hash
[ ! -e "$image" ] || { echo "$image"; exit; }

mkdir -p "$cache"
tree=$(mktemp -d "$cache/tree.XXXXXX")
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree"/root/{bin,dev,proc,sys,modules,vm,ro,rw,new}
cp "$busybox" "$tree/root/bin/busybox"
cp "$here/guest-init" "$tree/root/init"
cp "$here/guest-pid1" "$here/guest-run" "$here/guest-measure" "$tree/root/vm/"
chmod 755 "$tree/root/init"
n=10
for file in "${found[@]}"; do
	[ -n "$file" ] || continue
	case $file in *.xz) unpack='xz -dc' ;; *.zst) unpack='zstd -qdc' ;; *) unpack='cat' ;; esac
	$unpack "$file" >"$tree/root/modules/$n-$(basename "${file%.ko*}").ko"
	n=$((n + 1))
done
(cd "$tree/root" && find . | busybox cpio -o -H newc 2>/dev/null) >"$tree/image"
mv -f "$tree/image" "$image"
echo "$image"
