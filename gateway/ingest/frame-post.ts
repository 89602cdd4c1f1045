import { readBlock, type Block } from "@paddock/wire/coap-block.ts";
import { CODE_CHANGED, CODE_CONTINUE, CODE_SERVICE_UNAVAILABLE, TYPE_CON } from "@paddock/wire/coap-codes.ts";
import type { CoapView } from "@paddock/wire/coap-message.ts";
import { OPTION_REQUEST_TAG, OPTION_URI_PATH, OPTION_URI_QUERY } from "@paddock/wire/coap-options.ts";
import { laneName, type Lane } from "@paddock/wire/lanes.ts";
import { pressureText, type Admission } from "./admission.ts";
import type { Answers } from "./answers.ts";
import type { BlockTransfers } from "./block-transfers.ts";
import type { ContentHash } from "./content-hash.ts";
import type { Datagram } from "./datagram.ts";
import { PENDING, type DuplicateRing } from "./duplicate-ring.ts";
import type { Endpoint } from "./endpoints.ts";
import { isSuppressed } from "./exchange.ts";
import type { Committed, FrameNote, NoteBook } from "../commit/frame-sink.ts";
import { RESOURCE_LWM2M } from "./request.ts";
import type { IngestCounters } from "./stats.ts";

export interface FramePostParts {
  readonly admission: Admission;
  readonly answers: Answers;
  readonly ring: DuplicateRing;
  readonly transfers: BlockTransfers;
  readonly hash: ContentHash;
  readonly counters: IngestCounters;
  /** Where the messages are noted whose copies may come after a restart. */
  readonly notes: NoteBook;
  /** Frames per second for senders without a rate of their own; 0 for no limit. */
  readonly rateFramesPerS: number;
}

