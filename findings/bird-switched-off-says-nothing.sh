#!/bin/sh
# BIRD ends a BFD session that the operator disables without a packet: planned maintenance looks like a broken link.
#
# With:     BIRD 2.0.12 (Debian bookworm, bird2 2.0.12-7) beside FRR 10.3 (Debian trixie, unpacked by hil-tests/setup-frr10.sh),
#           Node 20 or later; root, Linux. Seen 2026-11-28.
# What:     `birdc disable` stops BFD with no packet at all: the other end finds out when its detection time is over, and calls
#           it "control detection time expired". FRR's `shutdown` says AdminDown, once, with diagnostic 0; FRR's bfdd
#           ended by SIGTERM says nothing either.
# Surprise: AdminDown exists so that a planned stop can be told from a failure (RFC 5880 §6.8.16, RFC 5882 §3.2), both
#           programs have a command for it, and only one of the three ways to use them sends it.
# Paddock:  says AdminDown four times when it stops, and docs/bfd.md, "a neighbour's planned stop", tells what each neighbour's
#           stop looks like; hil-tests/lab/bfd/frr10.lab.test.ts ("stopped by SIGTERM it says nothing: down after the detection time").
# Exit:     0 as recorded, 1 something changed, 2 could not be tried.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 2' INT TERM
chmod 755 "$work"
cd "$work"
frr=${PADDOCK_FRR10:-$work/frr10}
timeout 300 "$here/../hil-tests/setup-frr10.sh" "$frr" >frr.log 2>&1 || { cat frr.log; exit 2; }
timeout 120 apt-get -q download bird2=2.0.12-7 >apt.log 2>&1 || { cat apt.log; exit 2; }
dpkg -x ./*.deb bird
"$frr/bin/bfdd" --version | head -n 1 >seen
bird/usr/sbin/bird --version >>seen 2>&1 || { cat seen; exit 2; }

cat >peer.cjs <<'JS'
// The other end of one session (RFC 5880 §6.8.6): comes up with whoever speaks. Writes the file "up" once both are, and
// prints what else than Up it hears after the file "stopped" is there.
const { createSocket } = require("node:dgram");
const { existsSync, writeFileSync } = require("node:fs");
const NAMES = ["AdminDown", "Down", "Init", "Up"];
const [socket, sender] = [createSocket("udp6"), createSocket("udp6")];
const heard = [];
let ups = 0;
socket.on("message", (packet, { address }) => {
  const state = packet[1] >> 6;
  if (existsSync("stopped")) {
    if (state !== 3) heard.push(`${NAMES[state]} with diagnostic ${packet[0] & 31}`);
  }
  const answer = Buffer.from([0x20, (state === 1 ? 2 : 3) << 6, 3, 24, ...new Array(20).fill(0)]);
  if (packet[1] & 0x20) answer[1] |= 0x10;
  answer.writeUInt32BE(7, 4);
  packet.copy(answer, 8, 4, 8);
  answer.writeUInt32BE(300_000, 12);
  answer.writeUInt32BE(300_000, 16);
  if (state !== 0) sender.send(answer, 3784, address);
  if (state === 3 && (ups += 1) === 10) writeFileSync("up", "");
});
socket.bind(3784, "fd00:bfd::1");
sender.bind(49152, "fd00:bfd::1", () => sender.setTTL(255));
const deadline = Date.now() + 40_000;
const timer = setInterval(() => {
  if (existsSync("over") || Date.now() > deadline) {
    console.log(heard.length === 0 ? "nothing" : heard.join(", "));
    process.exit();
  }
}, 50);
JS
cat >inside.sh <<'SH'
set -eu
frr=$1
mkdir -p /run/netns
mount -t tmpfs none /run/netns
ip netns add neighbour
ip link add here type veth peer name there netns neighbour
ip link set here up
ip -n neighbour link set there up
ip address add fd00:bfd::1/64 dev here nodad
ip -n neighbour address add fd00:bfd::2/64 dev there nodad
mkdir frr
chown frr:frr frr

bfdd() {
  printf 'bfd\n peer fd00:bfd::1 local-address fd00:bfd::2\n' >bfdd.conf
  ip netns exec neighbour "$frr/bin/bfdd" -i "$PWD/frr/pid" --vty_socket "$PWD/frr" -A ::1 -P 0 -z "$PWD/frr/zebra" -f "$PWD/bfdd.conf" >frr.log 2>&1 </dev/null &
  daemon=$!
}
bird() {
  cat >bird.conf <<'CONF'
router id 192.0.2.1;
protocol device { }
protocol bfd session { interface "there"; neighbor fd00:bfd::1 dev "there" local fd00:bfd::2; }
CONF
  ip netns exec neighbour bird/usr/sbin/bird -f -c bird.conf -s bird.ctl >bird.log 2>&1 </dev/null &
  daemon=$!
}
# try WHAT PROGRAM COMMAND...: what the other end hears from an Up session when the command stops it
try() {
  what=$1
  rm -f up stopped over
  "$2"
  shift 2
  node peer.cjs >told &
  peer=$!
  for _ in $(seq 300); do [ -e up ] && break; sleep 0.1; done
  [ -e up ] || { echo "$what: never Up"; cat ./*.log; exit 1; }
  : >stopped
  "$@" >>frr.log 2>&1
  sleep 3
  : >over
  wait "$peer"
  kill "$daemon" 2>/dev/null || true
  wait "$daemon" || true
  echo "$what: $(cat told)"
}
shut() { "$frr/bin/vtysh" --vty_socket "$PWD/frr" -d bfdd -c 'configure terminal' -c bfd -c 'peer fd00:bfd::1 local-address fd00:bfd::2' -c shutdown; }
end() { kill "$daemon"; }
try "FRR, shutdown" bfdd shut
try "FRR, SIGTERM" bfdd end
try "BIRD, disable" bird bird/usr/sbin/birdc -s bird.ctl disable session
try "BIRD, SIGTERM" bird end
SH
timeout 180 unshare --net --mount sh inside.sh "$frr" >>seen 2>&1 || true

cat >recorded <<'TEXT'
bfdd version 10.3
BIRD version 2.0.12
FRR, shutdown: AdminDown with diagnostic 0
FRR, SIGTERM: nothing
BIRD, disable: nothing
BIRD, SIGTERM: nothing
TEXT
diff recorded seen || { echo "CHANGED: < recorded, > seen now"; exit 1; }
cat seen
echo "As recorded."
