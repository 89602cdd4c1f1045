import { expect, test } from "vitest";
import { seededRandom } from "@paddock/base/random.ts";
import { encodeBfdPacket } from "@paddock/wire/bfd-packet.ts";
import { type AnswerSocket, SeamlessResponder } from "./seamless-responder.ts";

const QUESTION = encodeBfdPacket({
  diagnostic: 0,
  state: "up",
  poll: false,
  final: false,
  controlPlaneIndependent: false,
  demand: true,
  detectMult: 3,
  myDiscriminator: 42,
  yourDiscriminator: 900,
  desiredMinTxUs: 50_000,
  requiredMinRxUs: 50_000,
  requiredMinEchoRxUs: 0,
});

/** Throws as node:dgram does, which takes port 0 and odd addresses for a mistake of its caller's. */
class StrictSocket implements AnswerSocket {
  readonly answers: { readonly length: number; readonly port: number }[] = [];

  send(answer: Buffer, port: number, address: string, onSent: (error: Error | null) => void): void {
    if (!(port > 0 && port < 65_536)) {
      throw Object.assign(new RangeError(`Port should be > 0 and < 65536. Received ${port}.`), {
        code: "ERR_SOCKET_BAD_PORT",
      });
    }
    if (address === "") throw Object.assign(new TypeError("address"), { code: "ERR_INVALID_ARG_TYPE" });
    this.answers.push({ length: answer.length, port });
    onSent(address.startsWith("ff") ? new Error("EACCES") : null);
  }
}

function responder(): SeamlessResponder {
  return new SeamlessResponder({ discriminators: new Set([900]), requiredMinRxUs: 10_000, disabled: false });
}

test("RFC 768: who asks from port 0 gets no answer, and is counted", () => {
  const answers = responder();
  const socket = new StrictSocket();
  answers.take(socket, Buffer.from(QUESTION), { address: "::1", port: 0 });
  answers.take(socket, Buffer.from(QUESTION), { address: "::1", port: 1 });
  expect(socket.answers).toEqual([{ length: 24, port: 1 }]);
  expect(answers).toMatchObject({ reflected: 1, sendErrors: 0, refused: { "source-port-zero": 1 } });
});

test("a send that throws is counted as one that failed, and the next question is answered", () => {
  const answers = responder();
  const socket = new StrictSocket();
  answers.take(socket, Buffer.from(QUESTION), { address: "", port: 7 });
  answers.take(socket, Buffer.from(QUESTION), { address: "ff02::1", port: 7 });
  answers.take(socket, Buffer.from(QUESTION), { address: "::1", port: 7 });
  expect(answers).toMatchObject({ reflected: 2, sendErrors: 2 });
});

test("no datagram of any length, from anywhere, ends it or is answered by more than it is", () => {
  const random = seededRandom(7784);
  const answers = responder();
  const socket = new StrictSocket();
  const senders = ["::1", "fe80::1%eth0", "ff02::1", "::", "", "2001:db8::1"].flatMap((address) =>
    [0, 1, 7784, 65_535].map((port) => ({ address, port })),
  );
  let taken = 0;
  for (let length = 0; length <= 100; length++) {
    for (const from of senders) {
      const packet = Buffer.concat([QUESTION, random.bytes(80)]).subarray(0, length);
      if (length > 0 && random.below(3) > 0) packet[random.below(length)] = random.below(256);
      const before = socket.answers.length;
      answers.take(socket, packet, from);
      taken++;
      for (const answer of socket.answers.slice(before)) expect(answer.length).toBeLessThanOrEqual(length);
    }
  }
  const refused = Object.values(answers.refused).reduce((sum, count) => sum + count, 0);
  expect(answers.reflected + refused).toBeLessThanOrEqual(taken);
  expect(answers.reflected).toBeGreaterThan(100);
  expect(answers.refused["source-port-zero"]).toBe(taken / 4);
});