/** Requests that hand in a frame: copies, blocks, checks, and the answer when the frame is durable. */
export class FramePost {
  readonly #admission: Admission;
  readonly #answers: Answers;
  readonly #ring: DuplicateRing;
  readonly #transfers: BlockTransfers;
  readonly #hash: ContentHash;
  readonly #counters: IngestCounters;
  readonly #rateFramesPerS: number;
  readonly #context: {
    format: number;
    lane: Lane | -1;
    lwm2m: boolean;
    from: Endpoint;
    receivedUs: number;
    note: FrameNote | undefined;
  };
  /** Of a message that is sent again for want of an answer. */
  readonly #note: { low: number; high: number; readonly book: NoteBook };
  /** The ring's key and time of the message in hand. */
  #low = 0;
  #high = 0;
  #nowS = 0;

  constructor(parts: FramePostParts, nobody: Endpoint) {
    this.#admission = parts.admission;
    this.#answers = parts.answers;
    this.#ring = parts.ring;
    this.#transfers = parts.transfers;
    this.#hash = parts.hash;
    this.#counters = parts.counters;
    this.#rateFramesPerS = parts.rateFramesPerS;
    this.#context = { format: 0, lane: -1, lwm2m: false, from: nobody, receivedUs: 0, note: undefined };
    this.#note = { low: 0, high: 0, book: parts.notes };
  }

  /** Takes a POST to a resource for frames; its options were read and are all understood. */
  handle(datagram: Datagram): void {
    const { bytes, from, receivedUs, view, fields } = datagram;
    this.#nowS = Math.floor(receivedUs / 1_000_000);
    this.#hash.of(bytes, from.keyLow, from.keyHigh);
    this.#low = this.#hash.low;
    this.#high = this.#hash.high;
    const earlier = this.#ring.find(this.#low, this.#high, this.#nowS);
    if (earlier !== 0) {
      from.host.stats.duplicates++;
      from.host.stats.lastSeenUs = receivedUs;
      this.#counters.duplicates++;
      this.#answerCopy(datagram, earlier);
      return;
    }
    this.#setContext(fields.contentFormat, fields.lane, fields.resource === RESOURCE_LWM2M, from, receivedUs);
    if (!this.#admission.allows(fields.contentFormat, from)) this.#refuse(datagram);
    else if (fields.block1 >= 0) this.#takeBlock(datagram);
    else if (this.#withinRate(from, receivedUs)) this.#takeFrame(datagram, bytes.subarray(view.payloadStart));
    else this.#refuse(datagram);
  }

  /** Takes a frame that came without CoAP, so nobody is answered. */
  handlePlain(frame: Uint8Array, format: number, from: Endpoint, receivedUs: number): void {
    const admission = this.#admission;
    this.#setContext(format, -1, false, from, receivedUs);
    if (admission.allows(format, from) && this.#withinRate(from, receivedUs)) {
      const checked = admission.check(frame, this.#context);
      if (checked === "stored" || checked === "pending") {
        this.#countSequenceDuplicate(receivedUs);
        return;
      }
      if (checked === "valid" && admission.submit(frame, this.#context, undefined, false)) {
        this.#countAccepted(frame.length);
        return;
      }
    }
    this.#answers.note(admission, admission.stats, receivedUs);
  }

  #setContext(format: number, lane: Lane | -1, lwm2m: boolean, from: Endpoint, receivedUs: number): void {
    const context = this.#context;
    context.format = format;
    context.lane = lane;
    context.lwm2m = lwm2m;
    context.from = from;
    context.receivedUs = receivedUs;
    context.note = undefined;
  }

  /** The same answer as before; a copy of what is not decided yet gets none, because the first one's answer will come. */
  #answerCopy(datagram: Datagram, ticket: number): void {
    const code = this.#ring.codeOf(ticket);
    if (code === PENDING) return;
    const block1 = blockOf(datagram);
    this.#answers.send(this.#answers.to(datagram, block1), code, undefined, datagram.from, datagram.reply);
  }

  #withinRate(from: Endpoint, receivedUs: number): boolean {
    const { sensor, bucket } = from.host;
    const unkeyed = sensor !== undefined && sensor.key === undefined && sensor.framesPerS > 0;
    const framesPerS = unkeyed ? sensor.framesPerS : this.#rateFramesPerS;
    if (framesPerS === 0) return true;
    const waitS = (unkeyed ? sensor.bucket : bucket).take(framesPerS, receivedUs);
    return waitS === 0 || this.#admission.refuseRate(waitS);
  }

  #takeFrame(datagram: Datagram, frame: Uint8Array, block1?: Block, transfer?: string): void {
    const admission = this.#admission;
    const checked = admission.check(frame, this.#context);
    if (checked === "refused") {
      if (transfer !== undefined) this.#transfers.drop(transfer);
      this.#refuse(datagram);
      return;
    }
    if (checked !== "valid") {
      if (transfer !== undefined) this.#transfers.drop(transfer);
      this.#countSequenceDuplicate(datagram.receivedUs);
      // A copy beyond the bound is left without an answer, as if it were lost: those that wait get theirs.
      if (checked === "pending" && !admission.mayAwait) return;
      const committed = this.#whenCommitted(datagram, 0, block1, transfer);
      if (checked === "pending") admission.await(committed);
      else committed(undefined);
      return;
    }
    const ticket = this.#ring.add(this.#low, this.#high, this.#nowS);
    const waits = datagram.view.type === TYPE_CON || transfer !== undefined || wantsAnswer(datagram.fields.noResponse);
    if (datagram.view.type === TYPE_CON) {
      this.#note.low = this.#low;
      this.#note.high = this.#high;
      this.#context.note = this.#note;
    }
    const committed = waits ? this.#whenCommitted(datagram, ticket, block1, transfer) : this.#forgetUnless(ticket);
    if (!admission.submit(frame, this.#context, committed, waits)) {
      this.#ring.forget(ticket);
      if (transfer !== undefined) this.#transfers.keepLast(transfer);
      this.#refuse(datagram);
      return;
    }
    if (transfer !== undefined) this.#transfers.finish(transfer, ticket);
    this.#countAccepted(frame.length);
  }

  #takeBlock(datagram: Datagram): void {
    const { view, fields, from, receivedUs } = datagram;
    const stats = from.host.stats;
    const start = view.optionStarts[fields.block1]!;
    const read = readBlock(view.bytes, start, view.optionLengths[fields.block1]!);
    if (!read.ok) {
      this.#answers.refuse(datagram, { reason: "block", detail: read.detail }, stats);
      return;
    }
    const block = read.value;
    // One frame is one body, however many blocks it has.
    if (block.num === 0 && !this.#withinRate(from, receivedUs)) {
      this.#refuse(datagram);
      return;
    }
    const key = transferKey(view, from, fields.contentFormat);
    const result = this.#transfers.take(key, block, view.bytes.subarray(view.payloadStart), fields.size1, this.#nowS);
    switch (result.kind) {
      case "continue": {
        this.#counters.blocks++;
        stats.lastSeenUs = receivedUs;
        this.#ring.settle(this.#ring.add(this.#low, this.#high, this.#nowS), CODE_CONTINUE);
        this.#answers.send(this.#answers.to(datagram, block), CODE_CONTINUE, undefined, from, datagram.reply);
        return;
      }
      case "complete":
        this.#takeFrame(datagram, result.body, block, key);
        return;
      case "repeated":
        stats.duplicates++;
        this.#counters.duplicates++;
        this.#answerCopy(datagram, result.ticket);
        return;
      case "missing":
        this.#answers.refuse(datagram, { reason: "block-missing", detail: result.detail }, stats);
        return;
      case "too-large":
        this.#answers.refuse(datagram, { reason: "too-large", detail: "The body is too large." }, stats);
        return;
      case "bad":
        this.#answers.refuse(datagram, { reason: "block", detail: result.detail }, stats);
    }
  }

  /** What happens when the write is done: the answer, and what a retransmission will be told. */
  #whenCommitted(
    datagram: Datagram,
    ticket: number,
    block1: Block | undefined,
    transfer: string | undefined,
  ): Committed {
    const { from, reply } = datagram;
    const { stats } = this.#admission;
    const answer = this.#answers.to(datagram, block1);
    return (failure) => {
      if (failure === undefined) {
        this.#ring.settle(ticket, CODE_CHANGED);
        this.#answers.send(answer, CODE_CHANGED, undefined, from, reply);
        return;
      }
      this.#ring.forget(ticket);
      if (transfer !== undefined) this.#transfers.abandon(transfer, ticket);
      this.#counters.commitFailed++;
      this.#admission.refusePressure(failure);
      stats.refused("pressure", this.#admission.detail);
      this.#answers.sendRefusal(answer, this.#admission, from, reply);
    };
  }

  /** Nobody is told of a failed write, but the copy of a frame that is not stored must be a new try. */
  #forgetUnless(ticket: number): Committed {
    const { stats } = this.#admission;
    return (failure) => {
      if (failure === undefined) return;
      this.#ring.forget(ticket);
      this.#counters.commitFailed++;
      stats.refused("pressure", pressureText(failure));
    };
  }

  /** Answers with the admission's refusal. */
  #refuse(datagram: Datagram): void {
    this.#answers.refuse(datagram, this.#admission, this.#admission.stats);
  }

  #countAccepted(bytes: number): void {
    this.#counters.accepted[laneName(this.#admission.lane)]++;
    this.#counters.acceptedBytes += bytes;
  }

  #countSequenceDuplicate(receivedUs: number): void {
    this.#counters.sequenceDuplicates++;
    this.#admission.stats.duplicates++;
    this.#admission.stats.lastSeenUs = receivedUs;
  }
}

