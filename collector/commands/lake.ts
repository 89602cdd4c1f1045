import { resolve } from "node:path";
import { PaddockError } from "@paddock/base/errors.ts";
import { print, printJson, printable } from "@paddock/base/printable.ts";
import { VERSION } from "@paddock/base/version.ts";
import { compactLake } from "../sinks/lake/compact.ts";
import { DirectoryDisk, type LakeDisk } from "../sinks/lake/lake-disk.ts";
import { LakeLock } from "../sinks/lake/lake-lock.ts";
import { LakeStore } from "../sinks/lake/lake-store.ts";
import type { LakeFile } from "../sinks/lake/manifest.ts";
import { readLake, verifyLake } from "../sinks/lake/verify-lake.ts";
import { lakeDirectoryOf, parseCommandLine, type Command } from "./command.ts";

export const lake: Command = {
  name: "lake",
  usage: "ls|verify|compact [--config FILE | --lake DIR] [--json]",
  summary: "the lake's files: list them, hold them against their hashes, merge small ones",
  help: `  ls              each partition with its files, rows, bytes and log offsets
  verify          read every file and hold it against the hash of its commit
  compact         merge the small files of days that are over; the collector's sink does it by itself once an hour
  --lake DIR      the folder of the lake; no collector needs to run
  --config FILE   the collector's configuration, when it has one lake sink
  --json          print JSON

Ends with 1 when a file is not what was written, and with 2 where there is no lake. compact asks that no sink writes:
paddock collector sinks pause NAME.`,
  async run(argv) {
    const options = { config: { type: "string" }, lake: { type: "string" }, json: { type: "boolean" } } as const;
    const parsed = parseCommandLine(argv, options, [1, 1]);
    const what = parsed.positionals[0]!;
    const act = Object.hasOwn(ACTS, what) ? ACTS[what] : undefined;
    if (act === undefined) throw new PaddockError("USAGE", `${JSON.stringify(what)} is none of ls, verify, compact.`);
    const directory = resolve(await lakeDirectoryOf(parsed));
    const { answer, text, code } = await act(directory, new DirectoryDisk(directory));
    if (parsed.values["json"] === true) printJson(answer);
    else print(printable(text));
    return code;
  },
};

interface Done {
  readonly answer: unknown;
  readonly text: string;
  readonly code: number;
}

const ACTS: Readonly<Record<string, (directory: string, disk: LakeDisk) => Promise<Done>>> = {
  async ls(directory, disk) {
    const read = await readLake(disk);
    if (read === undefined) throw noLake(directory);
    if (!read.ok) throw new PaddockError("SINK_REFUSED", `The journal of ${directory} is damaged: ${read.detail}.`);
    const partitions = partitionsOf(read.value.state.files.values());
    const { place, missing } = read.value.state;
    const lines = partitions.map(
      ({ path, files, rows, bytes, first, last }) =>
        `${path}  ${files} files  ${rows} rows  ${bytes} bytes  offsets ${first}-${last}`,
    );
    lines.push(`${partitions.length} partitions; the next log offset is ${place?.offset ?? 0}`);
    return { answer: { directory, place: place ?? null, missing, partitions }, text: lines.join("\n"), code: 0 };
  },
  async verify(directory, disk) {
    const verdict = await verifyLake(disk);
    if (verdict === undefined) throw noLake(directory);
    const { files, rows, bytes, problems } = verdict;
    const end = problems.length === 0 ? "every file is what was written" : `${problems.length} problems`;
    const text = [...problems, `${files} files, ${rows} rows, ${bytes} bytes: ${end}`].join("\n");
    return { answer: { directory, ...verdict }, text, code: problems.length === 0 ? 0 : 1 };
  },
  async compact(directory, disk) {
    if ((await readLake(disk)) === undefined) throw noLake(directory);
    const lock = await LakeLock.take(directory);
    try {
      const store = new LakeStore(disk);
      const { lost } = await store.open();
      if (lost.length > 0) {
        throw new PaddockError("SINK_REFUSED", `${lost.length} files of ${directory} are gone or cut.`, {
          remedy: "Start the collector: its sink reads their rows again.",
        });
      }
      const { before, after } = await compactLake(store, disk, { nowMs: Date.now(), version: VERSION });
      return { answer: { directory, before, after }, text: `${before} files became ${after}.`, code: 0 };
    } finally {
      await lock.release();
    }
  },
};

interface Partition {
  readonly path: string;
  readonly files: number;
  readonly rows: number;
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

function partitionsOf(files: Iterable<LakeFile>): Partition[] {
  const found = new Map<string, Partition>();
  for (const file of files) {
    const path = file.path.slice(0, file.path.lastIndexOf("/"));
    const known = found.get(path) ?? { path, files: 0, rows: 0, bytes: 0, first: file.first, last: file.last };
    found.set(path, {
      path,
      files: known.files + 1,
      rows: known.rows + file.rows,
      bytes: known.bytes + file.bytes,
      first: Math.min(known.first, file.first),
      last: Math.max(known.last, file.last),
    });
  }
  return [...found.values()].toSorted((left, right) => (left.path < right.path ? -1 : 1));
}

function noLake(directory: string): PaddockError {
  return new PaddockError("USAGE", `${directory} holds no lake: there is no _manifest.jsonl in it.`, {
    remedy: "Name the folder that a lake sink of the collector writes to.",
  });
}
