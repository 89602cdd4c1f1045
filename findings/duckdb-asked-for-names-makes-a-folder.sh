#!/bin/sh
# DuckDB makes the folder of an EXPORT when it is asked which tables the statement names, and when it prepares it.
#
# With:     @duckdb/node-api 1.5.6-r.1 (DuckDB 1.5.6), Node 20 or later. Seen 2026-11-28.
# What:     getTableNames("EXPORT DATABASE 'made'", false) and prepare("EXPORT DATABASE 'made'") leave an empty folder `made`, though
#           nothing was run; extractStatements() of the same text leaves none, and to prepare a COPY to a file leaves nothing either.
# Surprise: who lets strangers' SQL through only when its prepared kind (statementType) reads has been written to by then, and so has
#           who only looks which tables a statement would touch.
# Paddock:  `collector query` refuses EXPORT by its text before DuckDB sees it, COPY and the rest by their kind
#           (collector/query/answer.ts; collector/commands/query.test.ts, "what is refused"; docs/decisions/0060-query.md).
# Exit:     0 as recorded, 1 something changed, 2 could not be tried.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 2' INT TERM
cd "$work"
timeout 300 npm install --silent --no-audit --no-fund --ignore-scripts --prefix . \
  @duckdb/node-api@1.5.6-r.1 >npm.log 2>&1 || { cat npm.log; exit 2; }

cat >probe.mjs <<'JS'
import { existsSync, rmSync } from "node:fs";
import { DuckDBInstance } from "@duckdb/node-api";

const instance = await DuckDBInstance.create(":memory:");
const connection = await instance.connect();
await connection.run("CREATE TABLE reading AS SELECT 21.5 AS value");
const looks = {
  getTableNames: () => connection.getTableNames("EXPORT DATABASE 'made'", false),
  extractStatements: () => connection.extractStatements("EXPORT DATABASE 'made'"),
  prepare: () => connection.prepare("EXPORT DATABASE 'made'"),
  "prepare of a COPY": () => connection.prepare("COPY reading TO 'made'"),
};
for (const [name, look] of Object.entries(looks)) {
  await look();
  console.log(`${name}: ${existsSync("made") ? "a folder is made" : "nothing is made"}`);
  rmSync("made", { recursive: true, force: true });
}
JS
timeout 60 node probe.mjs >seen 2>&1 || echo "exit $?" >>seen

cat >recorded <<'TEXT'
getTableNames: a folder is made
extractStatements: nothing is made
prepare: a folder is made
prepare of a COPY: nothing is made
TEXT
diff recorded seen || { echo "CHANGED: < recorded, > seen now"; exit 1; }
cat seen
echo "As recorded."
