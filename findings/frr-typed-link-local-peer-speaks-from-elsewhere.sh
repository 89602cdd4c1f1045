#!/bin/sh
# FRR 10.3: the same link-local BFD peer is spoken to from another address when it is typed in than when it is read from the file.
#
# With:     FRR 10.3 (Debian trixie, unpacked by hil-tests/setup-frr10.sh), Node 20 or later; root, Linux. Seen 2026-11-28.
# What:     "peer fe80::1 interface there", where the interface has a global address, too. From the file: bfdd speaks from its
#           link-local address. The same line typed into vtysh: from the global one, which the peer does not wait for, so that the
#           session stays down at both ends. After a restart it works. With local-address both ways are the same.
# Surprise: what is typed in and then saved is expected to be what the file means; and a link-local peer to be spoken to from a
#           link-local address, which is what the peer has configured.
# Paddock:  names the address that speaks instead of the peer it waits for ("strangerAddress", `paddock bfd status`):
#           hil-tests/lab/bfd/frr10.lab.test.ts ("a link-local peer that was typed in speaks from its global address: the session
#           names it"), docs/bfd.md, "Running it".
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
"$frr/bin/bfdd" --version | head -n 1 >seen

cat >listen.cjs <<'JS'
// The first address that speaks BFD to this machine.
const socket = require("node:dgram").createSocket("udp6");
socket.on("message", (_, { address }) => {
  console.log(address.replace(/%.*/, ""));
  process.exit();
});
socket.bind(3784, "::");
setTimeout(() => {
  console.log("nothing in 15 s");
  process.exit();
}, 15_000);
JS
# A mount namespace of its own: the name of the second network namespace is seen and lives here only.
cat >inside.sh <<'SH'
set -eu
frr=$1
mkdir -p /run/netns
mount -t tmpfs none /run/netns
ip netns add neighbour
ip link add here type veth peer name there netns neighbour
for side in "" "-n neighbour"; do
  # shellcheck disable=SC2086 # none or two words
  ip $side link set lo up
done
ip link set here addrgenmode none
ip -n neighbour link set there addrgenmode none
ip link set here up
ip -n neighbour link set there up
for address in fe80::1 fd00:bfd::1; do ip address add $address/64 dev here nodad; done
for address in fe80::2 fd00:bfd::2; do ip -n neighbour address add $address/64 dev there nodad; done

daemon() {
  name=$1
  shift
  ip netns exec neighbour "$frr/bin/$name" -i "$at/$name.pid" --vty_socket "$at" -A ::1 -P 0 -z "$at/zebra" "$@" >>frr.log 2>&1 </dev/null &
}
vtysh() { "$frr/bin/vtysh" --vty_socket "$at" -d bfdd "$@" >>frr.log 2>&1; }
# try WHAT FILE [COMMAND]...: who speaks when bfdd starts with this file and is told these commands
try() {
  what=$1
  at=$PWD/$(echo "$what" | tr ' ,' '--')
  mkdir "$at"
  printf "$2" >"$at/bfdd.conf"
  : >"$at/zebra.conf"
  chown -R frr:frr "$at"
  shift 2
  daemon zebra -f "$at/zebra.conf"
  for _ in $(seq 100); do [ -s "$at/zebra.pid" ] && break; sleep 0.1; done
  daemon bfdd -f "$at/bfdd.conf"
  for _ in $(seq 100); do vtysh -c 'show bfd peers' && break; sleep 0.1; done
  sleep 2
  if [ $# -gt 0 ]; then vtysh -c 'configure terminal' -c bfd "$@"; fi
  timeout 20 node listen.cjs >speaker || true
  echo "$what: speaks from $(cat speaker)"
  kill "$(cat "$at/bfdd.pid")" "$(cat "$at/zebra.pid")"
  wait
}
try "read from the file" 'bfd\n peer fe80::1 interface there\n'
try "typed in" 'bfd\n' -c 'peer fe80::1 interface there'
try "read, with local-address" 'bfd\n peer fe80::1 local-address fe80::2 interface there\n'
try "typed, with local-address" 'bfd\n' -c 'peer fe80::1 local-address fe80::2 interface there'
SH
timeout 180 unshare --net --mount sh inside.sh "$frr" >>seen 2>&1 || cat frr.log >>seen

cat >recorded <<'TEXT'
bfdd version 10.3
read from the file: speaks from fe80::2
typed in: speaks from fd00:bfd::2
read, with local-address: speaks from fe80::2
typed, with local-address: speaks from fe80::2
TEXT
diff recorded seen || { echo "CHANGED: < recorded, > seen now"; exit 1; }
cat seen
echo "As recorded."
