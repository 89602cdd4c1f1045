import { printable } from "@paddock/base/printable.ts";
import { decodePartialSuccess, decodeStatusMessage } from "./export-request.ts";
import type { PostAnswer } from "./post.ts";
import type { PushOutcome } from "./push-machine.ts";

/** What OTLP/HTTP lets a client try again. All else would be refused again. */
const RETRYABLE: ReadonlySet<number> = new Set([429, 502, 503, 504]);
/** Of what a receiver says, in a log line. */
const MESSAGE_CHARACTERS_MAX = 300;

/** What an answer means to a client of OTLP/HTTP. */
export function outcomeOf({ status, retryAfter, body }: PostAnswer, nowMs: number): PushOutcome {
  if (status >= 200 && status < 300) {
    const { rejected, message } = decodePartialSuccess(body);
    return { is: "taken", rejected, message: shown(message) };
  }
  const said = shown(decodeStatusMessage(body));
  const message = `it answers ${status}${said === "" ? "" : `: ${said}`}`;
  if (RETRYABLE.has(status)) return { is: "failed", message, retryAfterMs: retryAfterMs(retryAfter, nowMs) };
  return { is: "refused", message: status >= 300 && status < 400 ? `${message}, which is not followed` : message };
}

/** Retry-After (RFC 9110 §10.2.3), seconds or a date, in ms from now; undefined for anything else. */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/u.test(header)) return Number(header) * 1000;
  const at = header.endsWith(" GMT") ? Date.parse(header) : NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}

function shown(message: string): string {
  return printable(message).replaceAll("\n", " ").slice(0, MESSAGE_CHARACTERS_MAX);
}
