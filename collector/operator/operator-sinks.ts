import type { IncomingMessage } from "node:http";
import * as v from "valibot";
import type { Clock } from "@paddock/base/clock.ts";
import { messageOf } from "@paddock/base/errors.ts";
import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { errorAnswer, jsonAnswer, type Answer } from "../ingest/http-answer.ts";
import type { Ledger } from "../ledger.ts";
import { markAt } from "../log/log-place.ts";
import { deadLetterFile, readDeadLetters } from "../sinks/dead-letters.ts";
import type { SinkCommand } from "../sinks/messages.ts";
import type { KnownSink, SinksProcess } from "../sinks/sinks-process.ts";
import { readJson, readTime } from "./queries.ts";

export interface SinksContext {
  readonly ledger: Ledger;
  readonly clock: Clock;
  /** Undefined when the configuration has no sinks. */
  readonly sinks: () => SinksProcess | undefined;
}

/** A sink as `GET /v1/sinks` gives it. */
export interface SinkReport extends KnownSink {
  /** What it has not kept yet, in records and in seconds since the first of them arrived; null while its place is not known. */
  readonly lag: { readonly records: number; readonly seconds: number } | null;
}

/** Every sink with how far it is behind the log. */
export function sinkReports({ ledger, clock, sinks }: SinksContext): Promise<SinkReport[]> {
  return Promise.all((sinks()?.all ?? []).map((sink) => withLag(sink, ledger, clock)));
}

async function withLag(sink: KnownSink, ledger: Ledger, clock: Clock): Promise<SinkReport> {
  const { offset } = sink;
  const end = ledger.logEnd();
  if (offset === null || offset > end) return { ...sink, lag: null };
  if (offset === end) return { ...sink, lag: { records: 0, seconds: 0 } };
  const read = await ledger.readLog(offset, { maxBatches: 2, maxBytes: 1 });
  const first = read.ok ? read.value.find((item) => item.lost === undefined) : undefined;
  const waitedMs = first?.lost === undefined && first !== undefined ? clock.wallMs() - first.received : 0;
  return { ...sink, lag: { records: end - offset, seconds: Math.max(0, waitedMs) / 1000 } };
}

/** `/v1/sinks` and what is below it; undefined for another place or method. */
export async function answerSinks(
  context: SinksContext,
  request: IncomingMessage,
  path: string,
): Promise<Answer | undefined> {
  const { method } = request;
  if (path === "/v1/sinks" && method === "GET") return jsonAnswer(200, await sinkReports(context));
  const [, name, verb] = /^\/v1\/sinks\/([^/]+)\/(pause|resume|rebuild|dead)$/u.exec(path) ?? [];
  if (name === undefined || verb === undefined) return undefined;
  const sinks = context.sinks();
  const sink = sinks?.get(name);
  if (sinks === undefined || sink === undefined) {
    return errorAnswer(404, "not-found", `There is no sink ${name.slice(0, 64)}.`);
  }
  if (verb === "dead") return method === "GET" ? answerDeadLetters(sinks.directory, name) : undefined;
  if (method !== "POST") return undefined;
  if (verb !== "rebuild") return commanded(context, sinks, { do: verb as "pause" | "resume", name });
  const from = await readFrom(context, request);
  if (!from.ok) return errorAnswer(400, from.reason, from.detail);
  // Where it has stopped, its place is none of this log.
  if (sink.offset !== null && sink.state !== "stopped" && from.value > sink.offset) {
    const detail = `${name} is at ${sink.offset}: building it again from ${from.value} would pass over what lies between.`;
    return errorAnswer(409, "ahead", detail);
  }
  const place = { offset: from.value, updated: context.clock.wallMs(), ...(await markAt(context.ledger, from.value)) };
  return commanded(context, sinks, { do: "rebuild", name, place });
}

async function commanded(context: SinksContext, sinks: SinksProcess, command: SinkCommand): Promise<Answer> {
  const done = await sinks.command(command);
  if (!done.ok) return errorAnswer(done.reason === "down" ? 503 : 404, done.reason, done.detail);
  return jsonAnswer(200, await withLag(done.value, context.ledger, context.clock));
}

async function answerDeadLetters(directory: string, name: string): Promise<Answer> {
  try {
    return jsonAnswer(200, await readDeadLetters(deadLetterFile(directory, name)));
  } catch (error) {
    return errorAnswer(500, "damaged", `The list of dead letters cannot be read: ${messageOf(error)}.`);
  }
}

const From = v.strictObject({ from: v.union([v.pipe(v.number(), v.safeInteger(), v.minValue(0)), v.string()]) });

/** The log offset that the body of `POST /v1/sinks/{name}/rebuild` names. */
async function readFrom({ ledger }: SinksContext, request: IncomingMessage): Promise<Outcome<number>> {
  const body = await readJson(request, From, '{"from": OFFSET or "TIME"}');
  if (!body.ok) return body;
  const { from } = body.value;
  if (typeof from === "string") {
    const time = readTime(from);
    return time.ok ? accept(await ledger.logOffsetAt(time.value)) : time;
  }
  const end = ledger.logEnd();
  return from <= end ? accept(from) : refuse("query", `Offset ${from} is beyond the end of the log, ${end}.`);
}
