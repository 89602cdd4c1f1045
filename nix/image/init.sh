#!/bin/busybox sh
# The first program of an image: finds the root file system of its own release, checks every byte of it, and hands over
# to systemd. What it cannot start it marks as bad, so that the boot loader takes the other release.
BB=/bin/busybox
$BB mkdir -p /proc /sys /dev /run /root /esp
$BB mount -t devtmpfs -o mode=755,nosuid dev /dev
$BB mount -t proc -o nosuid,noexec,nodev proc /proc
$BB mount -t sysfs -o nosuid,noexec,nodev sys /sys
$BB mount -t tmpfs -o mode=755,nosuid,nodev run /run
PATH=/bin:/sbin
REQUESTS=/usr/lib/paddock/device-mapper

say() {
  echo "paddock: $*" >/dev/console
  echo "<5>paddock: $*" >/dev/kmsg
}

# machine: names that the machine's devices have for their drivers
machine() {
  find /sys/devices -name modalias -exec cat {} + | sort -u
}

# load_drivers: what the machine has, as far as the list of the image goes. One command: each reads the list anew.
load_drivers() {
  modprobe -abq crc32c_intel crc32c_generic sha256_ssse3 erofs dm_verity sd_mod mmc_block $(machine) 2>/dev/null
}

# link NAME: lets the root find a partition of its disk without a search
link() {
  device=$(partition "$1") && ln -s "$device" "/run/paddock-boot/$1"
}

# started_from: the disk whose EFI partition the boot loader was started from, such as vda; nothing when it does not say
started_from() {
  modprobe -bq efivarfs && mount -t efivarfs efivarfs /sys/firmware/efi/efivars 2>/dev/null || return 0
  id=$(tail -c +5 /sys/firmware/efi/efivars/LoaderDevicePartUUID-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f 2>/dev/null | tr -d '\000' | tr A-F a-f)
  [ -n "$id" ] || return 0
  for event in /sys/class/block/*/uevent; do
    grep -q "^PARTUUID=$id\$" "$event" && basename "$(dirname "$(readlink -f "$(dirname "$event")")")" && return 0
  done
}

# partition NAME: its device; on the disk that the boot loader was started from where that is known
partition() {
  for event in /sys/block/${disk:-*}/*/uevent; do
    grep -q "^PARTNAME=$1\$" "$event" 2>/dev/null && echo "/dev/$(basename "$(dirname "$event")")" && return 0
  done
  return 1
}

# wait_for COMMAND...: its output, once there is any; disks show up when they like
wait_for() {
  tries=0
  until "$@"; do
    tries=$((tries + 1))
    [ $tries -lt 150 ] || return 1
    usleep 100000
    [ $((tries % 20)) != 0 ] || load_drivers
  done
}

# u32 NUMBER: its four bytes, little-endian
u32() {
  for shift in 0 8 16 24; do printf "\\$(printf %o $(($1 >> shift & 255)))"; done
}

# device_mapper: sends it what comes in
device_mapper() {
  cat >/run/request
  ioctl <>/dev/mapper/control 3</run/request
}

# make_verity DATA HASHES: /dev/dm-0, which has no block that is not as released
make_verity() {
  device_mapper <$REQUESTS/create || return 1
  {
    cat $REQUESTS/load
    u32 $((DATA_BLOCKS * 8))
    cat $REQUESTS/target
    printf '1 %s %s 4096 4096 %s %s sha256 %s %s\0' "$1" "$2" "$DATA_BLOCKS" "$HASH_START" "$ROOT_HASH" "$SALT"
  } | device_mapper || return 1
  device_mapper <$REQUESTS/resume
}

# little_memory: whether programs have less than 160 MiB, as in nix/image/system-text.ts
little_memory() {
  read -r _ total _ </proc/meminfo && [ "$total" -lt 163840 ]
}

# save_memory: without V8's compilers the gateway keeps less of its own, and looks at less of Node's text
save_memory() {
  little_memory || return 0
  echo 'NODE_FLAGS=--lite-mode --max-semi-space-size=1' >/run/paddock-boot/node-flags
}