/** A NON whose success and failure are both left out has nobody who waits for the write. */
function wantsAnswer(noResponse: number): boolean {
  return !isSuppressed(noResponse, CODE_CHANGED) || !isSuppressed(noResponse, CODE_SERVICE_UNAVAILABLE);
}

function blockOf({ view, fields }: Datagram): Block | undefined {
  if (fields.block1 < 0) return undefined;
  const read = readBlock(view.bytes, view.optionStarts[fields.block1]!, view.optionLengths[fields.block1]!);
  return read.ok ? read.value : undefined;
}

/** Endpoint, Uri-Path, Uri-Query and Request-Tag (RFC 9175 §3.3), and the Content-Format, which must not change midway. */
function transferKey(view: CoapView, from: Endpoint, format: number): string {
  let key = `${from.keyLow},${from.keyHigh},${format}`;
  for (let index = 0; index < view.optionCount; index++) {
    const number = view.optionNumbers[index]!;
    if (number !== OPTION_URI_PATH && number !== OPTION_URI_QUERY && number !== OPTION_REQUEST_TAG) continue;
    const start = view.optionStarts[index]!;
    const value = Buffer.from(view.bytes.buffer, view.bytes.byteOffset + start, view.optionLengths[index]);
    key += `,${number}:${value.toString("hex")}`;
  }
  return key;
}
