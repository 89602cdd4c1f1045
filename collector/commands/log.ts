import type { IncomingMessage } from "node:http";
import { createInterface } from "node:readline/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { LOG_CONTENT_TYPES } from "../log/log-line.ts";
import { senmlLines, type LogLine } from "../log/senml-lines.ts";
import { ask, askStream, refuseErrorStream } from "../operator/operator-client.ts";
import { CONNECT_OPTIONS, parseCommandLine, socketOf, textOption, wholeOption, type Command } from "./command.ts";

const FORMATS = ["ndjson", "cbor", "senml"] as const;
type Format = (typeof FORMATS)[number];

export const log: Command = {
  name: "log",
  usage:
    "[--config FILE] [--from OFFSET|TIME | --consumer NAME] [--log ID] [--follow] [--format ndjson|cbor|senml] [--limit N]",
  summary: "replay what arrived, in the order it arrived",
  help: `  --config FILE   the collector's configuration, to find its operator socket
  --socket PATH   the operator socket itself
  --from WHERE    a log offset, or a time such as 2026-01-31T12:00:00Z; from the start when absent
  --consumer NAME from the place of this consumer, which moves along behind what was written out
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
    if (consumer !== undefined) query.set("consumer", consumer);
    const name = textOption(parsed, "log");
    if (name !== undefined) query.set("log", name);
    const limit = wholeOption(parsed, "limit");
    if (limit !== undefined) query.set("limit", String(limit));
    if (parsed.values["follow"] === true) query.set("follow", "1");
    const accept = LOG_CONTENT_TYPES[format === "cbor" ? "cbor" : "ndjson"];
    const socket = await socketOf(parsed);
    const answer = await askStream(socket, { path: `/v1/log?${query.toString()}`, accept });
    await refuseErrorStream(answer);
    if (consumer !== undefined) await consume(socket, consumer, answer, format);
    else await writeOut(answer, format);
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

function linesOf(answer: IncomingMessage): AsyncIterable<string> {
  return createInterface({ input: Readable.from(whole(answer)), crlfDelay: Number.POSITIVE_INFINITY });
}

/** Moves the consumer at most this often while lines keep coming. */
const ADVANCE_MS = 1000;

/** Writes lines out and moves the consumer behind them: whoever is cut off reads the last second again, and misses nothing. */
async function consume(socket: string, consumer: string, answer: IncomingMessage, format: Format): Promise<void> {
  let written: number | undefined;
  const advance = async (): Promise<void> => {
    if (written === undefined) return;
    const offset = written;
    written = undefined;
    await ask(socket, { method: "PUT", path: `/v1/consumers/${encodeURIComponent(consumer)}`, body: { offset } });
  };
  let failure: unknown;
  const timer = setInterval(() => void advance().catch((error: unknown) => (failure ??= error)), ADVANCE_MS);
  try {
    for await (const text of linesOf(answer)) {
      const line = JSON.parse(text) as LogLine;
      const out = format === "senml" ? senmlLines(line).text : `${text}\n`;
      if (out !== "" && !(await wroteOut(out))) break;
      written = line.offset + (line.lost ?? line.evicted ?? line.undecodable ?? line.damaged ?? 1);
      if (failure !== undefined) throw failure;
    }
  } finally {
    clearInterval(timer);
    answer.destroy();
    // Also behind a cut: what was written out is not read again.
    await advance();
  }
}

/** Whether the text went to standard output; not when its reader has gone. */
function wroteOut(text: string): Promise<boolean> {
  return new Promise((resolve) => {
    const gone = (): void => resolve(false);
    process.stdout.once("error", gone);
    process.stdout.write(text, (error) => {
      if (error !== null && error !== undefined) return;
      process.stdout.off("error", gone);
      resolve(true);
    });
  });
}

/** To standard output at the pace of whoever reads it; a reader that has enough and closes is no failure. */
async function writeOut(answer: IncomingMessage, format: Format): Promise<void> {
  try {
    const source = format === "senml" ? Readable.from(readings(answer)) : Readable.from(whole(answer));
    await pipeline(source, process.stdout, { end: false });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EPIPE" && code !== "ERR_STREAM_PREMATURE_CLOSE") throw error;
  }
}

/** The readings as they come; in the end a warning on standard error when some lines held what is no reading. */
async function* readings(answer: IncomingMessage): AsyncGenerator<string> {
  let problems = 0;
  let first = "";
  for await (const raw of linesOf(answer)) {
    const line = JSON.parse(raw) as LogLine;
    const { text, problem } = senmlLines(line);
    if (problem !== undefined && problems++ === 0) first = `offset ${line.offset}: ${problem}`;
    if (text !== "") yield text;
  }
  if (problems === 0) return;
  process.stderr.write(
    `${problems} frame(s) hold what is no reading, as the lines with "problem" say; the first is at ${first}.\n`,
  );
}
