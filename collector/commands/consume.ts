import type { IncomingMessage } from "node:http";
import { ask } from "../operator/operator-client.ts";
import { wroteOut } from "./standard-output.ts";

/** What is written out at once, and the log offset behind it. */
export interface Piece {
  readonly text: string;
  readonly nextOffset: number;
}

/** Moves the consumer at most this often while lines keep coming. */
const ADVANCE_MS = 1000;

/**
 * Writes lines out and moves the consumer behind them: whoever is cut off reads the last second again, and misses nothing.
 * SIGINT and SIGTERM end it with its place behind the last line; the next one ends it at once.
 */
export async function consume(
  socket: string,
  consumer: string,
  answer: IncomingMessage,
  pieces: AsyncIterable<Piece>,
): Promise<void> {
  let written: number | undefined;
  const advance = async (): Promise<void> => {
    if (written === undefined) return;
    const offset = written;
    written = undefined;
    await ask(socket, { method: "PUT", path: `/v1/consumers/${encodeURIComponent(consumer)}`, body: { offset } });
  };
  let failure: unknown;
  const timer = setInterval(() => void advance().catch((error: unknown) => (failure ??= error)), ADVANCE_MS);
  let isEnding = false;
  const end = (): void => {
    isEnding = true;
    answer.destroy();
  };
  for (const signal of SIGNALS) process.once(signal, end);
  try {
    for await (const { text, nextOffset } of pieces) {
      if (text !== "" && !(await wroteOut(text))) break;
      written = nextOffset;
      if (failure !== undefined) throw failure;
    }
  } catch (error) {
    if (!isEnding) throw error;
  } finally {
    clearInterval(timer);
    answer.destroy();
    // Also behind a cut: what was written out is not read again.
    await advance();
    for (const signal of SIGNALS) process.off(signal, end);
  }
}

const SIGNALS = ["SIGINT", "SIGTERM"] as const;
