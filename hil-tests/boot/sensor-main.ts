/*
 * A sensor that counts, to be run in the namespace of a boot test. Its one argument is JSON: { name, to, count }. Posts a SenML
 * pack with one value to port 5683 until the answer is 2.04, then the next value; each acknowledged one is a line of JSON
 * on standard output: { "value", "atMs" }. Ends after `count` values, if
 * that is given.
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { senmlFrame } from "@paddock/gateway/testing/coap-sender.ts";
import { CODE_CHANGED, CODE_POST, TYPE_CON } from "@paddock/wire/coap-codes.ts";
import { encodeMessage, readMessage } from "@paddock/wire/coap-message.ts";
import { OPTION_CONTENT_FORMAT, OPTION_URI_PATH } from "@paddock/wire/coap-options.ts";

/** Between two tries of one value; a machine that starts answers nobody for a while. */
const AGAIN_MS = 200;
/** Between two values. */
const PACE_MS = 50;

const { name, to, count } = JSON.parse(process.argv[2]!) as { name: string; to: string; count?: number };
const socket = createSocket("udp6");
socket.bind(0);
await once(socket, "listening");
// Nobody is there yet, or the link is down: both pass.
socket.on("error", () => {});
/** Code of the answer to the message that is under way, however late it comes. */
let answer: number | undefined;
let woken: (() => void) | undefined;
let messageId = Math.floor(Math.random() * 0x10000);
socket.on("message", (bytes) => {
  const message = readMessage(bytes);
  if (!message.ok || message.value.messageId !== messageId) return;
  answer = message.value.code;
  woken?.();
});

/** Sends a value, and resolves when there is an answer, or after a while without one. */
function post(value: number): Promise<void> {
  const options = [
    { number: OPTION_URI_PATH, value: Buffer.from("i") },
    { number: OPTION_CONTENT_FORMAT, value: Uint8Array.of(112) },
  ];
  const token = Uint8Array.of(messageId >> 8, messageId & 0xff);
  const payload = senmlFrame(name, value);
  const bytes = encodeMessage({ type: TYPE_CON, code: CODE_POST, messageId, token, options, payload });
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, AGAIN_MS);
    woken = () => {
      clearTimeout(timer);
      resolve();
    };
    socket.send(bytes, 5683, to, () => {});
  });
}

for (let value = 0; value !== count; value++) {
  messageId = (messageId + 1) & 0xffff;
  answer = undefined;
  for (;;) {
    await post(value);
    if (answer !== CODE_CHANGED) await new Promise((done) => setTimeout(done, AGAIN_MS));
    if (answer === CODE_CHANGED) break;
  }
  process.stdout.write(`${JSON.stringify({ value, atMs: Date.now() })}\n`);
  await new Promise((done) => setTimeout(done, PACE_MS));
}
socket.close();
