import { encodeBlock, type Block } from "@paddock/wire/coap-block.ts";
import {
  CODE_EMPTY,
  isRequest,
  TYPE_ACK,
  TYPE_CON,
  TYPE_NON,
  TYPE_RST,
  type CoapType,
} from "@paddock/wire/coap-codes.ts";
import {
  encodeMessage,
  writeBareReply,
  type CoapOption,
  type CoapProblem,
  type CoapView,
} from "@paddock/wire/coap-message.ts";
import {
  encodeUintOption,
  OPTION_BLOCK1,
  OPTION_BLOCK2,
  OPTION_CONTENT_FORMAT,
  OPTION_MAX_AGE,
  OPTION_SIZE1,
  OPTION_SIZE2,
} from "@paddock/wire/coap-options.ts";

/** The server's message layer (RFC 7252 §4): what kind of message this is, and the bytes of its answer. */

export type MessageKind =
  /** A request: something to act on. */
  | "request"
  /** An empty CON, or a CON that this server has no use for (RFC 7252 §4.2, §4.3): to be reset. */
  | "ping"
  | "reset"
  /** ACK, RST, responses and malformed messages that nobody waits for. */
  | "ignore";

/** What to do with a decoded message. `problem` is what the decoder returned. */
export function classify(view: CoapView, problem: CoapProblem | undefined): MessageKind {
  if (problem !== undefined) return view.type === TYPE_CON ? "reset" : "ignore";
  if (isRequest(view.code)) return "request";
  if (view.type !== TYPE_CON) return "ignore";
  return view.code === CODE_EMPTY ? "ping" : "reset";
}

/** An RST for the CON in `view`, which need not be well-formed behind its header. */
export function resetReply(view: CoapView): Buffer {
  const reply = Buffer.allocUnsafe(4);
  writeBareReply(reply, TYPE_RST, CODE_EMPTY, view.messageId, view);
  return reply;
}

/** Whether No-Response (RFC 7967 §2.1) asks to leave out an answer with this code: bit 2 for 2.xx, 8 for 4.xx, 16 for 5.xx. */
export function isSuppressed(noResponse: number, code: number): boolean {
  return (noResponse & (1 << ((code >> 5) - 1))) !== 0;
}

/** What an answer carries besides its code. */
export interface AnswerParts {
  /** Seconds. */
  readonly maxAge?: number | undefined;
  /** Bytes that would have been taken at most (RFC 7959 §4). */
  readonly size1?: number;
  readonly size2?: number;
  readonly block1?: Block;
  readonly block2?: Block;
  readonly contentFormat?: number;
  /** A diagnostic message (RFC 7252 §5.5.2), or a representation when there is a Content-Format. */
  readonly payload?: string | Uint8Array;
}

/** Bytes of a diagnostic message. A refusal must not be much longer than what provoked it. */
const DIAGNOSTIC_BYTES_MAX = 120;

/**
 * The answers to one request: the piggybacked ACK of a CON, a NON for a NON. It remembers what it needs, so it may be
 * asked after the view was used for another message. `nextMessageId` is drawn from only for a NON.
 */
export class AnswerTo {
  readonly #type: CoapType;
  readonly #messageId: number;
  readonly #token: Uint8Array;
  readonly #noResponse: number;
  readonly #block1: Block | undefined;

  constructor(view: CoapView, noResponse: number, block1: Block | undefined, nextMessageId: () => number) {
    const confirmable = view.type === TYPE_CON;
    this.#type = confirmable ? TYPE_ACK : TYPE_NON;
    this.#messageId = confirmable ? view.messageId : nextMessageId();
    this.#token = view.bytes.slice(view.tokenStart, view.tokenStart + view.tokenLength);
    this.#noResponse = noResponse;
    this.#block1 = block1;
  }

  /**
   * The datagram that answers with `code`; undefined when No-Response leaves it out and nothing has to be
   * acknowledged. A success of a request with Block1 says which block it is about (RFC 7959 §2.3).
   */
  bytes(code: number, parts: AnswerParts = NO_PARTS): Buffer | undefined {
    const token = this.#token;
    if (isSuppressed(this.#noResponse, code)) {
      if (this.#type !== TYPE_ACK) return undefined;
      return encodeMessage({
        type: TYPE_ACK,
        code: CODE_EMPTY,
        messageId: this.#messageId,
        token: NO_BYTES,
        options: [],
        payload: NO_BYTES,
      });
    }
    const options = optionsOf(parts, code >> 5 === 2 ? this.#block1 : undefined);
    return encodeMessage({
      type: this.#type,
      code,
      messageId: this.#messageId,
      token,
      options,
      payload: payloadOf(parts),
    });
  }
}

function optionsOf(parts: AnswerParts, block1: Block | undefined): CoapOption[] {
  if (parts === NO_PARTS && block1 === undefined) return NO_OPTIONS;
  const options: CoapOption[] = [];
  const add = (number: number, value: number | undefined): void => {
    if (value !== undefined) options.push({ number, value: encodeUintOption(value) });
  };
  add(OPTION_CONTENT_FORMAT, parts.contentFormat);
  add(OPTION_MAX_AGE, parts.maxAge);
  if (parts.block2 !== undefined) options.push({ number: OPTION_BLOCK2, value: encodeBlock(parts.block2) });
  if (block1 !== undefined) options.push({ number: OPTION_BLOCK1, value: encodeBlock(block1) });
  add(OPTION_SIZE2, parts.size2);
  add(OPTION_SIZE1, parts.size1);
  return options;
}

function payloadOf(parts: AnswerParts): Uint8Array {
  const { payload } = parts;
  if (payload === undefined) return NO_BYTES;
  if (typeof payload !== "string") return payload;
  const text = Buffer.from(payload, "utf8");
  return text.length <= DIAGNOSTIC_BYTES_MAX
    ? text
    : Buffer.from(text.toString("utf8", 0, DIAGNOSTIC_BYTES_MAX - 3).replace(/\uFFFD*$/, "…"), "utf8");
}

const NO_BYTES = new Uint8Array(0);
const NO_OPTIONS: CoapOption[] = [];
const NO_PARTS: AnswerParts = {};
