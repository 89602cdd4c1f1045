#!/bin/sh
# `chroot DIR COMMAND` of a static BusyBox runs BusyBox's own COMMAND, not DIR's, as soon as /proc is mounted in DIR.
#
# With:     busybox-static 1:1.35.0-4+deb12u1+b1 (Debian bookworm); the same with 1:1.37.0-6+b9 (trixie), in an initrd.
#           Root, Linux. Seen 2026-11-28.
# What:     The same command line gives two programs. Without /proc in the new root, a bare name is looked up in PATH there, and its
#           own program runs. With /proc there, BusyBox finds itself again through /proc/self/exe, prefers the applet
#           of that name, and the program of the new root is not run. A name with a slash is always the new root's.
# Surprise: chroot is asked for just to run what is in the other tree. An initrd moves /proc into the new root before it
#           uses it, so it meets the second case: `chroot /root modprobe ...` read indexes that BusyBox wants and kmod has
#           no need of, found none, and loaded no driver. All it cost was time: udev loaded them later.
# Paddock:  nix/image/init.sh names /usr/sbin/modprobe by its path and says on the console when no driver was loaded;
#           hil-tests/boot/first-frame.boot.test.ts takes that line for a failure.
# Exit:     0 as recorded, 1 something changed, 2 could not be tried.
set -eu
[ "$(id -u)" = 0 ] || { echo "needs root, for chroot" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 2' INT TERM
cd "$work"
timeout 120 apt-get -q download busybox-static=1:1.35.0-4+deb12u1+b1 >apt.log 2>&1 || { cat apt.log; exit 2; }
dpkg -x ./*.deb package
busybox=$work/package/bin/busybox
mkdir -p root/bin root/proc
cp "$busybox" root/bin/
printf '%s\n' '#!/bin/busybox sh' 'echo "of the new root"' >root/bin/hostid
chmod +x root/bin/hostid

# A mount namespace of its own: the mount ends with it.
BUSYBOX=$busybox unshare -m sh -eu >seen <<'SH'
say() { echo "$1: $(PATH=/bin "$BUSYBOX" chroot root "$2")" | sed 's/[0-9a-f]\{8\}$/of BusyBox/'; }
say "bare name, no /proc" hostid
"$BUSYBOX" mount -t proc proc root/proc
say "bare name, /proc is mounted" hostid
say "by its path, /proc is mounted" /bin/hostid
SH

cat >recorded <<'EOF'
bare name, no /proc: of the new root
bare name, /proc is mounted: of BusyBox
by its path, /proc is mounted: of the new root
EOF
cat seen
diff recorded seen || { echo "changed" >&2; exit 1; }
