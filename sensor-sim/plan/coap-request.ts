import type { LaneName } from "@paddock/wire/lanes.ts";
import { encodeBlock, blockBytes } from "@paddock/wire/coap-block.ts";
import { CODE_POST, TYPE_CON, TYPE_NON } from "@paddock/wire/coap-codes.ts";
import { encodeMessage, type CoapOption } from "@paddock/wire/coap-message.ts";
import {
  encodeUintOption,
  OPTION_BLOCK1,
  OPTION_CONTENT_FORMAT,
  OPTION_NO_RESPONSE,
  OPTION_REQUEST_TAG,
  OPTION_SIZE1,
  OPTION_URI_PATH,
} from "@paddock/wire/coap-options.ts";

/** Bytes of every token: the number of the sending, so that an answer is matched even over a shared socket. */
export const TOKEN_BYTES = 4;
/** RFC 7967 §2.1: no interest in 2.xx, 4.xx and 5.xx. */
const NO_RESPONSE_ALL = 26;

export interface RequestForm {
  readonly path: string;
  readonly contentFormat: number;
  readonly confirmable: boolean;
  /** False asks the gateway by No-Response to stay silent. */
  readonly answered: boolean;
}

/** The path that a fleet posts to. */
export function pathOf(path: "lane" | "/i" | "/dp", lane: LaneName): string {
  return path === "lane" ? `/i/${lane}` : path;
}

/** POST requests that differ in Message-ID, token and payload alone: the rest is encoded once. */
export class RequestTemplate {
  readonly #head: Buffer;

  constructor(form: RequestForm) {
    const encoded = encode(form, 0, 0, [], PLACEHOLDER);
    this.#head = Buffer.from(encoded.subarray(0, encoded.length - PLACEHOLDER.length));
  }

  /** One datagram. `payload` is at least one byte. */
  fill(messageId: number, token: number, payload: Uint8Array): Buffer {
    const head = this.#head;
    const datagram = Buffer.allocUnsafe(head.length + payload.length);
    head.copy(datagram);
    setMessageId(datagram, messageId);
    datagram.writeUInt32BE(token, 4);
    datagram.set(payload, head.length);
    return datagram;
  }
}

/** A Block1 transfer (RFC 7959 §2.5) with Request-Tag and Size1, one datagram per block; `firstMessageId` counts up. */
export function blockRequests(
  form: RequestForm,
  nextMessageId: () => number,
  token: number,
  payload: Uint8Array,
  bytesPerBlock: number,
): Buffer[] {
  const szx = 27 - Math.clz32(bytesPerBlock);
  const count = Math.ceil(payload.length / blockBytes(szx));
  const tag = Buffer.alloc(4);
  tag.writeUInt32BE(token);
  return Array.from({ length: count }, (_, num) => {
    const options = [
      { number: OPTION_BLOCK1, value: encodeBlock({ num, more: num < count - 1, szx }) },
      { number: OPTION_REQUEST_TAG, value: tag },
      ...(num === 0 ? [{ number: OPTION_SIZE1, value: encodeUintOption(payload.length) }] : []),
    ];
    return encode(
      form,
      nextMessageId(),
      token,
      options,
      payload.subarray(num * bytesPerBlock, (num + 1) * bytesPerBlock),
    );
  });
}

export function setMessageId(datagram: Buffer, messageId: number): void {
  datagram[2] = messageId >> 8;
  datagram[3] = messageId & 0xff;
}

function encode(form: RequestForm, messageId: number, token: number, more: CoapOption[], payload: Uint8Array): Buffer {
  const tokenBytes = Buffer.alloc(TOKEN_BYTES);
  tokenBytes.writeUInt32BE(token);
  const options: CoapOption[] = [
    ...form.path
      .split("/")
      .filter((segment) => segment !== "")
      .map((segment) => ({ number: OPTION_URI_PATH, value: Buffer.from(segment) })),
    { number: OPTION_CONTENT_FORMAT, value: encodeUintOption(form.contentFormat) },
    ...(form.answered ? [] : [{ number: OPTION_NO_RESPONSE, value: encodeUintOption(NO_RESPONSE_ALL) }]),
    ...more,
  ];
  const type = form.confirmable ? TYPE_CON : TYPE_NON;
  return encodeMessage({ type, code: CODE_POST, messageId, token: tokenBytes, options, payload });
}

const PLACEHOLDER = Buffer.of(0);
