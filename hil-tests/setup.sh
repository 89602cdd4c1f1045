#!/bin/sh
# Installs what the interop, lab and boot tests and the image builder need, on a Debian with nothing but apt. Root,
# non-interactive, harmless to repeat, and quick when all is there. No service that apt brings is left running: the tests
# start their own.
set -eu

# package:command, where the command (or file) tells that the package is there
WANTED='frr:/usr/lib/frr/bfdd
bird2:bird
keepalived:keepalived
nftables:nft
tshark:tshark
libcoap3-bin:coap-client-notls
python3:python3
build-essential:cc
systemd:systemd-analyze
iproute2:ip
iputils-ping:ping
procps:sysctl
util-linux:chrt
dbus-daemon:dbus-daemon
avahi-daemon:avahi-daemon
avahi-utils:avahi-browse
nginx:nginx
openssl:openssl
mariadb-server-core:mariadbd
mariadb-client-core:mariadb
apache2:apache2
libapache2-mod-php8.2:/usr/lib/apache2/modules/libphp8.2.so
php8.2-cli:php8.2
php8.2-mysql:/usr/lib/php/20220829/mysqli.so
qemu-system-x86:qemu-system-x86_64
ovmf:/usr/share/OVMF/OVMF_CODE_4M.fd
qemu-system-arm:qemu-system-aarch64
qemu-efi-aarch64:/usr/share/AAVMF/AAVMF_CODE.fd
binutils-aarch64-linux-gnu:aarch64-linux-gnu-objcopy
radvd:radvd
mtools:mcopy
dosfstools:mkfs.vfat
fdisk:sfdisk
e2fsprogs:mkfs.ext4
cryptsetup-bin:veritysetup
kmod:depmod
xz-utils:xz
sbsigntool:sbsign
swtpm:swtpm
prometheus:prometheus
bmap-tools:bmaptool
nix-bin:nix-instantiate
redis-server:redis-server
curl:curl
jq:jq
influxdb:influxd
influxdb-client:influx'
SERVICES='frr bird bird6 keepalived nftables avahi-daemon.socket avahi-daemon nginx radvd redis-server prometheus apache2 influxdb'
POLICY=/usr/sbin/policy-rc.d
LOG=$(mktemp)
PATH=$PATH:/usr/sbin:/sbin
our_policy=no

fail() {
  echo "hil-tests/setup.sh: $*" >&2
  exit 1
}

leave() {
  [ "$our_policy" = no ] || rm -f "$POLICY"
  rm -f "$LOG"
}
trap leave EXIT
trap 'exit 1' INT TERM

[ "$(id -u)" = 0 ] || fail "this installs packages: run it as root, for example: sudo hil-tests/setup.sh"
command -v apt-get >/dev/null || fail "apt-get is missing: this script knows Debian and what descends from it. Needed are: $(echo "$WANTED" | cut -d: -f1 | tr '\n' ' ')"

missing_packages() {
  for pair in $WANTED; do
    command -v "${pair#*:}" >/dev/null || [ -e "${pair#*:}" ] || echo "${pair%%:*}"
  done
}

missing=$(missing_packages | tr '\n' ' ')
if [ -z "$missing" ]; then
  echo "All there: $(echo "$WANTED" | cut -d: -f1 | tr '\n' ' ')"
  sh "$(dirname "$0")/setup-frr10.sh"
  sh "$(dirname "$0")/setup-mariadb11.sh"
  sh "$(dirname "$0")/setup-otlp.sh"
  exit 0
fi

if [ ! -e "$POLICY" ]; then
  # Denies the start of services while apt installs them (Debian's invoke-rc.d asks this file; 101 is "not allowed").
  printf '#!/bin/sh\nexit 101\n' >"$POLICY"
  chmod 755 "$POLICY"
  our_policy=yes
fi

apt() {
  DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confold "$@" </dev/null >"$LOG" 2>&1 || {
    tail -n 20 "$LOG" >&2
    fail "apt-get $* failed; its last lines are above"
  }
}

echo "Installing: $missing"
apt update
# shellcheck disable=SC2086 # a list of names
apt install -y --no-install-recommends $missing

# Where systemd is the init, enabled units would start at the next boot, and one that was there before us may run.
if [ -d /run/systemd/system ]; then
  for service in $SERVICES; do
    case " $missing " in
      *" ${service%%.*} "* | *" ${service%%.*}2 "*) systemctl disable --now "$service" >/dev/null 2>&1 || true ;;
    esac
  done
fi

left=$(missing_packages | tr '\n' ' ')
[ -z "$left" ] || fail "apt-get said yes, but the commands of these packages are not there: $left"
echo "Installed: $missing"
echo "No service was started; the tests start what they need inside network namespaces."
sh "$(dirname "$0")/setup-frr10.sh"
sh "$(dirname "$0")/setup-mariadb11.sh"
sh "$(dirname "$0")/setup-otlp.sh"