# swap_to_memory: what programs wrote and do not look at is kept compressed; with the drivers and places of the root
swap_to_memory() {
  [ -e /root/run/paddock-boot/node-flags ] || return 0
  chroot /root /usr/sbin/modprobe -q zram || return 0
  echo 0 >/root/proc/sys/vm/page-cluster
  echo 64M >/root/sys/block/zram0/disksize && $BB mkswap /root/dev/zram0 >/root/dev/null && $BB swapon /root/dev/zram0
}

# open_root: the checked root file system at /root
open_root() {
  data=$(wait_for partition "paddock_$VERSION") || { say "no partition paddock_$VERSION"; return 1; }
  hashes=$(wait_for partition "paddock_${VERSION}_verity") || { say "no partition paddock_${VERSION}_verity"; return 1; }
  make_verity "$data" "$hashes" || { say "dm-verity cannot be set up"; return 1; }
  # What was read compressed is not kept as well: there the programs themselves are dropped and read again all the time.
  options=ro
  ! little_memory || options=ro,cache_strategy=disabled
  mount -t erofs -o $options /dev/dm-0 /root || return 1
  dd if=/dev/dm-0 of=/dev/null bs=1M 2>/dev/null || { say "$data is damaged: a block has another hash than the release"; return 1; }
}

# give_way: marks this release as bad and starts the other one, if there is another that is not
give_way() {
  esp=$(partition esp) && modprobe -abq vfat nls_cp437 nls_ascii && mount -t vfat -o sync "$esp" /esp || return 1
  own= other=
  for entry in /esp/EFI/Linux/paddock_*.efi; do
    case ${entry##*/} in
      "paddock_$VERSION.efi" | "paddock_$VERSION+"*) own=$entry ;;
      *+0.efi | *+0-*.efi) ;;
      *) other=$entry ;;
    esac
  done
  [ -n "$own" ] && [ -n "$other" ] || { umount /esp; return 1; }
  case ${own##*/} in
    *+0-*.efi) ;;
    *) mv "$own" "/esp/EFI/Linux/paddock_$VERSION+0-1.efi" ;;
  esac
  umount /esp
  say "release $VERSION is marked as bad; starting ${other##*/}"
  sync
  reboot -f
}

# read_release: what the command line says of this release. The first such word counts: it is part of the program that was
# signed, and what a firmware adds comes behind it.
read_release() {
  for word in $(cat /proc/cmdline); do
    case $word in
      paddock.release=*)
        IFS=:
        set -- ${word#*=}
        unset IFS
        VERSION=$1 DATA_BLOCKS=$2 HASH_START=$3 ROOT_HASH=$4 SALT=$5
        return 0
        ;;
    esac
  done
  say "the command line has no paddock.release"
}

read_release
say "release $VERSION: looking for its root"
load_drivers
disk=$(started_from)
if open_root; then
  say "every block of the root is as released"
elif give_way; then
  :
elif grep -q " /root " /proc/mounts; then
  say "WARNING: there is no other release to go back to; going on with a damaged one"
else
  say "No release can be started. Flash the device anew: what is buffered stays if you keep the data partition."
  say "This is a shell for repair; reboot -f starts again."
  setsid cttyhack sh
  reboot -f
fi
mkdir -p /run/paddock-boot
echo "$VERSION" >/run/paddock-boot/release
disk=$(basename "$(dirname "$(readlink -f "/sys/class/block/${data##*/}")")")
echo "/dev/$disk" >/run/paddock-boot/disk
for name in esp CONFIG data; do link $name; done
save_memory
aliases=$(machine)
for place in dev proc sys run; do mount -o move /$place /root/$place; done
# In one go, before udev asks for one after the other. By its path: of a bare name busybox would run its own, in the root too,
# which has no use for the root's indexes. What it ends with tells nothing, as not every device has a driver.
chroot /root /usr/sbin/modprobe -abq $(chroot /root cat /usr/lib/paddock/early-modules) $aliases 2>/root/dev/null
[ -d /root/sys/module/ext4 ] || echo "<4>paddock: the drivers of the root were not loaded at once; this start takes longer" >/root/dev/kmsg
swap_to_memory
exec switch_root /root /usr/lib/systemd/systemd
