import type { Clock } from "@paddock/base/clock.ts";
import type { Random } from "@paddock/base/random.ts";
import {
  CODE_CONTINUE,
  CODE_EMPTY,
  CODE_REQUEST_ENTITY_INCOMPLETE,
  CODE_SERVICE_UNAVAILABLE,
  CODE_TOO_MANY_REQUESTS,
  formatCode,
  isResponse,
  TYPE_ACK,
  TYPE_CON,
  TYPE_RST,
} from "@paddock/wire/coap-codes.ts";
import { CoapView, decodeMessage, findOption, writeBareReply } from "@paddock/wire/coap-message.ts";
import { OPTION_MAX_AGE, readUintOption } from "@paddock/wire/coap-options.ts";
import type { SendOutcome } from "../ledger/sent-line.ts";
import { setMessageId, TOKEN_BYTES } from "../plan/coap-request.ts";
import type { PlannedFrame } from "../plan/planned-frame.ts";
import { PLANNED_MESSAGE_IDS } from "../plan/sensor.ts";
import type { CoapSettings } from "../scenario/schema.ts";
import type { EndpointPool, PoolSocket } from "./endpoint-pool.ts";
import { settle, type Exchange, type FrameInFlight } from "./exchange.ts";
import { comeBackMs, firstTimeoutMs, nextTimeoutMs } from "./retransmission.ts";

export type FrameDone = (
  planned: PlannedFrame,
  atMs: number,
  outcome: SendOutcome,
  code: string | undefined,
  attempts: number,
) => void;

/** How many CONs an endpoint has out, and those that wait for their turn (NSTART, RFC 7252 §4.7). */
interface Turn {
  active: number;
  readonly waiting: Exchange[];
}

/** Carries planned frames over real sockets as sensors do: CON with retransmission, NON, Block1, and coming back later. */
export class Sender {
  readonly #pool: EndpointPool;
  readonly #settings: CoapSettings;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #done: FrameDone;
  readonly #byToken = new Map<number, Exchange>();
  /** By socket and Message-ID, for empty ACKs and RSTs, which carry no token. */
  readonly #byMessageId = new Map<number, Exchange>();
  readonly #turns = new Map<number, Turn>();
  readonly #view = new CoapView();
  /** By socket: the next Message-ID for what cannot keep the planned one. */
  readonly #lateMessageIds = new Map<number, number>();
  #datagrams = 0;
  #closing = false;

  constructor(options: { pool: EndpointPool; settings: CoapSettings; clock: Clock; random: Random; done: FrameDone }) {
    this.#pool = options.pool;
    this.#settings = options.settings;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#done = options.done;
    for (const pooled of options.pool.sockets) {
      pooled.socket.on("message", (datagram: Buffer) => this.#receive(pooled, datagram));
    }
  }

  /** Sendings whose outcome is open. */
  get inFlight(): number {
    return this.#byToken.size;
  }

  get datagrams(): number {
    return this.#datagrams;
  }

  send(planned: PlannedFrame): void {
    if (!planned.confirmable && !planned.answered) {
      this.#fireAndForget(planned);
      return;
    }
    const flight: FrameInFlight = {
      planned,
      atMs: 0,
      attempts: 0,
      open: planned.sendings.length,
      outcome: undefined,
      code: undefined,
    };
    for (const sending of planned.sendings) {
      const exchange: Exchange = {
        flight,
        sending,
        pooled: this.#pool.socketOf(sending.endpoint),
        block: 0,
        datagram: sending.datagrams[0]!,
        messageId: 0,
        transmissions: 0,
        firstTimeoutMs: 0,
        retries: 0,
        timer: undefined,
      };
      this.#byToken.set(sending.token, exchange);
      if (planned.confirmable) this.#takeTurn(exchange);
      else this.#start(exchange);
    }
  }

  /** Begins nothing that still waits for its turn; what has left is seen through. */
  seeThrough(): void {
    for (const turn of this.#turns.values()) {
      for (const exchange of Array.from(turn.waiting)) this.#finish(exchange, "unfinished");
    }
  }

  /** Ends what is still open as `unfinished`; frames of which nothing has left are forgotten. */
  #abandon(): void {
    this.#closing = true;
    for (const exchange of this.#byToken.values()) {
      // A frame that was only ever turned away was refused; the run just ended before the sensor came back.
      if (exchange.timer !== undefined && exchange.transmissions === 0 && exchange.flight.code !== undefined) {
        this.#finish(exchange, "refused", exchange.flight.code);
      } else {
        this.#finish(exchange, "unfinished");
      }
    }
  }

