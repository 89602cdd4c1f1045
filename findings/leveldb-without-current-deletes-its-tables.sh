#!/bin/sh
# LevelDB deletes good tables when it opens a store whose small index files are missing or older.
#
# With:     classic-level 3.0.0 (LevelDB 1.20 inside), Node 20 or later. Seen 2026-11-28.
# What:     the file CURRENT (16 bytes) alone is gone, every table is there and whole: open() succeeds, makes an empty
#           database in the same folder and deletes the tables. errorIfExists does not help: for LevelDB a store without
#           CURRENT does not exist. With a MANIFEST from before the last tables (a backup that was copied file by file)
#           open() succeeds too, and deletes the tables which that MANIFEST does not name.
# Surprise: "create if missing" is read as "make it where nothing is", and errorIfExists as its guard. Neither looks at the
#           tables. Only createIfMissing: false leaves them, and only for a missing CURRENT.
# Paddock:  reads the MANIFEST itself before it lets LevelDB open anything, and refuses with every byte still there:
#           store/opening.test.ts, docs/decisions/0020-opening-destroys-nothing.md.
# Exit:     0 as recorded, 1 something changed, 2 could not be tried.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 2' INT TERM
cd "$work"
timeout 300 npm install --silent --no-audit --no-fund --ignore-scripts --prefix . classic-level@3.0.0 >npm.log 2>&1 || { cat npm.log; exit 2; }

cat >probe.mjs <<'JS'
import { ClassicLevel } from "classic-level";
import { cpSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";

const tables = (directory) => readdirSync(directory).filter((name) => name.endsWith(".ldb")).length;
async function use(directory, options, work = async () => {}) {
  const db = new ClassicLevel(directory, options);
  try {
    await db.open();
  } catch (error) {
    return `refused (${error.code})`;
  }
  await work(db);
  const keys = (await db.keys().all()).length;
  await db.close();
  return `opened, ${keys} keys`;
}
/** Adds a table with 200 entries, which together are about 24 kB. */
const add = (round) => async (db) => {
  for (let i = 0; i < 200; i++) await db.put(`${round}-${i}`, "21.5".repeat(500));
  await db.compactRange("0", "z");
};
const say = (what, outcome, directory) => console.log(`${what}: ${outcome}, ${tables(directory)} tables in the folder`);

await use("good", {}, add(1));
const manifest = readFileSync("good/CURRENT", "utf8").trim();
const older = readFileSync(`good/${manifest}`);
await use("good", {}, async (db) => {
  await add(2)(db);
  await add(3)(db);
});
say("the store as written", "closed", "good");

for (const options of [{ createIfMissing: false }, { errorIfExists: true }, {}]) {
  rmSync("copy", { recursive: true, force: true });
  cpSync("good", "copy", { recursive: true });
  rmSync("copy/CURRENT");
  say(`no CURRENT, options ${JSON.stringify(options)}`, await use("copy", options), "copy");
}

// A MANIFEST from before rounds 2 and 3, as a copy made while the store was in use can have it.
rmSync("copy", { recursive: true });
cpSync("good", "copy", { recursive: true });
const now = readFileSync("copy/CURRENT", "utf8").trim();
rmSync(`copy/${now}`);
writeFileSync(`copy/${manifest}`, older);
writeFileSync("copy/CURRENT", `${manifest}\n`);
say("MANIFEST of the first round, createIfMissing: false", await use("copy", { createIfMissing: false }), "copy");
JS
timeout 60 node probe.mjs >seen 2>&1 || echo "exit $?" >>seen

cat >recorded <<'TEXT'
the store as written: closed, 3 tables in the folder
no CURRENT, options {"createIfMissing":false}: refused (LEVEL_DATABASE_NOT_OPEN), 3 tables in the folder
no CURRENT, options {"errorIfExists":true}: opened, 0 keys, 0 tables in the folder
no CURRENT, options {}: opened, 0 keys, 0 tables in the folder
MANIFEST of the first round, createIfMissing: false: opened, 200 keys, 1 tables in the folder
TEXT
diff recorded seen || { echo "CHANGED: < recorded, > seen now"; exit 1; }
cat seen
echo "As recorded."
