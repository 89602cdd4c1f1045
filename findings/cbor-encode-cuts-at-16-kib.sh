#!/bin/sh
# npm cbor: encode() returns the first 16 KiB of a larger array or map, without an error.
#
# With:     cbor 10.0.12, Node 20 or later. Seen 2026-11-28.
# What:     encode() and encodeCanonical() of a pack of 5,000 readings give 16,386 of 58,613 bytes. The head of the array
#           still says 5,000, so that only a reader finds out. encodeAsync() gives all of it, and so does encodeOne() with a
#           highWaterMark above the result. One long string comes out whole at any size.
# Surprise: an encoder that returns a Buffer is not expected to have a stream inside with a high-water mark that decides
#           how much of the result is handed over. Small packs, which is what tests use, are always right.
# Paddock:  refuses the pack with 4.00 "record N is cut short" and stores nothing of it: wire/senml.test.ts ("a pack without
#           its end is refused at every length"), docs/sensors.md, "What goes wrong". Encodes with its own encoder.
# Exit:     0 as recorded, 1 something changed, 2 could not be tried.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 2' INT TERM
cd "$work"
timeout 300 npm install --silent --no-audit --no-fund --ignore-scripts --prefix . cbor@10.0.12 >npm.log 2>&1 || { cat npm.log; exit 2; }

cat >probe.mjs <<'JS'
import cbor from "cbor";

const pack = (count) => Array.from({ length: count }, (_, i) => new Map([[0, `s${i}`], [2, i]]));
for (const count of [1000, 5000]) {
  const bytes = cbor.encode(pack(count));
  const whole = await cbor.encodeAsync(pack(count));
  let read;
  try {
    read = `${cbor.decodeFirstSync(bytes).length} readings`;
  } catch (error) {
    read = error.message;
  }
  console.log(`${count} readings: encode ${bytes.length} bytes, encodeAsync ${whole.length}; decoding the first: ${read}`);
}
console.log("5000 readings: encodeCanonical", cbor.encodeCanonical(pack(5000)).length);
console.log("5000 readings: encodeOne, highWaterMark 1 MiB", cbor.encodeOne(pack(5000), { highWaterMark: 2 ** 20 }).length);
console.log("a map of 3000 keys: encode", cbor.encode(new Map(pack(3000).map((_, i) => [`key${i}`, i]))).length);
console.log("one text of 50000: encode", cbor.encode("x".repeat(50_000)).length);
JS
timeout 60 node probe.mjs >seen 2>&1 || echo "exit $?" >>seen

cat >recorded <<'TEXT'
1000 readings: encode 10613 bytes, encodeAsync 10613; decoding the first: 1000 readings
5000 readings: encode 16386 bytes, encodeAsync 58613; decoding the first: Insufficient data
5000 readings: encodeCanonical 16386
5000 readings: encodeOne, highWaterMark 1 MiB 58613
a map of 3000 keys: encode 16387
one text of 50000: encode 50003
TEXT
diff recorded seen || { echo "CHANGED: < recorded, > seen now"; exit 1; }
cat seen
echo "As recorded."
