/*
 * native/flood.c for machines without a C compiler: same messages, same options, same answer. One call per datagram
 * costs it more than the gateway pays for receiving, so its highest rates are its own.
 */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { parseArgs } from "node:util";
import { CODE_POST, TYPE_CON, TYPE_NON } from "@paddock/wire/coap-codes.ts";
import { encodeMessage } from "@paddock/wire/coap-message.ts";
import { OPTION_CONTENT_FORMAT, OPTION_NO_RESPONSE, OPTION_URI_PATH } from "@paddock/wire/coap-options.ts";
import { quantile } from "./numbers.ts";

const LOST_MS = 500;
/** Messages that wait in a socket's queue before the generator gives it time. */
const QUEUE_MAX = 64;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rate: { type: "string", default: "0" },
    outstanding: { type: "string", default: "0" },
    seconds: { type: "string", default: "1" },
    first: { type: "string", default: "0" },
    flows: { type: "string", default: "16" },
  },
});
const [kind, port] = positionals;
const confirmable = kind === "con";
const rate = Number(values.rate);
const outstanding = Number(values.outstanding);
let sequence = Number(values.first);
const counts = { sent: 0, answered: 0, refused: 0, lost: 0 };
const samples: number[] = [];
const frame = Buffer.from(
  "85a3217675726e3a6465763a6f773a3130653230373361" +
    "30313a0063736571021a00000000a20062757302" +
    "1b0000000000000000a2006b74656d706572617475726502fa41a00000" +
    "a2006868756d696469747902fa42480000a200646261747402f94200",
  "hex",
);

class Flow {
  readonly socket: Socket = createSocket("udp6");
  readonly #sentMs = new Map<number, number>();
  #messageId = Math.trunc(sequence) & 0xffff;

  send(): void {
    const messageId = (this.#messageId = (this.#messageId + 1) & 0xffff);
    frame.writeUInt32BE(sequence++ >>> 0, 33);
    frame.writeBigUInt64BE(BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)), 44);
    const options = [
      { number: OPTION_URI_PATH, value: Buffer.from("i") },
      { number: OPTION_CONTENT_FORMAT, value: Uint8Array.of(112) },
      ...(confirmable ? [] : [{ number: OPTION_NO_RESPONSE, value: Uint8Array.of(26) }]),
    ];
    const token = Uint8Array.of(messageId >> 8, messageId & 0xff);
    const type = confirmable ? TYPE_CON : TYPE_NON;
    if (confirmable) this.#sentMs.set(messageId, performance.now());
    this.socket.send(encodeMessage({ type, code: CODE_POST, messageId, token, options, payload: frame }));
    counts.sent++;
  }

  /** Counts the answer; false when it belongs to nothing under way. */
  take(bytes: Buffer): boolean {
    const messageId = bytes.readUInt16BE(2);
    const sentMs = this.#sentMs.get(messageId);
    if (sentMs === undefined) return false;
    this.#sentMs.delete(messageId);
    if (bytes[1] === 0x44 || bytes[1] === 0x02) {
      counts.answered++;
      samples.push((performance.now() - sentMs) * 1000);
    } else counts.refused++;
    return true;
  }

  /** Forgets what was not answered in time; returns how many. */
  giveUp(): number {
    const late = [...this.#sentMs].filter(([, at]) => performance.now() - at > LOST_MS);
    for (const [messageId] of late) this.#sentMs.delete(messageId);
    counts.lost += late.length;
    return late.length;
  }
}

const flows = await Promise.all(
  Array.from({ length: Number(values.flows) }, async () => {
    const flow = new Flow();
    flow.socket.connect(Number(port), "::1");
    await once(flow.socket, "connect");
    flow.socket.on("error", () => {}); // nobody listens: the counts tell
    return flow;
  }),
);
let stopped = false;
process.once("SIGTERM", () => (stopped = true));
const begin = performance.now();
const endMs = begin + Number(values.seconds) * 1000;
const over = (): boolean => stopped || performance.now() >= endMs;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

for (const flow of flows) {
  flow.socket.on("message", (bytes) => {
    if (bytes.length >= 4 && flow.take(bytes) && outstanding > 0 && !over()) flow.send();
  });
  for (let index = 0; index < outstanding / flows.length; index++) flow.send();
}
let next = 0;
while (!over()) {
  const due = outstanding > 0 ? 0 : (rate * (performance.now() - begin)) / 1000 - counts.sent;
  for (let index = 0; index < Math.min(due, QUEUE_MAX); index++) flows[next++ % flows.length]!.send();
  if (outstanding > 0) for (const flow of flows) for (let late = flow.giveUp(); late > 0; late--) flow.send();
  await turn();
}
const seconds = (performance.now() - begin) / 1000;
if (confirmable && outstanding === 0) {
  const limit = performance.now() + 2 * LOST_MS;
  while (counts.answered + counts.refused < counts.sent && performance.now() < limit) await turn();
  counts.lost = counts.sent - counts.answered - counts.refused;
}
const us = (q: number): number => (samples.length === 0 ? 0 : Math.round(quantile(samples, q)));
const times = { p50Us: us(0.5), p99Us: us(0.99), maxUs: us(1) };
process.stdout.write(`${JSON.stringify({ ...counts, seconds, messageBytes: confirmable ? 111 : 114, ...times })}\n`);
for (const { socket } of flows) socket.close();
