# Opens the data partition as /dev/mapper/data and links it as what /var is mounted from. The usual case, a key that lies in
# its slot, takes some lines of shell; all else (a TPM, a partition that is new, of an earlier image, or damaged) is for the
# gateway's program, which takes longer to start. The slot is described in wire/key-slot.ts.
part=${1:-/run/paddock-boot/data}
slot=$(head -c 4096 "$part" | tr -d '\000')
is_open=
case $slot in
  "paddock-data 1
keeper disk
key "*)
    sum=${slot##*sha256 }
    text=${slot%sha256 *}
    key=${text##*key }
    key=${key%?}
    device=$(busybox readlink -f "$part")
    sectors=$(((($(cat "/sys/class/block/${device##*/}/size") - 2048) / 8) * 8))
    if [ "$(printf %s "$text" | sha256sum)" = "$sum  -" ] &&
      echo "0 $sectors crypt aes-xts-plain64 $key 0 $part 2048 1 sector_size:4096" |
      dmsetup create --noudevsync --verifyudev --uid 0 --gid 0 --mode 0600 data; then
      is_open=yes
      echo "data partition: encrypted; its key lies beside it on this disk, since the machine has no TPM that keeps it"
    fi
    ;;
esac
[ -n "$is_open" ] || /usr/bin/node /opt/paddock/paddock-gateway.mjs data open --device "$part" || exit 1
ln -sfn /dev/mapper/data /run/paddock-boot/var
