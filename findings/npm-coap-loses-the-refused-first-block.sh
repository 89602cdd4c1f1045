#!/bin/sh
# npm coap: a first block that was refused as too large is not sent again; the transfer goes on behind it, to a 2.04.
#
# With:     coap 1.5.0, coap-packet 1.1.1, Node 20 or later. Seen 2026-11-28.
# What:     RFC 7959 §2.9.3: a server answers 4.13 with a smaller block size to say "that block was too large, begin with this
#           size". The client takes any answer that names its block for a yes: it adopts the size and goes on at byte 128. With
#           a server that counts from what it gets first the exchange ends in 2.04 without the first 128 bytes.
# Surprise: an error class 4 is not expected to move a transfer forward, and the application sees nothing but 2.04.
# Paddock:  answers 4.13 without a Block1 hint, so that this client stops there, and takes no transfer that begins behind
#           block 0 (4.08): gateway/ingest/blocks.test.ts ("too large: by Size1 at once, else when the limit is passed; 60 KiB
#           fit"), gateway/ingest/answers.test.ts ("a block out of nothing"), docs/sensors.md, "What goes wrong".
# Exit:     0 as recorded, 1 something changed, 2 could not be tried.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 2' INT TERM
cd "$work"
timeout 300 npm install --silent --no-audit --no-fund --ignore-scripts --prefix . coap@1.5.0 coap-packet@1.1.1 >npm.log 2>&1 || { cat npm.log; exit 2; }

cat >probe.mjs <<'JS'
import coap from "coap";
import packet from "coap-packet";
import { createSocket } from "node:dgram";

/** A server that takes blocks of 32 bytes: 4.13 with that size for larger ones, 2.31 for each but the last. */
const SZX_32 = 1;
const taken = [];
const server = createSocket("udp6");
server.on("message", (datagram, { address, port }) => {
  const { messageId, token, payload, options } = packet.parse(datagram);
  const block = options.find(({ name }) => name === "Block1").value;
  const value = block.length === 0 ? 0 : block.readUIntBE(0, block.length);
  const isTooLarge = (value & 7) > SZX_32;
  const hasMore = (value & 8) !== 0;
  console.log(`block at byte ${(value >> 4) * (16 << (value & 7))}, ${payload.length} bytes: ${isTooLarge ? "4.13" : hasMore ? "2.31" : "2.04"}`);
  if (!isTooLarge) taken.push(payload);
  const answered = isTooLarge ? Buffer.from([SZX_32]) : block;
  const answer = { code: isTooLarge ? "4.13" : hasMore ? "2.31" : "2.04", ack: true, messageId, token };
  server.send(packet.generate({ ...answer, options: [{ name: "Block1", value: answered }] }), port, address);
});
server.bind(0, "::1", () => {
  const request = coap.request({ host: "::1", port: server.address().port, method: "POST", pathname: "/i" });
  const end = (what) => {
    console.log(`the application sees ${what}; ${Buffer.concat(taken).length} of 200 bytes arrived`);
    process.exit();
  };
  request.setOption("Block1", Buffer.from([3])); // 128 bytes
  request.on("response", ({ code }) => end(code));
  request.on("error", ({ message }) => end(message));
  request.end(Buffer.alloc(200, "a"));
});
JS
timeout 30 node probe.mjs >seen 2>&1 || echo "exit $?" >>seen

cat >recorded <<'TEXT'
block at byte 0, 128 bytes: 4.13
block at byte 128, 32 bytes: 2.31
block at byte 160, 32 bytes: 2.31
block at byte 192, 8 bytes: 2.04
the application sees 2.04; 72 of 200 bytes arrived
TEXT
diff recorded seen || { echo "CHANGED: < recorded, > seen now"; exit 1; }
cat seen
echo "As recorded."
