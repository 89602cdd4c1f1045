#!/bin/sh
# A flipped bit in a LevelDB table is read as data, blessed by the next compaction, and passed by repair.
#
# With:     classic-level 3.0.0 (LevelDB 1.20 inside), Node 20 or later. Seen 2026-11-28.
# What:     every block of a table has a checksum, but get() and iterators do not look at it, and no option of the package
#           makes them. repair() calls the table OK. compactRange() succeeds, too, and writes the wrong value into a new
#           table under a good checksum, so that nothing can find it any more. A flipped bit in the log costs hundreds of
#           entries in its middle: open() succeeds and tells nobody; the file LOG alone says "dropping".
# Surprise: formats with checksums are expected to be checked where they are read, and a database that knows it left
#           something out to say so to its caller.
# Paddock:  hashes whatever it reads before it believes it, and reads LOG after each opening:
#           store/reads.test.ts ("a missing payload, and one of another batch, are as an altered one"),
#           store/opening.test.ts ("a bit in the log that costs records is told, and the log is kept"), docs/decisions/0020.
# Exit:     0 as recorded, 1 something changed, 2 could not be tried.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 2' INT TERM
cd "$work"
timeout 300 npm install --silent --no-audit --no-fund --ignore-scripts --prefix . classic-level@3.0.0 >npm.log 2>&1 || { cat npm.log; exit 2; }

cat >probe.mjs <<'JS'
import { ClassicLevel } from "classic-level";
import { cpSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";

const open = async () => {
  const db = new ClassicLevel("db", { compression: false });
  await db.open();
  return db;
};
const key = (i) => `reading-${String(i).padStart(4, "0")}`;
const value = (i) => `temperature of the barn is 21.5, number ${String(i).padStart(4, "0")}`;
const file = (end) => `db/${readdirSync("db").find((name) => name.endsWith(end))}`;
const flip = (path, at) => {
  const bytes = readFileSync(path);
  bytes[at] ^= 8;
  writeFileSync(path, bytes);
};
const altered = async (db) => (await db.values().all()).filter((text) => text.includes("barn") && !text.includes("21.5"));

let db = await open();
for (let i = 0; i < 500; i++) await db.put(key(i), value(i));
await db.compactRange("a", "z");
await db.close();
flip(file(".ldb"), readFileSync(file(".ldb")).indexOf("21.5, number 0250") + 1);
db = await open();
console.log("get():", await db.get(key(250)));
console.log("scan:", await altered(db));
await db.close();
cpSync("db", "copy", { recursive: true });
await ClassicLevel.repair("copy");
console.log("repair():", /Table #\d+: (.*)/.exec(readFileSync("copy/LOG", "utf8"))[1]);
db = await open();
await db.put(`${key(250)}x`, "makes the table worth compacting");
await db.compactRange("a", "z");
await db.close();
db = await open();
console.log("after compaction:", await altered(db));
await db.close();

rmSync("db", { recursive: true });
db = await open();
for (let i = 0; i < 3000; i++) await db.put(key(i), value(i));
await db.close();
flip(file(".log"), 40000);
db = await open();
const kept = (await db.keys().all()).length;
console.log("log with a flipped bit: open() succeeds,", kept < 3000 ? "readings are gone" : "all readings are there");
await db.close();
console.log("LOG:", /Corruption: checksum mismatch/.test(readFileSync("db/LOG", "utf8")) ? "dropping, checksum mismatch" : "nothing");
JS
timeout 60 node probe.mjs >seen 2>&1 || echo "exit $?" >>seen

cat >recorded <<'TEXT'
get(): temperature of the barn is 29.5, number 0250
scan: [ 'temperature of the barn is 29.5, number 0250' ]
repair(): 500 entries OK
after compaction: [ 'temperature of the barn is 29.5, number 0250' ]
log with a flipped bit: open() succeeds, readings are gone
LOG: dropping, checksum mismatch
TEXT
diff recorded seen || { echo "CHANGED: < recorded, > seen now"; exit 1; }
cat seen
echo "As recorded."
