import type { Random } from "@paddock/base/random.ts";
import type { Block } from "@paddock/wire/coap-block.ts";
import { FRAME_BYTES_MAX } from "@paddock/wire/limits.ts";
import type { Datagram, Reply } from "./datagram.ts";
import type { Endpoint } from "./endpoints.ts";
import { AnswerTo, type AnswerParts } from "./exchange.ts";
import { REFUSALS, type Refusal } from "./refusals.ts";
import type { IngestCounters, SenderStats } from "./stats.ts";

/** Why a request is not done. */
export interface RefusalReason {
  readonly reason: Refusal;
  /** A sentence for the diagnostic payload. */
  readonly detail: string;
  /** Seconds for Max-Age, with the reasons `rate` and `pressure`. */
  readonly retryAfterS?: number;
}

/** Answers requests and counts what was answered and refused. */
export class Answers {
  readonly #counters: IngestCounters;
  #messageId: number;

  constructor(counters: IngestCounters, random: Random) {
    this.#counters = counters;
    this.#messageId = random.below(0x1_0000);
  }

  /** The answers to the request in hand, for now or later. `block1` is its Block1 option. */
  to({ view, fields }: Datagram, block1?: Block): AnswerTo {
    return new AnswerTo(view, fields.noResponse, block1, this.#nextMessageId);
  }

  /** Sends an answer unless the client asked for none. */
  send(answer: AnswerTo, code: number, parts: AnswerParts | undefined, from: Endpoint, reply: Reply): void {
    const bytes = answer.bytes(code, parts);
    if (bytes !== undefined) this.sendBytes(bytes, from, reply);
  }

  sendBytes(bytes: Uint8Array, from: Endpoint, reply: Reply): void {
    if (!from.answerable) {
      this.#counters.unanswerable++;
      return;
    }
    this.#counters.answers++;
    reply(bytes, from);
  }

  /** Counts a refusal and answers the request in hand with it. */
  refuse(datagram: Datagram, why: RefusalReason, stats: SenderStats): void {
    this.note(why, stats, datagram.receivedUs);
    this.sendRefusal(this.to(datagram), why, datagram.from, datagram.reply);
  }

  /** Counts a refusal that nobody is told. */
  note({ reason, detail }: RefusalReason, stats: SenderStats, atUs: number): void {
    this.#counters.refused[reason]++;
    stats.lastSeenUs = atUs;
    stats.refused(reason, detail);
  }

  sendRefusal(answer: AnswerTo, { reason, detail, retryAfterS }: RefusalReason, from: Endpoint, reply: Reply): void {
    this.send(
      answer,
      REFUSALS[reason],
      {
        payload: detail,
        ...((reason === "rate" || reason === "pressure") && { maxAge: retryAfterS }),
        ...(reason === "too-large" && { size1: FRAME_BYTES_MAX }),
      },
      from,
      reply,
    );
  }

  readonly #nextMessageId = (): number => {
    this.#messageId = (this.#messageId + 1) & 0xffff;
    return this.#messageId;
  };
}
