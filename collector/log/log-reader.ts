import { expectAccepted } from "@paddock/base/outcome.ts";
import { decodeHeader } from "@paddock/wire/batch-header.ts";
import type { Ledger } from "../ledger.ts";
import { encodeItems } from "./log-items.ts";
import { renderBatch, renderLoss, type LogFormat, type LogRepresentation, type RenderedLines } from "./log-line.ts";

export interface LogRequest {
  /** Log offset of the first record wanted. */
  readonly from: number;
  /** Lines at most, or batches and losses; undefined for all. */
  readonly limit: number | undefined;
  /** Whether to wait for more at the end of the log. */
  readonly follow: boolean;
  readonly format: LogRepresentation;
}

/** Batches fetched at once: with the largest payloads that is what one reader holds in memory, twice. */
const PAGE_BATCHES = 16;
const PAGE_BYTES = 512 * 1024;

/**
 * The log in arrival order, one piece per batch, or per page of whole batches; what is damaged or lost is a line that says
 * so, so that the lines take every offset. The reader pulls: nothing is read ahead of it, so that a slow one costs a page and a stopped one costs
 * nothing more. Ends at the end of the log, at the limit, or when `signal` aborts. Throws RangeError beyond the log's end.
 */
export async function* readLogLines(ledger: Ledger, request: LogRequest, signal: AbortSignal): AsyncGenerator<Buffer> {
  const { format } = request;
  if (format !== "batches") {
    for await (const { bytes, lines } of readRendered(ledger, { ...request, format }, signal)) {
      if (lines > 0) yield bytes;
    }
    return;
  }
  let next = request.from;
  let left = request.limit ?? Number.POSITIVE_INFINITY;
  while (left > 0 && !signal.aborted) {
    const items = await page(ledger, next, Math.min(left, PAGE_BATCHES));
    const last = items.at(-1);
    const begin = next;
    if (last !== undefined) yield encodeItems(items, (loss) => renderLoss(loss, begin, "cbor").bytes);
    if (last !== undefined) next = last.offset + last.count;
    left -= items.length;
    if (items.length === 0 && !request.follow) return;
    if (items.length === 0) await growth(ledger, next, signal);
  }
}

/** The same as lines, batch by batch, each with the place behind it; of a batch there may be no line to give. */
export async function* readRendered(
  ledger: Ledger,
  request: LogRequest & { readonly format: LogFormat },
  signal: AbortSignal,
): AsyncGenerator<RenderedLines> {
  const { format } = request;
  let next = request.from;
  let left = request.limit ?? Number.POSITIVE_INFINITY;
  while (left > 0 && !signal.aborted) {
    const items = await page(ledger, next, PAGE_BATCHES);
    for (const item of items) {
      const rendered =
        item.lost === undefined
          ? renderBatch({ ...item, decoded: expectAccepted(decodeHeader(item.header)) }, next, left, format)
          : renderLoss(item, next, format);
      next = rendered.nextOffset;
      left -= rendered.lines;
      yield rendered;
      if (left <= 0 || signal.aborted) return;
    }
    if (items.length > 0) continue;
    if (!request.follow) return;
    await growth(ledger, next, signal);
  }
}

async function page(ledger: Ledger, from: number, maxBatches: number) {
  const read = await ledger.readLog(from, { maxBatches, maxBytes: PAGE_BYTES });
  // Whoever asks looks first; a log does not get shorter. To end here would pass for the end of the log.
  if (!read.ok) throw new RangeError(read.detail);
  return read.value;
}

/** Resolves once the log reaches beyond `offset`, or when `signal` aborts. */
export function growth(ledger: Ledger, offset: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stop();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const stop = ledger.onLog(() => {
      if (ledger.logEnd() > offset) done();
    });
    signal.addEventListener("abort", done);
    if (signal.aborted || ledger.logEnd() > offset) done();
  });
}
