import { Bench } from "tinybench";
import { VirtualClock } from "@paddock/base/clock.ts";
import { seededRandom } from "@paddock/base/random.ts";
import type { FrameSink } from "@paddock/gateway/commit/frame-sink.ts";
import { Ingest } from "@paddock/gateway/ingest/ingest.ts";
import { Sensors } from "@paddock/gateway/ingest/sensors.ts";
import { TYPE_CON, TYPE_NON, CODE_POST, type CoapType } from "@paddock/wire/coap-codes.ts";
import { CoapView, decodeMessage, encodeMessage } from "@paddock/wire/coap-message.ts";
import { OPTION_CONTENT_FORMAT, OPTION_NO_RESPONSE, OPTION_URI_PATH } from "@paddock/wire/coap-options.ts";
import { checkSenml } from "@paddock/wire/senml.ts";

/**
 * What the sensor side costs per datagram behind node:dgram, with a sink that only counts: `node bench/ingest-path.bench.ts`.
 * Messages differ in Message-ID and value, as a fleet's do; 1,024 sources.
 */

const MESSAGES = 65_536;
const SOURCES = 1024;

/** A CoAP message of about 100 bytes around six readings. */
function message(index: number, type: CoapType): Buffer {
  const records: Buffer[] = [Buffer.from([0x86])];
  for (let record = 0; record < 6; record++) {
    records.push(
      Buffer.from([0xa2, 0x00, 0x65]),
      Buffer.from(`temp${record}`),
      Buffer.from([0x02, 0xf9, index & 0x3f, record]),
    );
  }
  return encodeMessage({
    type,
    code: CODE_POST,
    messageId: index & 0xffff,
    token: Buffer.from([index >> 8, index & 0xff]),
    options: [
      { number: OPTION_URI_PATH, value: Buffer.from("i") },
      { number: OPTION_CONTENT_FORMAT, value: Buffer.of(112) },
      ...(type === TYPE_NON ? [{ number: OPTION_NO_RESPONSE, value: Buffer.of(26) }] : []),
    ],
    payload: Buffer.concat(records),
  });
}

let submitted = 0;
const sink: FrameSink = {
  submit(frame, committed) {
    submitted += frame.frame.length;
    committed?.(undefined);
    return undefined;
  },
};

const clock = new VirtualClock({ monotonicUs: 1e9 });
const ingest = new Ingest({ sink, sensors: new Sensors({ unknown: "accept" }), clock, random: seededRandom(1) });
const nons = Array.from({ length: MESSAGES }, (_, index) => message(index, TYPE_NON));
const cons = Array.from({ length: MESSAGES }, (_, index) => message(index, TYPE_CON));
const sources = Array.from(
  { length: SOURCES },
  (_, index) => `2001:db8:0:${(index >> 4).toString(16)}::${(index & 15).toString(16)}`,
);
let sent = 0;
const reply = (bytes: Uint8Array): void => void (sent += bytes.length);

const BATCH = 4096;
let round = 0;
let nowUs = 1e9;

/** Each pass moves time by more than EXCHANGE_LIFETIME once per cycle of messages, so that none counts as a copy. */
function pass(messages: readonly Buffer[]): void {
  const start = (round++ * BATCH) % MESSAGES;
  if (start === 0) nowUs += 300e6;
  for (let index = start; index < start + BATCH; index++) {
    nowUs += 10;
    ingest.handleDatagram(
      messages[index]!,
      ingest.endpoint(sources[index % SOURCES]!, 40_000 + (index % SOURCES)),
      nowUs,
      reply,
    );
  }
}

const view = new CoapView();
const rules = { lwm2m: false };
const bench = new Bench({ time: 1500, warmupTime: 500 });
bench
  .add("NON with No-Response", () => pass(nons))
  .add("CON, answered", () => pass(cons))
  .add("of that: decodeMessage", () => {
    for (let index = 0; index < BATCH; index++) decodeMessage(nons[index]!, view);
  })
  .add("of that: checkSenml", () => {
    for (let index = 0; index < BATCH; index++) checkSenml(nons[index]!.subarray(view.payloadStart), rules);
  })
  .add("of that: endpoint", () => {
    for (let index = 0; index < BATCH; index++) ingest.endpoint(sources[index % SOURCES]!, 40_000 + (index % SOURCES));
  });

await bench.run();
const { accepted, duplicates } = ingest.counters;
console.log(
  `${nons[300]!.length} B NON, ${cons[300]!.length} B CON; accepted ${accepted.telemetry}, copies ${duplicates}, ${submitted} B in, ${sent} B out`,
);
for (const task of bench.tasks) {
  const { result } = task;
  if (!("latency" in result)) continue;
  const microseconds = (ms: number): string => ((ms * 1000) / BATCH).toFixed(3);
  console.log(
    `${task.name.padEnd(26)} p50 ${microseconds(result.latency.p50)} µs, mean ${microseconds(result.latency.mean)} µs`,
  );
}
