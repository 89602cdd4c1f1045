import type { Clock } from "@paddock/base/clock.ts";
import { systemRandom, type Random } from "@paddock/base/random.ts";
import { TokenBucket } from "@paddock/base/token-bucket.ts";
import { readBlock } from "@paddock/wire/coap-block.ts";
import { CODE_CONTENT, CODE_GET, CODE_POST, TYPE_NON } from "@paddock/wire/coap-codes.ts";
import { decodeMessage, describeCoapProblem, type CoapProblem } from "@paddock/wire/coap-message.ts";
import { optionName } from "@paddock/wire/coap-options.ts";
import { FORMAT_COSE_MAC0, FORMAT_LINK, FORMAT_SENML_CBOR } from "@paddock/wire/content-formats.ts";
import { FRAME_BYTES_MAX } from "@paddock/wire/limits.ts";
import { Admission } from "./admission.ts";
import { Answers } from "./answers.ts";
import { BlockTransfers } from "./block-transfers.ts";
import { ContentHash } from "./content-hash.ts";
import { coreAnswer, coreList } from "./core-resource.ts";
import { Datagram, type Reply } from "./datagram.ts";
import { DuplicateRing } from "./duplicate-ring.ts";
import { EndpointTable, type Endpoint } from "./endpoints.ts";
import { exchangeBook, exchangeSeed, restoreExchanges, type RestoredExchanges } from "./exchange-memory.ts";
import { classify, resetReply, type AnswerParts } from "./exchange.ts";
import { FramePost } from "./frame-post.ts";
import type { FrameSink } from "../commit/frame-sink.ts";
import type { Refusal } from "./refusals.ts";
import { RESOURCE_CORE, RESOURCE_NONE } from "./request.ts";
import { reportOf, type SenderReport, type Sensors } from "./sensors.ts";
import type { SensorsDocument } from "./sensors-file.ts";
import { newCounters, type IngestCounters } from "./stats.ts";

/** Bounds of the listeners' memory. */
export interface IngestLimits {
  /** Addresses remembered, about 0.5 KB each. */
  readonly maxHosts: number;
  /** Pairs of address and port remembered, about 0.3 KB each. */
  readonly maxEndpoints: number;
  /** Messages remembered for telling copies; 25 bytes each, made at the start. */
  readonly maxExchanges: number;
  /** Bodies in blocks under way. */
  readonly maxTransfers: number;
  /** Bytes of all of these together. */
  readonly maxTransferBytes: number;
}

export const INGEST_LIMITS: IngestLimits = {
  maxHosts: 32_768,
  maxEndpoints: 65_536,
  maxExchanges: 131_072,
  maxTransfers: 1024,
  maxTransferBytes: 4 * 1024 * 1024,
};

export interface IngestOptions {
  readonly sink: FrameSink;
  readonly sensors: Sensors;
  readonly clock: Clock;
  readonly random?: Random;
  /** Frames per second of each sender for which the sensors file has no rate; 0 for no limit. */
  readonly rateFramesPerS?: number;
  readonly limits?: Partial<IngestLimits>;
  /** The messages of before the start; without them their copies are new messages. */
  readonly exchanges?: RestoredExchanges;
}

/** Lists of resources per second to all clients together: an answer is 15 times its request, and sources can be forged. */
const CORE_ANSWERS_PER_S = 50;
/** DEFAULT_LEISURE of RFC 7252 §8.2, in ms. */
const LEISURE_MS = 5000;
/** Multicast answers that wait for their moment; RFC 7252 §8.2 lets a server leave some out. */
const LEISURELY_MAX = 64;
/** The initial byte of a CBOR tag 17. */
const COSE_MAC0_TAG = 0xd1;
/** Unknown senders that a report names. */
const UNKNOWN_REPORTED_MAX = 1000;

/**
 * The sensor side: takes datagrams, answers them exactly as docs/protocol.md §1.2 says, and hands valid frames to the
 * commit loop. Sockets are not its business; see udp-listener.ts. It never throws, and keeps nothing of a datagram.
 */
export class Ingest {
  readonly counters: IngestCounters = newCounters();
  readonly #sensors: Sensors;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #endpoints: EndpointTable;
  readonly #ring: DuplicateRing;
  readonly #transfers: BlockTransfers;
  readonly #answers: Answers;
  readonly #framePost: FramePost;
  readonly #datagram: Datagram;
  readonly #coreBucket = new TokenBucket();
  #leisurely = 0;

