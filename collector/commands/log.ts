import type { IncomingMessage } from "node:http";
import { createInterface } from "node:readline/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { LOG_CONTENT_TYPES, type LogLine } from "../log/log-line.ts";
import { ItemSplitter } from "../log/log-items.ts";
import { senmlLines, type SenmlLines } from "../log/senml-lines.ts";
import { DatingBook } from "../sinks/dating.ts";
import { askStream, refuseErrorStream } from "../operator/operator-client.ts";
import { CONNECT_OPTIONS, parseCommandLine, socketOf, textOption, wholeOption, type Command } from "./command.ts";
import { consume, type Piece } from "./consume.ts";

const FORMATS = ["ndjson", "cbor", "senml"] as const;
type Format = (typeof FORMATS)[number];

export const log: Command = {
  name: "log",
  usage:
    "[--config FILE] [--from OFFSET|TIME | --consumer NAME [--no-commit]] [--log ID] [--follow] [--format ndjson|cbor|senml] [--limit N]",
  summary: "replay what arrived, in the order it arrived",
  help: `  --config FILE   the collector's configuration, to find its operator socket
  --socket PATH   the operator socket itself
  --from WHERE    a log offset, or a time such as 2026-01-31T12:00:00Z; from the start when absent
  --consumer NAME from the place of this consumer, which moves along behind what was written out, once a second and at the
                  end, SIGINT and SIGTERM too; killed in between, the next reader gets the last second again
  --no-commit     leave that place where it is (--commit, to move it, is the default)
  --log ID        only when the log has this name (header paddock-log, "log" in fleet --json): offsets mean nothing in another
  --follow        go on with what arrives
  --format F      ndjson: a JSON line per record, frames in base64url (default)
                  cbor: the same as a CBOR sequence, frames as bytes
                  senml: a JSON line per resolved SenML reading, and one with "problem" for a record that is none
  --limit N       end after N records`,
  async run(argv) {
    const options = {
      ...CONNECT_OPTIONS,
      from: { type: "string" },
      consumer: { type: "string" },
      log: { type: "string" },
      commit: { type: "boolean" },
      "no-commit": { type: "boolean" },
      follow: { type: "boolean" },
      format: { type: "string" },
      limit: { type: "string" },
    } as const;
    const parsed = parseCommandLine(argv, options);
    const format = (textOption(parsed, "format") ?? "ndjson") as Format;
    if (!FORMATS.includes(format))
      throw new PaddockError("USAGE", `--format is ${format}; it is ${FORMATS.join(", ")}.`);
    const query = new URLSearchParams();
    const from = textOption(parsed, "from");
    if (from !== undefined) query.set(/^\d+$/u.test(from) ? "from" : "since", from);
    const consumer = textOption(parsed, "consumer");
    if (consumer !== undefined && format === "cbor") {
      throw new PaddockError("USAGE", "--consumer goes with --format ndjson or senml.");
    }
    const commits = parsed.values["no-commit"] !== true;
    if (consumer === undefined && (!commits || parsed.values["commit"] === true)) {
      throw new PaddockError("USAGE", "--commit and --no-commit go with --consumer NAME.");
    }
    if (!commits && parsed.values["commit"] === true) {
      throw new PaddockError("USAGE", "--commit and --no-commit exclude each other.");
    }
    if (consumer !== undefined) query.set("consumer", consumer);
    const name = textOption(parsed, "log");
    if (name !== undefined) query.set("log", name);
    const limit = wholeOption(parsed, "limit");
    // Of whole batches the reader knows best where to end.
    if (limit !== undefined && format !== "senml") query.set("limit", String(limit));
    if (parsed.values["follow"] === true) query.set("follow", "1");
    const accept = LOG_CONTENT_TYPES[format === "senml" ? "batches" : format];
    const socket = await socketOf(parsed);
    const answer = await askStream(socket, { path: `/v1/log?${query.toString()}`, accept });
    await refuseErrorStream(answer);
    const pieces = format === "senml" ? readings(answer, limit) : linesWithOffsets(answer);
    if (consumer !== undefined && commits) await consume(socket, consumer, answer, pieces);
    else await writeOut(format === "senml" ? textsOf(pieces) : whole(answer));
    return 0;
  },
};

/** The answer as it comes. Throws STATUS_UNREACHABLE when the collector goes before its end. */
async function* whole(answer: IncomingMessage): AsyncGenerator<Buffer> {
  try {
    yield* answer as AsyncIterable<Buffer>;
  } catch (error) {
    throw new PaddockError("STATUS_UNREACHABLE", `The collector's answer was cut off: ${messageOf(error)}.`, {
      cause: error,
      remedy: "What came so far is right; go on behind its last line with --from, or read with --consumer.",
    });
  }
}

async function* linesWithOffsets(answer: IncomingMessage): AsyncGenerator<Piece> {
  for await (const text of createInterface({ input: Readable.from(whole(answer)), crlfDelay: Infinity })) {
    const line = JSON.parse(text) as LogLine;
    const count = line.lost ?? line.evicted ?? line.undecodable ?? line.damaged ?? 1;
    yield { text: `${text}\n`, nextOffset: line.offset + count };
  }
}

/** To standard output at the pace of whoever reads it; a reader that has enough and closes is no failure. */
async function writeOut(source: AsyncIterable<string | Buffer>): Promise<void> {
  try {
    await pipeline(Readable.from(source), process.stdout, { end: false });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EPIPE" && code !== "ERR_STREAM_PREMATURE_CLOSE") throw error;
  }
}

async function* textsOf(pieces: AsyncIterable<Piece>): AsyncGenerator<string> {
  for await (const { text } of pieces) if (text !== "") yield text;
}

/** The readings as they come; in the end a warning on standard error when some frames held what is no reading. */
async function* readings(answer: IncomingMessage, limit = Infinity): AsyncGenerator<Piece> {
  const from = Number(answer.headers["paddock-from"] ?? 0);
  const until = from + limit;
  const splitter = new ItemSplitter();
  const book = new DatingBook();
  let problems = 0;
  let first: SenmlLines["problems"][number] | undefined;
  let next = from;
  for await (const bytes of whole(answer)) {
    const items = splitter.take(bytes);
    if (!items.ok) throw new PaddockError("COLLECTOR_REFUSED", `The collector's answer is none: ${items.detail}`);
    for (const item of items.value) {
      if (next >= until) break;
      const lines = senmlLines(item, next, until, book);
      next = lines.nextOffset;
      first ??= lines.problems[0];
      problems += lines.problems.length;
      yield lines;
    }
    if (next >= until) break;
  }
  if (first === undefined) return;
  process.stderr.write(
    `${problems} record(s) are no reading, as the lines with "problem" say; the first is at offset ${first.offset}: ${first.reason}.\n`,
  );
}
