import type { CoapType } from "../coap-codes.ts";
import type { CoapMessage } from "../coap-message.ts";
import { byteStrings, fc } from "./fast-check.ts";

const REQUEST_CODES = fc.integer({ min: 1, max: 31 });
const RESPONSE_CODES = fc.integer({ min: 0x40, max: 0xbf });
const typed = (types: readonly CoapType[], codes: fc.Arbitrary<number>) => fc.tuple(fc.constantFrom(...types), codes);

const optionNumbers = fc.oneof(
  fc.constantFrom(1, 3, 4, 5, 6, 7, 8, 9, 11, 12, 14, 15, 16, 17, 20, 23, 27, 28, 35, 39, 60, 252, 258, 292),
  fc.integer({ min: 0, max: 65_535 }),
);
const optionLengths = fc.oneof(fc.integer({ min: 0, max: 16 }), fc.constantFrom(12, 13, 14, 268, 269, 270, 600));

/** Every message that is one, empty ones among them. */
export const coapMessages: fc.Arbitrary<CoapMessage> = fc.oneof(
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constantFrom<CoapType[]>(0, 2, 3), messageId: fc.nat(0xffff) }).map(empty),
  },
  {
    weight: 9,
    arbitrary: fc
      .record({
        head: fc.oneof(typed([0, 1], REQUEST_CODES), typed([0, 1, 2], RESPONSE_CODES)),
        messageId: fc.nat(0xffff),
        token: byteStrings(0, 8),
        options: fc.array(
          fc.record({
            number: optionNumbers,
            value: optionLengths.map((length) => new Uint8Array(length).fill(length & 0xff)),
          }),
          { maxLength: 8 },
        ),
        payload: byteStrings(0, 100),
      })
      .map(({ head: [type, code], messageId, token, options, payload }) => ({
        type,
        code,
        messageId,
        token,
        options,
        payload,
      })),
  },
);

function empty({ type, messageId }: { type: CoapType; messageId: number }): CoapMessage {
  return { type, code: 0, messageId, token: new Uint8Array(0), options: [], payload: new Uint8Array(0) };
}
