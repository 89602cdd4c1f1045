#!/bin/sh
# @durable-streams/client: a catch-up read (live: false) ends after the first answer, and what it has looks like the whole.
#
# With:     @durable-streams/client 0.2.6, Node 20 or later. Seen 2026-11-29.
# What:     the protocol has a server answer a stream in pieces; one that brings a reader to the end has Stream-Up-To-Date: true,
#           and after any other the reader asks again from Stream-Next-Offset. The client's own page says that live: false stops
#           when it is up to date. It asks once: json() gives the first piece, without an error. Only upToDate, false, tells.
# Surprise: a copy of a stream that fits one answer is whole, and that of a longer one is its beginning, so that a test with
#           little data passes.
# Paddock:  serves its log in pieces; docs/operations.md ("The log as a stream") says to ask again from response.offset until
#           upToDate, and hil-tests/interop/durable-streams-client.test.ts reads so.
# Exit:     0 as recorded, 1 something changed, 2 could not be tried.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 2' INT TERM
cd "$work"
timeout 300 npm install --silent --no-audit --no-fund --ignore-scripts --prefix . @durable-streams/client@0.2.6 >npm.log 2>&1 || { cat npm.log; exit 2; }

cat >probe.mjs <<'JS'
import { createServer } from "node:http";
import { stream } from "@durable-streams/client";

/** Three messages: two in the first piece, the last in the second, which reaches the end. */
const pieces = { "-1": { items: [1, 2], next: "0002" }, "0002": { items: [3], next: "0003", isLast: true } };
let asked = 0;
const server = createServer((request, answer) => {
  const { items, next, isLast } = pieces[new URL(request.url, "http://x").searchParams.get("offset") ?? "-1"];
  asked++;
  answer.writeHead(200, {
    "content-type": "application/json",
    "stream-next-offset": next,
    ...(isLast ? { "stream-up-to-date": "true" } : {}),
  });
  answer.end(JSON.stringify(items));
});
server.listen(0, "::1", async () => {
  const url = `http://[::1]:${server.address().port}/s`;
  const first = await stream({ url, offset: "-1", live: false });
  console.log(`got ${JSON.stringify(await first.json())} by ${asked} request, upToDate ${first.upToDate}, offset ${first.offset}`);
  const rest = await stream({ url, offset: first.offset, live: false });
  console.log(`from there ${JSON.stringify(await rest.json())}, upToDate ${rest.upToDate}`);
  process.exit();
});
JS
timeout 30 node probe.mjs >seen 2>&1 || echo "exit $?" >>seen

cat >recorded <<'TEXT'
got [1,2] by 1 request, upToDate false, offset 0002
from there [3], upToDate true
TEXT
diff recorded seen || { echo "CHANGED: < recorded, > seen now"; exit 1; }
cat seen
echo "As recorded."