  #fireAndForget(planned: PlannedFrame): void {
    const atMs = this.#clock.wallMs();
    let attempts = 0;
    for (const { endpoint, datagrams } of planned.sendings) {
      const pooled = this.#pool.socketOf(endpoint);
      for (const datagram of datagrams) this.#put(pooled, datagram);
      attempts += datagrams.length;
      if (planned.repeatAfterUs > 0) {
        this.#clock.after(planned.repeatAfterUs / 1000, () => this.#put(pooled, datagrams[0]!));
        attempts++;
      }
    }
    this.#done(planned, atMs, planned.kind === "abandoned-blocks" ? "abandoned" : "sent", undefined, attempts);
  }

  #takeTurn(exchange: Exchange): void {
    const { endpoint } = exchange.sending;
    let turn = this.#turns.get(endpoint);
    if (turn === undefined) this.#turns.set(endpoint, (turn = { active: 0, waiting: [] }));
    if (turn.active >= this.#settings.nstart) {
      turn.waiting.push(exchange);
      return;
    }
    turn.active++;
    this.#start(exchange);
  }

  #passTurn(exchange: Exchange): void {
    const { endpoint } = exchange.sending;
    const turn = this.#turns.get(endpoint);
    if (turn === undefined || this.#closing) return;
    const waiting = turn.waiting.indexOf(exchange);
    if (waiting >= 0) {
      turn.waiting.splice(waiting, 1);
      return;
    }
    const next = turn.waiting.shift();
    if (next !== undefined) this.#start(next);
    else if (--turn.active === 0) this.#turns.delete(endpoint);
  }

  /** Sends the exchange's datagram as a new message. */
  #start(exchange: Exchange): void {
    const { flight } = exchange;
    const first = flight.atMs === 0;
    if (first) flight.atMs = this.#clock.wallMs();
    this.#forgetMessageId(exchange);
    this.#avoidNeighbour(exchange);
    exchange.messageId = exchange.datagram.readUInt16BE(2);
    this.#byMessageId.set(messageKey(exchange.pooled, exchange.messageId), exchange);
    exchange.transmissions = 0;
    exchange.firstTimeoutMs = firstTimeoutMs(this.#settings, this.#random);
    this.#transmit(exchange);
    if (flight.planned.repeatAfterUs > 0 && exchange.retries === 0 && exchange.block === 0) {
      const { pooled, datagram } = exchange;
      flight.attempts++;
      this.#clock.after(flight.planned.repeatAfterUs / 1000, () => this.#put(pooled, datagram));
    }
  }

  #transmit(exchange: Exchange): void {
    const { flight } = exchange;
    exchange.transmissions++;
    flight.attempts++;
    this.#put(exchange.pooled, exchange.datagram);
    if (!flight.planned.confirmable) {
      exchange.timer = this.#clock.after(this.#settings.answerTimeout, () => this.#finish(exchange, "unanswered"));
      return;
    }
    const timeoutMs = nextTimeoutMs(this.#settings, exchange.firstTimeoutMs, exchange.transmissions)!;
    exchange.timer = this.#clock.after(timeoutMs, () => {
      if (exchange.transmissions > this.#settings.maxRetransmit) this.#finish(exchange, "timed-out");
      else this.#transmit(exchange);
    });
  }

  #put(pooled: PoolSocket, datagram: Uint8Array): void {
    this.#datagrams++;
    // A repeated datagram may fall due after the run has closed its sockets.
    if (!this.#closing) pooled.socket.send(datagram);
  }

  /** Stops sending; late answers are ignored. */
  close(): void {
    this.#abandon();
    this.#pool.close();
  }

  #receive(pooled: PoolSocket, datagram: Buffer): void {
    const view = this.#view;
    if (decodeMessage(datagram, view) !== undefined) return;
    if (view.code === CODE_EMPTY) {
      const exchange = this.#byMessageId.get(messageKey(pooled, view.messageId));
      if (exchange === undefined) return;
      if (view.type === TYPE_RST) this.#finish(exchange, "reset");
      else if (view.type === TYPE_ACK) this.#awaitSeparateAnswer(exchange);
      return;
    }
    if (!isResponse(view.code)) return;
    if (view.type === TYPE_CON) {
      const reply = Buffer.alloc(4);
      writeBareReply(reply, TYPE_ACK, CODE_EMPTY, view.messageId, view);
      this.#put(pooled, reply);
    }
    if (view.tokenLength !== TOKEN_BYTES) return;
    const exchange = this.#byToken.get(datagram.readUInt32BE(view.tokenStart));
    if (exchange === undefined || exchange.pooled !== pooled) return;
    // A piggybacked answer to an earlier block or attempt is late, not an answer to what is out now.
    if (view.type === TYPE_ACK && view.messageId !== exchange.messageId) return;
    this.#answered(exchange, view);
  }

  /** An empty ACK stops retransmission (RFC 7252 §5.2.2); the answer comes as a message of its own. */
  #awaitSeparateAnswer(exchange: Exchange): void {
    exchange.timer?.cancel();
    exchange.timer = this.#clock.after(SEPARATE_ANSWER_MS, () => this.#finish(exchange, "timed-out"));
  }

  #answered(exchange: Exchange, view: CoapView): void {
    const { code } = view;
    if (code === CODE_CONTINUE) {
      const next = exchange.sending.datagrams[exchange.block + 1];
      if (next === undefined) this.#finish(exchange, "abandoned");
      else this.#continueWith(exchange, exchange.block + 1, next);
      return;
    }
    if (code >> 5 === 2) {
      this.#finish(exchange, "acknowledged");
      return;
    }
    const text = formatCode(code);
    const comesBack =
      code === CODE_TOO_MANY_REQUESTS ||
      code === CODE_SERVICE_UNAVAILABLE ||
      (code === CODE_REQUEST_ENTITY_INCOMPLETE && exchange.sending.datagrams.length > 1);
    if (!comesBack || exchange.retries >= this.#settings.retries) {
      this.#finish(exchange, "refused", text);
      return;
    }
    const waitMs =
      code === CODE_REQUEST_ENTITY_INCOMPLETE
        ? exchange.firstTimeoutMs
        : comeBackMs(this.#settings, maxAgeOf(view), this.#random);
    exchange.timer?.cancel();
    exchange.flight.code = text;
    exchange.transmissions = 0;
    exchange.retries++;
    exchange.timer = this.#clock.after(waitMs, () => this.#continueWith(exchange, 0, exchange.sending.datagrams[0]!));
  }

  /** Sends another datagram of the exchange; when it comes back later, the same content under a new Message-ID. */
  #continueWith(exchange: Exchange, block: number, planned: Buffer): void {
    exchange.timer?.cancel();
    exchange.block = block;
    exchange.datagram = planned;
    if (exchange.retries > 0) this.#renumber(exchange);
    this.#start(exchange);
  }

  /** Sensors that share a socket are one endpoint to the gateway, and were planned without knowing of each other. */
  #avoidNeighbour(exchange: Exchange): void {
    const held = this.#byMessageId.get(messageKey(exchange.pooled, exchange.datagram.readUInt16BE(2)));
    if (held !== undefined && held.sending.endpoint !== exchange.sending.endpoint) this.#renumber(exchange);
  }

  /** The datagram that is out next gets a Message-ID that no planned one has. */
  #renumber(exchange: Exchange): void {
    exchange.datagram = Buffer.from(exchange.datagram);
    setMessageId(exchange.datagram, this.#nextLateMessageId(exchange.pooled));
  }

  /** By socket, as RFC 7252 §4.4 counts them by endpoint: one for all would come around too soon. */
  #nextLateMessageId({ index }: PoolSocket): number {
    const messageId = this.#lateMessageIds.get(index) ?? PLANNED_MESSAGE_IDS;
    this.#lateMessageIds.set(index, messageId === 0xffff ? PLANNED_MESSAGE_IDS : messageId + 1);
    return messageId;
  }

  #forgetMessageId(exchange: Exchange): void {
    const key = messageKey(exchange.pooled, exchange.messageId);
    if (this.#byMessageId.get(key) === exchange) this.#byMessageId.delete(key);
  }

  #finish(exchange: Exchange, outcome: SendOutcome, code?: string): void {
    exchange.timer?.cancel();
    exchange.timer = undefined;
    const { flight, sending } = exchange;
    if (!this.#byToken.delete(sending.token)) return;
    this.#forgetMessageId(exchange);
    if (flight.planned.confirmable) this.#passTurn(exchange);
    if (!settle(flight, outcome, code) || flight.attempts === 0) return;
    this.#done(flight.planned, flight.atMs, flight.outcome!, flight.code, flight.attempts);
  }
}

/** EXCHANGE_LIFETIME less what a retransmission takes would be 202 s; a sensor that sleeps waits less. */
const SEPARATE_ANSWER_MS = 30_000;

function messageKey(pooled: PoolSocket, messageId: number): number {
  return pooled.index * 0x1_0000 + messageId;
}

function maxAgeOf(view: CoapView): number | undefined {
  const index = findOption(view, OPTION_MAX_AGE);
  if (index < 0) return undefined;
  return readUintOption(view.bytes, view.optionStarts[index]!, view.optionLengths[index]!);
}
