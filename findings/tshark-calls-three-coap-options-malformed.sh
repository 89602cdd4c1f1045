#!/bin/sh
# tshark 4.0 marks correct CoAP with Echo, Request-Tag or No-Response as malformed.
#
# With:     tshark 4.0.17 (Debian bookworm, 4.0.17-0+deb12u3), which has to be installed. Seen 2026-11-28.
# What:     options 252 (Echo, RFC 9175), 292 (Request-Tag, RFC 9175) and 258 (No-Response, RFC 7967) get "Invalid Option Number"
#           in the group Malformed; 252 is shown under the name No-Op. In a capture of block transfers by libcoap, which sends
#           Request-Tag with each block, every packet is flagged. The Content-Format 112 in the same packets is named right.
# Surprise: RFC 7252 §5.4.1: an elective option that is not known is ignored. And a tool that flags a packet as malformed is
#           taken at its word: one looks for the fault in the sender.
# Paddock:  speaks and takes all three; docs/protocol.md §1, "In a capture".
# Exit:     0 as recorded, 1 something changed, 2 could not be tried.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 2' INT TERM
cd "$work"
command -v tshark >/dev/null || { echo "tshark is not installed: apt-get install tshark=4.0.17-0+deb12u3"; exit 2; }
tshark --version 2>/dev/null | head -n 1 | grep -o 'TShark (Wireshark) [0-9.]*[0-9]' >seen

cat >capture.cjs <<'JS'
// One CoAP POST from ::1 to ::1 for each option, as a capture file (link type: raw IPv6).
const { writeFileSync } = require("node:fs");
const short = (number) => Buffer.from([number >> 8, number & 255]);
function sum(bytes) {
  let total = 0;
  for (let at = 0; at < bytes.length; at += 2) total += (bytes[at] << 8) | (bytes[at + 1] ?? 0);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return ~total & 0xffff;
}
const loopback = Buffer.concat([Buffer.alloc(15), Buffer.from([1])]);
const record = (coap) => {
  const length = 8 + coap.length;
  const udp = Buffer.concat([short(40000), short(5683), short(length), short(0), coap]);
  udp.writeUInt16BE(sum(Buffer.concat([loopback, loopback, short(0), short(length), short(0), short(17), udp])), 6);
  const packet = Buffer.concat([Buffer.from([0x60, 0, 0, 0]), short(length), Buffer.from([17, 64]), loopback, loopback, udp]);
  const head = Buffer.alloc(16);
  head.writeUInt32LE(packet.length, 8);
  head.writeUInt32LE(packet.length, 12);
  return Buffer.concat([head, packet]);
};
const options = { none: [], Echo: [252, "0102030405060708"], "No-Response": [258, "1a"], "Request-Tag": [292, "01020304"] };
const packets = Object.values(options).map(([number, hex], index) => {
  // Uri-Path i, Content-Format 112, then the option: its delta of 13 to 268, or from 269, counts from 12.
  const value = Buffer.from(hex ?? "", "hex");
  const delta = number - 12;
  const long = delta < 269 ? Buffer.from([0xd0 | value.length, delta - 13]) : Buffer.concat([Buffer.from([0xe0 | value.length]), short(delta - 269)]);
  const option = number === undefined ? [] : [long, value];
  return record(Buffer.concat([Buffer.from([0x42, 2, 0, index, 0, index, 0xb1, 0x69, 0x11, 0x70]), ...option, Buffer.from("ff81a20061740205", "hex")]));
});
const head = Buffer.from("d4c3b2a1020004000000000000000000ffff000065000000", "hex");
writeFileSync("capture", Buffer.concat([head, ...packets]));
JS
node capture.cjs
timeout 60 tshark -r capture -n -d udp.port==5683,coap -T fields -e coap.opt.name -e coap.opt.ctype -e _ws.expert.message 2>tshark.log \
  -E separator=' ' -E aggregator=';' >>seen || { cat tshark.log; exit 2; }

cat >recorded <<'TEXT'
TShark (Wireshark) 4.0.17
#1: Uri-Path;#2: Content-Format application/senml+cbor 
#1: Uri-Path;#2: Content-Format;#3: No-Op application/senml+cbor Invalid Option Number 252
#1: Uri-Path;#2: Content-Format;#3: Unknown Option (258) application/senml+cbor Invalid Option Number 258
#1: Uri-Path;#2: Content-Format;#3: Unknown Option (292) application/senml+cbor Invalid Option Number 292
TEXT
diff recorded seen || { echo "CHANGED: < recorded, > seen now"; exit 1; }
cat seen
echo "As recorded."
