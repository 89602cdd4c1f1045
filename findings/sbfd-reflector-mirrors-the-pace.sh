#!/bin/sh
# FRR 10.3's reflector of seamless BFD copies the asker's own intervals into its answer, as if they were its wish.
#
# With:     FRR 10.3 (Debian trixie, unpacked by hil-tests/setup-frr10.sh), Node 20 or later; root, Linux. Seen 2026-11-28.
# What:     Desired Min TX, Required Min RX and Detect Mult of the answer are those of the question. Required Min RX is how often
#           the reflector can be asked; here it says 1 s to who writes 1 s, 50 ms to who writes 50 ms, and 0 to who writes 0.
# Surprise: an initiator that is down has to be slow (RFC 5880 §6.8.3: 1 s at least). If it writes that second into Required Min RX,
#           as it would toward any other BFD peer, it reads it back as the far end's wish, obeys, writes 1 s again, and is 20 times
#           slower than configured for ever, in state Up. Two ends of one maker, or FRR with FRR (which writes 0), never show it.
# Paddock:  writes 0 in seamless questions: hil-tests/lab/bfd/frr10.lab.test.ts ("its seamless reflector, which copies our interval
#           back: the configured pace all the same"), uplink/bfd/probe.test.ts, docs/bfd.md, "What is and is not done".
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

cat >ask.mjs <<'JS'
import { createSocket } from "node:dgram";

/** One S-BFD question (RFC 7880): Down, demand bit, discriminators 7 and 900, intervals in microseconds. */
function question(multiplier, minTx, minRx) {
  const packet = Buffer.from([0x20, 0x42, multiplier, 24, ...new Array(20).fill(0)]);
  [7, 900, minTx, minRx].forEach((value, index) => packet.writeUInt32BE(value, 4 + 4 * index));
  return packet;
}
const socket = createSocket("udp6");
const states = ["AdminDown", "Down", "Init", "Up"];
const asked = [[3, 1_000_000, 1_000_000], [3, 50_000, 50_000], [5, 300_000, 0], [7, 123_456, 234_567]];
socket.bind(0, "fd00:5bfd::1", async () => {
  socket.setTTL(255);
  for (const fields of asked) {
    const answer = await new Promise((resolve) => {
      const send = () => socket.send(question(...fields), 7784, "fd00:5bfd::2");
      const again = setInterval(send, 500);
      send();
      socket.once("message", (packet) => {
        clearInterval(again);
        resolve(packet);
      });
    });
    const [minTx, minRx] = [answer.readUInt32BE(12), answer.readUInt32BE(16)];
    console.log(`asked x${fields.join(" ")}: ${states[answer[1] >> 6]} x${answer[2]} ${minTx} ${minRx}`);
  }
  socket.close();
});
JS
cat >inside.sh <<'SH'
set -eu
ip link set lo up
ip -6 address add fd00:5bfd::1/128 dev lo nodad
ip -6 address add fd00:5bfd::2/128 dev lo nodad
mkdir frr
chown frr:frr frr
printf 'bfd\n sbfd reflector source-address fd00:5bfd::2 discriminator 900\n' >bfdd.conf
chmod 644 bfdd.conf
"$1/bin/bfdd" -i "$PWD/frr/pid" --vty_socket "$PWD/frr" -A ::1 -P 0 -z "$PWD/frr/zebra" -f "$PWD/bfdd.conf" >frr.log 2>&1 </dev/null &
daemon=$!
status=0
timeout 30 node ask.mjs || status=$?
kill "$daemon"
wait "$daemon" || true
exit "$status"
SH
timeout 60 unshare --net sh inside.sh "$frr" >>seen 2>&1 || cat frr.log >>seen

cat >recorded <<'TEXT'
bfdd version 10.3
asked x3 1000000 1000000: Up x3 1000000 1000000
asked x3 50000 50000: Up x3 50000 50000
asked x5 300000 0: Up x5 300000 0
asked x7 123456 234567: Up x7 123456 234567
TEXT
diff recorded seen || { echo "CHANGED: < recorded, > seen now"; exit 1; }
cat seen
echo "As recorded."
