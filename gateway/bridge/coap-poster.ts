import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import type { Clock, Timer } from "@paddock/base/clock.ts";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import type { Random } from "@paddock/base/random.ts";
import { CODE_EMPTY, CODE_POST, TYPE_ACK, TYPE_CON, TYPE_RST } from "@paddock/wire/coap-codes.ts";
import { encodeMessage, readMessage } from "@paddock/wire/coap-message.ts";
import { encodeUintOption, OPTION_CONTENT_FORMAT, OPTION_URI_PATH } from "@paddock/wire/coap-options.ts";
import { FORMAT_SENML_CBOR } from "@paddock/wire/content-formats.ts";
import {
  type CoapAnswer,
  type ExchangeEnd,
  type ExchangeEvent,
  type ExchangeState,
  exchangeWakeAtMs,
  startExchange,
  stepExchange,
} from "./coap-exchange.ts";

const TOKEN_BYTES = 4;

interface Exchange {
  state: ExchangeState;
  readonly datagram: Buffer;
  readonly done: (end: ExchangeEnd) => void;
  timer: Timer | undefined;
}

export interface PosterOptions {
  readonly address: string;
  readonly port: number;
  /** How long one post may take, in ms. */
  readonly answerMs: number;
  readonly clock: Clock;
  readonly random: Random;
}

/** Posts SenML packs to a gateway as confirmable requests from one socket. */
export class CoapPoster {
  readonly #socket: Socket;
  readonly #options: PosterOptions;
  /** By token. */
  readonly #exchanges = new Map<number, Exchange>();
  #nextToken: number;
  #nextMessageId: number;

  private constructor(socket: Socket, options: PosterOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#nextToken = options.random.uint32();
    this.#nextMessageId = options.random.below(0x1_0000);
    // What the network refuses is sent again in time, and told when there is no more of it.
    socket.on("error", () => {});
    socket.on("message", (bytes) => this.#receive(bytes));
  }

  /** Throws LISTEN_FAILED when there is no way to that address. */
  static async open(options: PosterOptions): Promise<CoapPoster> {
    const { address, port } = options;
    const socket = createSocket(isIPv6(address.split("%")[0]!) ? "udp6" : "udp4");
    try {
      // Connected, so that nobody else's datagrams are heard.
      socket.connect(port, address);
      await once(socket, "connect");
    } catch (error) {
      socket.close();
      throw new PaddockError("LISTEN_FAILED", `gateway.address: no way to ${address}: ${messageOf(error)}.`, {
        cause: error,
      });
    }
    return new CoapPoster(socket, options);
  }

  /** Resolves once the gateway has answered, or nobody waits any longer; never rejects. */
  post(path: readonly string[], pack: Uint8Array): Promise<ExchangeEnd> {
    const { clock, random, answerMs } = this.#options;
    const token = (this.#nextToken = (this.#nextToken + 1) >>> 0);
    const messageId = (this.#nextMessageId = (this.#nextMessageId + 1) & 0xffff);
    const tokenBytes = Buffer.alloc(TOKEN_BYTES);
    tokenBytes.writeUInt32BE(token);
    const options = [
      ...path.map((segment) => ({ number: OPTION_URI_PATH, value: Buffer.from(segment) })),
      { number: OPTION_CONTENT_FORMAT, value: encodeUintOption(FORMAT_SENML_CBOR) },
    ];
    const message = { type: TYPE_CON, code: CODE_POST, messageId, token: tokenBytes, options, payload: pack } as const;
    const datagram = encodeMessage(message);
    return new Promise((done) => {
      const state = startExchange({ messageId, token }, this.#nowMs(), answerMs, random);
      const exchange: Exchange = { state, datagram, done, timer: undefined };
      this.#exchanges.set(token, exchange);
      this.#send(datagram);
      this.#arm(exchange, clock);
    });
  }

  /** Posts that wait end as failed. */
  close(): void {
    for (const { timer, done } of this.#exchanges.values()) {
      timer?.cancel();
      done({ kind: "failed", detail: "the bridge is ending" });
    }
    this.#exchanges.clear();
    this.#socket.close();
  }

  #receive(bytes: Buffer): void {
    const message = readMessage(bytes);
    if (!message.ok) return;
    const { type, code, messageId, token } = message.value;
    const answer = { type, code, messageId };
    const exchange = code === CODE_EMPTY ? this.#byMessageId(messageId) : this.#byToken(token);
    if (exchange !== undefined) return this.#step(exchange, { kind: "answer", answer });
    this.#answerStranger(answer);
  }

  #byMessageId(messageId: number): Exchange | undefined {
    return this.#exchanges.values().find(({ state }) => state.messageId === messageId);
  }

  #byToken(token: Uint8Array): Exchange | undefined {
    return token.length === TOKEN_BYTES ? this.#exchanges.get(Buffer.from(token).readUInt32BE()) : undefined;
  }

  /** A confirmable answer to what is over: so that the gateway stops to repeat it (RFC 7252 §4.2). */
  #answerStranger({ type, messageId }: CoapAnswer): void {
    if (type === TYPE_CON) this.#sendEmpty(TYPE_RST, messageId);
  }

  #step(exchange: Exchange, event: ExchangeEvent): void {
    const { state, resend, acknowledge } = stepExchange(exchange.state, event, this.#nowMs());
    exchange.state = state;
    if (resend) this.#send(exchange.datagram);
    if (acknowledge !== undefined) this.#sendEmpty(TYPE_ACK, acknowledge);
    if (state.end === undefined) return this.#arm(exchange, this.#options.clock);
    exchange.timer?.cancel();
    this.#exchanges.delete(state.token);
    exchange.done(state.end);
  }

  #arm(exchange: Exchange, clock: Clock): void {
    exchange.timer?.cancel();
    const delayMs = Math.max(0, Math.ceil(exchangeWakeAtMs(exchange.state) - this.#nowMs()));
    exchange.timer = clock.after(delayMs, () => this.#step(exchange, { kind: "tick" }));
  }

  #sendEmpty(type: typeof TYPE_ACK | typeof TYPE_RST, messageId: number): void {
    const empty = new Uint8Array(0);
    this.#send(encodeMessage({ type, code: CODE_EMPTY, messageId, token: empty, options: [], payload: empty }));
  }

  #send(datagram: Buffer): void {
    this.#socket.send(datagram, () => {});
  }

  #nowMs(): number {
    return this.#options.clock.monotonicUs() / 1000;
  }
}
