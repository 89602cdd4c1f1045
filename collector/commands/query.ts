import { resolve } from "node:path";
import { text } from "node:stream/consumers";
import { PaddockError } from "@paddock/base/errors.ts";
import { printable } from "@paddock/base/printable.ts";
import type { Answer } from "../query/answer.ts";
import { loadDuckDB } from "../query/duckdb.ts";
import { type Format, FORMATS, WRITERS } from "../query/formats.ts";
import { queryLake } from "../query/query-lake.ts";
import { lakeDirectoryOf, parseCommandLine, textOption, type Command, type Parsed } from "./command.ts";
import { wroteOut } from "./standard-output.ts";

export const query: Command = {
  name: "query",
  usage: '"SELECT …" [--lake DIR | --config FILE] [--format table|csv|json|ndjson]',
  summary: "ask the lake in SQL, with DuckDB",
  help: `  SELECT …        SQL of DuckDB; - reads it from standard input
  --lake DIR      the folder of the lake; no collector needs to run
  --config FILE   the collector's configuration, to find it (/etc/paddock/collector.json)
  --format F      table: for people, at most 1,000 rows (default)
                  csv: RFC 4180, NULL is empty and empty text is ""
                  json: an array of objects; ndjson: an object per line
  --json          the same as --format json

The view readings is the whole lake, and each measurement is a view of its own: SELECT avg(value) FROM temp. What the
columns mean, and queries to begin with, stands in docs/data.md. The time zone is UTC. Nothing is written, and nothing
fetched. Ends with 1 when a part of the lake could not be taken into account, 2 when the query fails.`,
  async run(argv) {
    const options = {
      lake: { type: "string" },
      config: { type: "string" },
      format: { type: "string" },
      json: { type: "boolean" },
    } as const;
    const parsed = parseCommandLine(argv, options, [1, 1]);
    const format = formatOf(parsed);
    const lake = resolve(await lakeDirectoryOf(parsed));
    const given = parsed.positionals[0]!;
    const sql = given === "-" ? await text(process.stdin) : given;
    let hasBegun = false;
    const show = async (answer: Answer): Promise<void> => {
      for await (const piece of WRITERS[format](answer)) {
        hasBegun = true;
        // A reader that has enough and closes is no failure.
        if (piece !== "" && !(await wroteOut(piece))) return;
      }
    };
    const { notes, isPartial } = await queryLake(await loadDuckDB(), lake, sql, show, () => hasBegun);
    for (const note of notes) process.stderr.write(`${printable(note)}\n`);
    return isPartial ? 1 : 0;
  },
};

function formatOf(parsed: Parsed): Format {
  const format = textOption(parsed, "format") ?? (parsed.values["json"] === true ? "json" : "table");
  const known = FORMATS.find((name) => name === format);
  if (known === undefined) throw new PaddockError("USAGE", `--format is ${format}; it is ${FORMATS.join(", ")}.`);
  return known;
}
