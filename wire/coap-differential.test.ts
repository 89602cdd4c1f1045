import { seededRandom } from "@paddock/base/random.ts";
import { scaled } from "@paddock/base/testing/fuzz.ts";
import { generate, parse, type ParsedPacket } from "coap-packet";
import { describe, expect, test } from "vitest";
import { formatCode } from "./coap-codes.ts";
import { encodeMessage, readMessage, type CoapMessage, type CoapProblem } from "./coap-message.ts";
import { optionName } from "./coap-options.ts";
import { coapMessages } from "./testing/coap-arbitrary.ts";
import { fc } from "./testing/fast-check.ts";

/** The codec against coap-packet, an implementation that shares nothing with it. */

/** What both sides say of a message. */
interface Common {
  readonly type: number;
  readonly code: string;
  readonly messageId: number;
  readonly token: string;
  readonly options: readonly (readonly [name: string, value: string])[];
  readonly payload: string;
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

function ours(message: CoapMessage): Common {
  return {
    type: message.type,
    code: formatCode(message.code),
    messageId: message.messageId,
    token: hex(message.token),
    options: message.options
      .toSorted((left, right) => left.number - right.number)
      .map(({ number, value }) => [theirName(number), hex(value)] as const),
    payload: hex(message.payload),
  };
}

function theirs(packet: ParsedPacket): Common {
  const type = packet.reset ? 3 : packet.ack ? 2 : packet.confirmable ? 0 : 1;
  return {
    type,
    code: packet.code,
    messageId: packet.messageId,
    token: hex(packet.token),
    options: packet.options.map(({ name, value }) => [String(name), hex(value)] as const),
    payload: hex(packet.payload),
  };
}

/** coap-packet has names for numbers that Paddock has no use for, and none for a few that it has. */
function theirName(number: number): string {
  const only: Readonly<Record<number, string>> = {
    19: "Q-Block1",
    31: "Q-Block2",
    252: "252",
    292: "292",
    2049: "OCF-Accept-Content-Format-Version",
    2053: "OCF-Content-Format-Version",
  };
  return only[number] ?? optionName(number);
}

function parseOrUndefined(bytes: Uint8Array): ParsedPacket | undefined {
  try {
    return parse(Buffer.from(bytes));
  } catch {
    return undefined;
  }
}

test("coap-packet reads what we write", () => {
  fc.assert(
    fc.property(coapMessages, (message) => {
      expect(theirs(parse(encodeMessage(message)))).toEqual(ours(message));
    }),
    { numRuns: scaled(4000) },
  );
});

test("we read what coap-packet writes, and both write the same bytes", () => {
  fc.assert(
    fc.property(coapMessages, (message) => {
      const bytes = generate(
        {
          code: formatCode(message.code),
          confirmable: message.type === 0,
          ack: message.type === 2,
          reset: message.type === 3,
          messageId: message.messageId,
          token: Buffer.from(message.token),
          options: message.options.map(({ number, value }) => ({ name: String(number), value: Buffer.from(value) })),
          payload: Buffer.from(message.payload),
        },
        65_527,
      );
      expect(hex(bytes)).toBe(hex(encodeMessage(message)));
      const read = readMessage(bytes);
      expect(read.ok && ours(read.value)).toEqual(ours(message));
    }),
    { numRuns: scaled(4000) },
  );
});

/**
 * Where coap-packet takes what we refuse, and why we do:
 * - too-short: it slices behind the end of the datagram and returns what is there;
 * - token-length: 9 to 12 it takes as they are, 13 and 14 as extended lengths, which peers must first agree on (RFC 8974);
 * - option-number, option-count: it has no bound;
 * - empty-payload: it takes a marker with nothing behind it, a format error by RFC 7252 §3;
 * - empty-message: token bits in an otherwise empty message;
 * - code-class, type-code: it does not look (RFC 7252 §4.2, §4.3).
 */
const STRICTER: ReadonlySet<CoapProblem> = new Set<CoapProblem>([
  "too-short",
  "token-length",
  "option-number",
  "option-count",
  "empty-payload",
  "empty-message",
  "code-class",
  "type-code",
]);

describe("mutated and random messages", () => {
  const random = seededRandom(7252);
  const samples = fc.sample(coapMessages, { seed: 7252, numRuns: 400 }).map((message) => encodeMessage(message));
  const mutate = (): Buffer => {
    const bytes = Buffer.from(samples[random.below(samples.length)]!);
    for (let changes = 1 + random.below(3); changes > 0; changes--) {
      // Most of the meaning is in front.
      const at = random.below(Math.min(bytes.length, 24));
      bytes[at] = random.uint32() & 0xff;
    }
    return random.below(4) === 0 ? bytes.subarray(0, random.below(bytes.length + 1)) : bytes;
  };

  test("where both accept they agree, and where they differ we know why", () => {
    let both = 0;
    const stricter = new Set<string>();
    for (let round = 0; round < 60_000; round++) {
      const bytes = round % 5 === 0 ? random.bytes(random.below(40)) : mutate();
      const mine = readMessage(bytes);
      const other = parseOrUndefined(bytes);
      if (mine.ok) {
        // Nothing that we accept is refused by it.
        expect(other, hex(bytes)).toBeDefined();
        expect(theirs(other!)).toEqual(ours(mine.value));
        both++;
      } else if (other !== undefined) {
        stricter.add(mine.reason);
        expect(STRICTER.has(mine.reason), `${mine.reason}: ${hex(bytes)}`).toBe(true);
      }
    }
    expect(both).toBeGreaterThan(10_000);
    expect(stricter.size).toBeGreaterThan(4);
  });
});
