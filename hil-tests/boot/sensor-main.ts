/*
 * A sensor that counts, to be run in the namespace of a boot test. Its one argument is JSON: { name, to, count, key, paceMs }. Posts
 * a SenML pack with one value to port 5683 until the answer is 2.04, then, `paceMs` later, the next value; each acknowledged one is a line of
 * JSON on standard output: { "value", "atMs" }. Ends after `count` values, if that is given. With a `key` (hex) its frames
 * are numbered and have a tag, and each try has a Message-ID of its own, as that of a sensor has that starts anew.
 */
import { createSecretKey } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { senmlFrame } from "@paddock/gateway/testing/coap-sender.ts";
import { CODE_CHANGED, CODE_POST, TYPE_CON } from "@paddock/wire/coap-codes.ts";
import { encodeMessage, readMessage } from "@paddock/wire/coap-message.ts";
import { OPTION_CONTENT_FORMAT, OPTION_URI_PATH } from "@paddock/wire/coap-options.ts";
import { FORMAT_COSE_MAC0, FORMAT_SENML_CBOR } from "@paddock/wire/content-formats.ts";
import { ALG_HMAC_256_256, encodeMac0 } from "@paddock/wire/cose-mac.ts";

/** Between two tries of one value; a machine that starts answers nobody for a while. */
const AGAIN_MS = 200;
/** Between two values, unless something else is said. */
const PACE_MS = 50;

const {
  name,
  to,
  count,
  key,
  paceMs = PACE_MS,
} = JSON.parse(process.argv[2]!) as {
  name: string;
  to: string;
  count?: number;
  key?: string;
  paceMs?: number;
};
const secret = key === undefined ? undefined : createSecretKey(key, "hex");
const socket = createSocket("udp6");
socket.bind(0);
await once(socket, "listening");
// Nobody is there yet, or the link is down: both pass.
socket.on("error", () => {});
/** Of the value that is under way: the same in all of its tries. */
const token = Buffer.alloc(4);
/** Code of the answer to any try of it, however late it comes. */
let answer: number | undefined;
let woken: (() => void) | undefined;
let messageId = Math.floor(Math.random() * 0x10000);
socket.on("message", (bytes) => {
  const message = readMessage(bytes);
  if (!message.ok || !token.equals(message.value.token)) return;
  answer = message.value.code;
  woken?.();
});

function payloadOf(value: number): Buffer {
  const pack = senmlFrame(name, value);
  if (secret === undefined) return pack;
  return encodeMac0(secret, { algorithm: ALG_HMAC_256_256, sensor: name, sequence: value }, pack);
}

/** Sends a value, and resolves when there is an answer, or after a while without one. */
function post(payload: Buffer): Promise<void> {
  const format = secret === undefined ? FORMAT_SENML_CBOR : FORMAT_COSE_MAC0;
  const options = [
    { number: OPTION_URI_PATH, value: Buffer.from("i") },
    { number: OPTION_CONTENT_FORMAT, value: Uint8Array.of(format) },
  ];
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

const nextMessageId = (): void => void (messageId = (messageId + 1) & 0xffff);

for (let value = 0; value !== count; value++) {
  token.writeUInt32BE(value);
  nextMessageId();
  answer = undefined;
  const payload = payloadOf(value);
  for (;;) {
    await post(payload);
    if (answer !== CODE_CHANGED) await new Promise((done) => setTimeout(done, AGAIN_MS));
    if (answer === CODE_CHANGED) break;
    if (secret !== undefined) nextMessageId();
  }
  process.stdout.write(`${JSON.stringify({ value, atMs: Date.now() })}\n`);
  await new Promise((done) => setTimeout(done, paceMs));
}
socket.close();
