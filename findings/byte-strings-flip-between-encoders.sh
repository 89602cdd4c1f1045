#!/bin/sh
# The same bytes as Uint8Array or as Buffer: which of the two becomes a CBOR byte string depends on the encoder.
#
# With:     cbor-x 1.6.9, cbor 10.0.12, cbor2 2.3.0, cborg 6.1.5, cbor-redux 1.0.0 (npm), Node 20 or later. Seen 2026-11-28.
# What:     cbor-x and cbor tag a Uint8Array with 64 (RFC 8746) and leave a Buffer plain. cbor-redux tags both. cbor2 leaves the
#           Uint8Array plain and turns the Buffer into a map of two text keys, "type" and "data", by its toJSON(). cborg leaves
#           both plain. cbor-x's encode() besides puts tag 259 before every Map, its own new Encoder().encode() does not.
# Surprise: a Buffer is a Uint8Array, and both print the same bytes. Changing the encoder, or reading a file instead of a
#           socket, changes the wire format; each encoder reads its own output back into what was put in.
# Paddock:  takes the plain byte string alone, and its 4.00 names the tag that stands there: wire/senml.test.ts,
#           docs/sensors.md, "What goes wrong" (cbor-x Map, Uint8Array).
# Exit:     0 as recorded, 1 something changed, 2 could not be tried.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 2' INT TERM
cd "$work"
timeout 300 npm install --silent --no-audit --no-fund --ignore-scripts --prefix . \
  cbor-x@1.6.9 cbor@10.0.12 cbor2@2.3.0 cborg@6.1.5 cbor-redux@1.0.0 >npm.log 2>&1 || { cat npm.log; exit 2; }

cat >probe.mjs <<'JS'
import cbor from "cbor";
import { encode as cbor2 } from "cbor2";
import { CBOR } from "cbor-redux";
import { Encoder, encode as cborX } from "cbor-x";
import { encode as cborg } from "cborg";

const encoders = {
  "cbor-x encode()": cborX,
  "cbor-x new Encoder()": (value) => new Encoder().encode(value),
  cbor: (value) => cbor.encode(value),
  cbor2,
  cborg,
  "cbor-redux": (value) => new Uint8Array(CBOR.encode(value)),
};
const values = { Uint8Array: Uint8Array.of(1, 2), Buffer: Buffer.from([1, 2]), Map: new Map([[0, 1]]) };
for (const [encoder, encode] of Object.entries(encoders)) {
  const written = Object.entries(values).map(([name, value]) => `${name} ${Buffer.from(encode(value)).toString("hex")}`);
  console.log(`${encoder}: ${written.join(", ")}`);
}
JS
timeout 60 node probe.mjs >seen 2>&1 || echo "exit $?" >>seen

cat >recorded <<'TEXT'
cbor-x encode(): Uint8Array d840420102, Buffer 420102, Map d90103a10001
cbor-x new Encoder(): Uint8Array d840420102, Buffer 420102, Map a10001
cbor: Uint8Array d840420102, Buffer 420102, Map a10001
cbor2: Uint8Array 420102, Buffer a26474797065664275666665726464617461820102, Map a10001
cborg: Uint8Array 420102, Buffer 420102, Map a10001
cbor-redux: Uint8Array d840420102, Buffer d840420102, Map a10001
TEXT
diff recorded seen || { echo "CHANGED: < recorded, > seen now"; exit 1; }
cat seen
echo "As recorded."
