#!/bin/sh
# bonjour-service probes for the name of a service, but not for the host name that it announces with it.
#
# With:     bonjour-service 1.4.4 with multicast-dns 7.2.5 (npm), Node 20 or later; root, Linux. Seen 2026-11-28.
# What:     two machines with the same host name, such as two made from one image, publish services of different names. Both come up,
#           nobody is told, and both answer for the host: a lookup of it has the addresses of both machines. Who
#           resolves one of the two services asks for that host, and reaches either machine. With the same service name
#           the second does not come up, and prints an error: probing is on.
# Surprise: RFC 6762 §8.1 asks to probe for every record that is meant to be unique. An option "probe", on by default, reads as
#           if that was done, and the one test that comes to mind, the same service twice, is passed.
# Paddock:  announces a host name that carries the gateway's id: hil-tests/lab/discovery/avahi.lab.test.ts ("two gateways of one
#           image and one configured name are two names and two hosts, each with its own address"), docs/decisions/0014.
# Exit:     0 as recorded, 1 something changed, 2 could not be tried.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 2' INT TERM
cd "$work"
timeout 300 npm install --silent --no-audit --no-fund --ignore-scripts --prefix . \
  bonjour-service@1.4.4 multicast-dns@7.2.5 >npm.log 2>&1 || { cat npm.log; exit 2; }

cat >publish.cjs <<'JS'
const { Bonjour } = require("bonjour-service");
const [, , name] = process.argv;
const bonjour = new Bonjour(undefined, (error) => console.log(`told: ${error.message}`));
const service = bonjour.publish({ name, type: "coap", protocol: "udp", port: 5683, host: "gateway.local", disableIPv6: true });
service.on("up", () => console.log("up"));
setTimeout(() => process.exit(), 12_000);
JS
cat >ask.cjs <<'JS'
// Who answers for the host within two seconds.
const mdns = require("multicast-dns")();
const addresses = new Set();
mdns.on("response", ({ answers }) => {
  for (const { name, type, data } of answers) if (type === "A" && name === "gateway.local") addresses.add(data);
});
mdns.on("ready", () => mdns.query("gateway.local", "A"));
setTimeout(() => {
  console.log([...addresses].sort().join(" and ") || "nobody");
  process.exit();
}, 2000);
JS
cat >inside.sh <<'SH'
set -eu
mkdir -p /run/netns
mount -t tmpfs none /run/netns
ip link add bridge type bridge mcast_snooping 0
ip link set bridge up
for number in 1 2 3; do
  ip netns add "m$number"
  ip link add "p$number" type veth peer name wan netns "m$number"
  ip link set "p$number" master bridge up
  ip -n "m$number" link set wan up
  ip -n "m$number" address add "192.0.2.$number/24" dev wan
  ip -n "m$number" route add 224.0.0.0/4 dev wan
done
# both NAME NAME: two machines publish a service each under one host name
both() {
  ip netns exec m1 node publish.cjs "$1" >one &
  first=$!
  sleep 3
  ip netns exec m2 node publish.cjs "$2" >two &
  second=$!
  sleep 4
  answers=$(ip netns exec m3 node ask.cjs)
  kill "$first" "$second" 2>/dev/null || true
  wait "$first" "$second" 2>/dev/null || true
  echo "services $1 and $2: first: $(tail -n 1 one), second: $(head -n 1 two), gateway.local: $answers"
}
both barn yard
both barn barn
SH
timeout 90 unshare --net --mount sh inside.sh >seen 2>&1 || true

cat >recorded <<'TEXT'
services barn and yard: first: up, second: up, gateway.local: 192.0.2.1 and 192.0.2.2
services barn and barn: first: up, second: Error: Service name is already in use on the network, gateway.local: 192.0.2.1
TEXT
diff recorded seen || { echo "CHANGED: < recorded, > seen now"; exit 1; }
cat seen
echo "As recorded."