  constructor(options: IngestOptions) {
    const { sensors, sink, clock, random = systemRandom, rateFramesPerS = 0, exchanges } = options;
    const limits = { ...INGEST_LIMITS, ...options.limits };
    this.#sensors = sensors;
    this.#clock = clock;
    this.#random = random;
    const hash = new ContentHash(exchanges === undefined ? random : exchangeSeed(exchanges.secret));
    this.#endpoints = new EndpointTable(limits, hash, (address) => sensors.byAddress(address));
    this.#ring = new DuplicateRing(limits.maxExchanges);
    if (exchanges !== undefined) restoreExchanges(this.#ring, exchanges);
    this.#transfers = new BlockTransfers({
      maxTransfers: limits.maxTransfers,
      maxBytes: limits.maxTransferBytes,
      maxBodyBytes: FRAME_BYTES_MAX,
    });
    this.#answers = new Answers(this.counters, random);
    const nobody = this.#endpoints.find("::", 0);
    this.#datagram = new Datagram(new Uint8Array(0), nobody);
    this.#framePost = new FramePost(
      {
        admission: new Admission(sensors, sink, nobody.host.stats),
        answers: this.#answers,
        ring: this.#ring,
        transfers: this.#transfers,
        hash,
        counters: this.counters,
        notes: exchangeBook(exchanges?.boot ?? 0),
        rateFramesPerS,
      },
      nobody,
    );
  }

  /** The endpoint of a sender as a socket names it; cached. */
  endpoint(address: string, port: number): Endpoint {
    return this.#endpoints.find(address, port);
  }

  /** Takes another sensors document at once. Counters, sequence windows, copies and transfers stay. */
  reload(document: SensorsDocument): void {
    this.#sensors.load(document);
    this.#endpoints.refresh();
  }

  /** The sensors of the file, then the unknown senders, the latest first. */
  senders(): SenderReport[] {
    const unknown: SenderReport[] = [];
    for (const { sensor, stats, text } of this.#endpoints.hosts()) {
      if (sensor === undefined && stats.lastSeenUs > 0) unknown.push(reportOf(text, stats, undefined));
    }
    unknown.sort((left, right) => right.lastSeenUs! - left.lastSeenUs!);
    return [...this.#sensors.report(), ...unknown.slice(0, UNKNOWN_REPORTED_MAX)];
  }

  /** How full each bounded memory is. */
  memory(): Readonly<Record<"hosts" | "endpoints" | "exchanges" | "transfers" | "transferBytes", number>> {
    return {
      hosts: this.#endpoints.hostCount,
      endpoints: this.#endpoints.endpointCount,
      exchanges: this.#ring.size,
      transfers: this.#transfers.size,
      transferBytes: this.#transfers.bytes,
    };
  }

  /** Takes one CoAP datagram. `receivedUs` is CLOCK_MONOTONIC. */
  handleDatagram(bytes: Uint8Array, from: Endpoint, receivedUs: number, reply: Reply): void {
    const datagram = this.#datagram;
    const problem = this.#begin(bytes, from, receivedUs, reply);
    const { view, fields } = datagram;
    if (problem === undefined && view.code === CODE_POST) {
      fields.read(view);
      if (fields.badOption < 0 && fields.resource !== RESOURCE_NONE && fields.resource !== RESOURCE_CORE) {
        this.#framePost.handle(datagram);
        return;
      }
    }
    this.#handleOther(datagram, problem);
  }

  /** Takes a plain datagram: one frame, no CoAP, no answer (docs/protocol.md §1.6). */
  handlePlain(bytes: Uint8Array, from: Endpoint, receivedUs: number): void {
    this.counters.datagrams++;
    this.counters.datagramBytes += bytes.length;
    const format = bytes[0] === COSE_MAC0_TAG ? FORMAT_COSE_MAC0 : FORMAT_SENML_CBOR;
    this.#framePost.handlePlain(bytes, format, from, receivedUs);
  }

  /**
   * Takes a datagram that was sent to a multicast group. Only the list of resources is answered, a random while later,
   * and only when there is something to list (RFC 7252 §8.2, RFC 6690 §4.1).
   */
  handleMulticast(bytes: Uint8Array, from: Endpoint, receivedUs: number, reply: Reply): void {
    const datagram = this.#datagram;
    this.counters.multicast++;
    if (this.#begin(bytes, from, receivedUs, reply) !== undefined) return;
    const { view, fields } = datagram;
    if (view.type !== TYPE_NON || view.code !== CODE_GET || this.#leisurely >= LEISURELY_MAX) return;
    fields.read(view);
    if (fields.resource !== RESOURCE_CORE || fields.badOption >= 0 || !acceptsLinks(datagram)) return;
    const parts = corePartsOf(datagram);
    if (typeof parts === "string" || parts.payload === undefined || parts.payload.length === 0) return;
    if (this.#coreBucket.take(CORE_ANSWERS_PER_S, receivedUs) > 0) return;
    const answer = this.#answers.to(datagram);
    this.#leisurely++;
    this.#clock.after(this.#random.float() * LEISURE_MS, () => {
      this.#leisurely--;
      this.#answers.send(answer, CODE_CONTENT, parts, from, reply);
    });
  }

  #begin(bytes: Uint8Array, from: Endpoint, receivedUs: number, reply: Reply): CoapProblem | undefined {
    this.counters.datagrams++;
    this.counters.datagramBytes += bytes.length;
    this.#datagram.set(bytes, from, receivedUs, reply);
    return decodeMessage(bytes, this.#datagram.view);
  }

  /** Everything but a frame that is posted to where frames go. */
  #handleOther(datagram: Datagram, problem: CoapProblem | undefined): void {
    const { view, fields, from, receivedUs, reply } = datagram;
    const kind = classify(view, problem);
    if (kind !== "request") {
      if (problem !== undefined) {
        const detail = describeCoapProblem(problem);
        this.#answers.note({ reason: "malformed", detail }, from.host.stats, receivedUs);
      } else if (kind === "ping") this.counters.pings++;
      else this.counters.ignored++;
      if (kind !== "ignore") this.#answers.sendBytes(resetReply(view), from, reply);
      return;
    }
    if (view.code !== CODE_POST) fields.read(view);
    if (fields.badOption >= 0) {
      const why = {
        reason: "critical-option",
        detail: `Option ${optionName(fields.badOption)} is not understood.`,
      } as const;
      // Such a NON is rejected, and to reject a NON is to ignore it (RFC 7252 §4.3, §5.4.1).
      if (view.type === TYPE_NON) this.#answers.note(why, from.host.stats, receivedUs);
      else this.#answers.refuse(datagram, why, from.host.stats);
    } else if (fields.resource === RESOURCE_NONE) {
      this.#refuse(datagram, "no-resource", "No such resource.");
    } else if (fields.resource !== RESOURCE_CORE) {
      this.#refuse(datagram, "method", "Use POST.");
    } else if (view.code !== CODE_GET) {
      this.#refuse(datagram, "method", "Use GET.");
    } else {
      this.#getCore(datagram);
    }
  }

  #getCore(datagram: Datagram): void {
    if (!acceptsLinks(datagram)) {
      this.#refuse(datagram, "accept", "The list has Content-Format 40.");
      return;
    }
    const retryAfterS = this.#coreBucket.take(CORE_ANSWERS_PER_S, datagram.receivedUs);
    if (retryAfterS > 0) {
      const why = { reason: "rate", detail: "Too many requests for the list.", retryAfterS } as const;
      this.#answers.refuse(datagram, why, datagram.from.host.stats);
      return;
    }
    const parts = corePartsOf(datagram);
    if (typeof parts === "string") this.#refuse(datagram, "block", parts);
    else this.#answers.send(this.#answers.to(datagram), CODE_CONTENT, parts, datagram.from, datagram.reply);
  }

  #refuse(datagram: Datagram, reason: Refusal, detail: string): void {
    this.#answers.refuse(datagram, { reason, detail }, datagram.from.host.stats);
  }
}

function acceptsLinks({ fields }: Datagram): boolean {
  return fields.accept < 0 || fields.accept === FORMAT_LINK;
}

/** A sentence when the request asks for a block that there is not. */
function corePartsOf({ view, fields }: Datagram): AnswerParts | string {
  if (fields.block2 < 0) return coreAnswer(coreList(view), undefined) ?? "No such block.";
  const asked = readBlock(view.bytes, view.optionStarts[fields.block2]!, view.optionLengths[fields.block2]!);
  if (!asked.ok) return asked.detail;
  return coreAnswer(coreList(view), asked.value) ?? "No such block.";
}
