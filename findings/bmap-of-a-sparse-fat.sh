#!/bin/sh
# A FAT in a sparse image, flashed by its block map onto a used card, is full of clusters that nobody wrote.
#
# With:     bmaptool 3.6 (Debian bookworm, bmap-tools 3.6-2), mkfs.fat 4.2 (dosfstools 4.2-1); root, for a loop device. Seen 2026-11-28.
# What:     mkfs.fat on a file that was made by truncate(1), copied into the image with cp --sparse, leaves holes where its tables are
#           zero, that is where clusters are free. bmaptool create maps no holes, and bmaptool copy does not write them. On a block
#           device that held something before, copy ends with 0 and its checks pass; fsck.fat then finds two tables that differ and
#           thousands of clusters in use. Onto a new card, and onto a file, which copy makes empty first, the same image is whole.
# Surprise: each tool does what its manual says, and "holes need not be written" is what makes block maps fast; but to a FAT a zero is
#           a statement.
# Paddock:  `paddock flash` writes partition table and FATs whole, whatever the map says (docs/decisions/0046, hil-tests/lab/flash).
# Exit:     0 as recorded, 1 something changed, 2 could not be tried.
set -eu
[ "$(id -u)" = 0 ] || { echo "a loop device needs root"; exit 2; }
work=$(mktemp -d)
device=
trap '[ -z "$device" ] || losetup --detach "$device"; rm -rf "$work"' EXIT
trap 'exit 2' INT TERM
cd "$work"
for package in bmap-tools=3.6-2 dosfstools=4.2-1; do
  timeout 120 apt-get -q download "$package" >apt.log 2>&1 || { cat apt.log; exit 2; }
done
for package in *.deb; do dpkg -x "$package" root; done
bmaptool() { PYTHONPATH=root/usr/lib/python3/dist-packages python3 root/usr/bin/bmaptool --quiet "$@"; }

truncate -s 64M fat
root/sbin/mkfs.fat -F 32 -n BOOT fat >/dev/null
cp --sparse=always fat image
bmaptool create -o image.bmap image
# What a card held before.
tr '\0' '\356' </dev/zero | head -c 64M >card
cp card new
truncate -s 0 new
truncate -s 64M new
device=$(losetup --find --show card) || exit 2

{
  root/sbin/fsck.fat -n image >fsck 2>&1 && echo "the image: clean"
  bmaptool copy image "$device" && echo "copied to the card: exit 0"
  root/sbin/fsck.fat -n "$device" >fsck 2>&1 && echo "the card: clean"
  grep -m 1 -o 'FATs differ' fsck
  [ "$(grep -c 'out of range' fsck)" -gt 1000 ] && echo "clusters out of range: more than 1000"
  bmaptool copy image new && root/sbin/fsck.fat -n new >fsck 2>&1 && echo "a new card: clean"
} >seen 2>errors || true

cat >recorded <<'TEXT'
the image: clean
copied to the card: exit 0
FATs differ
clusters out of range: more than 1000
a new card: clean
TEXT
diff recorded seen || { echo "CHANGED: < recorded, > seen now"; cat errors; exit 1; }
cat seen
echo "As recorded."
