import { lookup } from "node:dns";
import type { Agent as HttpAgent, IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { LookupFunction } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { nodeHttp } from "@paddock/base/node-http.ts";
import type { ByteSource } from "./byte-source.ts";

/** A server that sends nothing for so long is given up. */
const SILENCE_MS = 30_000;
/** A server that sends less than this many bytes a second is given up, too: it would never end. */
const SLOWEST_BYTES_PER_S = 1024;
/** Waits between attempts; a path that is lost for a moment comes back. */
const RETRY_AFTER_MS = [1000, 5000, 15_000, 30_000] as const;
const REMEDY_ADDRESS = "Give the address of the file itself, on a server that answers range requests (RFC 9110 §14).";

/** An answer that no attempt mends: the server does not do what is asked, or not what it says. */
class WrongAnswer extends Error {
  readonly remedy: string;

  constructor(message: string, remedy = REMEDY_ADDRESS) {
    super(message);
    this.remedy = remedy;
  }
}

interface Answer {
  readonly bytes: Buffer;
  /** Bytes of the whole resource. */
  readonly total: number;
}

export interface HttpSourceOptions {
  readonly retryAfterMs?: readonly number[];
  readonly silenceMs?: number;
}

/**
 * A resource over HTTP or HTTPS, IPv6 first. Believes nothing about lengths: what is more than was asked for is not taken,
 * redirects are not followed, and a server that hardly sends is given up.
 */
export class HttpSource implements ByteSource {
  readonly name: string;
  readonly #url: URL;
  readonly #options: HttpSourceOptions;
  readonly #agent: HttpAgent | HttpsAgent;
  #total: number | undefined;

  constructor(url: URL, options: HttpSourceOptions = {}) {
    this.name = url.href;
    this.#url = url;
    this.#options = options;
    const keeping = { keepAlive: true, maxSockets: 1 };
    this.#agent = url.protocol === "https:" ? new HttpsAgent(keeping) : new (nodeHttp().Agent)(keeping);
  }

  async size(): Promise<number> {
    this.#total ??= (await this.#range(0, 1)).total;
    return this.#total;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const { bytes, total } = await this.#range(offset, length);
    this.#total ??= total;
    if (total !== this.#total) throw this.#failed(new WrongAnswer(`its length changed to ${total} bytes`));
    if (bytes.length !== length) throw this.#failed(new WrongAnswer(`it ends at byte ${offset + bytes.length}`));
    return bytes;
  }

  /** All of a small resource. Throws UPDATE_SOURCE for one with more than `bytesMax` bytes. */
  async readAll(bytesMax: number): Promise<Uint8Array> {
    const { bytes, total } = await this.#range(0, bytesMax);
    if (total === bytes.length) return bytes;
    throw this.#failed(new WrongAnswer(`it has ${total} bytes, and may have ${bytesMax}`));
  }

  async close(): Promise<void> {
    this.#agent.destroy();
  }

  async #range(offset: number, length: number): Promise<Answer> {
    const waits = this.#options.retryAfterMs ?? RETRY_AFTER_MS;
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#ask(offset, length);
      } catch (error) {
        const wait = waits[attempt];
        if (error instanceof WrongAnswer || isClockTrouble(error) || wait === undefined) throw this.#failed(error);
        await sleep(wait);
      }
    }
  }

  #ask(offset: number, length: number): Promise<Answer> {
    const silenceMs = this.#options.silenceMs ?? SILENCE_MS;
    const request = this.#url.protocol === "https:" ? httpsRequest : nodeHttp().request;
    return new Promise((resolve, reject) => {
      const asked = request(this.#url, {
        agent: this.#agent,
        lookup: ipv6First,
        headers: { range: `bytes=${offset}-${offset + length - 1}`, "accept-encoding": "identity" },
      });
      const fail = (error: Error): void => {
        clearTimeout(deadline);
        reject(error);
        asked.destroy();
      };
      const limitMs = 2 * silenceMs + (length / SLOWEST_BYTES_PER_S) * 1000;
      const deadline = setTimeout(
        () => fail(new Error(`no ${length} bytes in ${Math.round(limitMs / 1000)} s`)),
        limitMs,
      );
      asked.setTimeout(silenceMs, () => fail(new Error(`silent for ${silenceMs / 1000} s`)));
      asked.on("error", fail);
      asked.on("response", (response) => {
        try {
          take(response, { offset, length, fail, done: (answer) => (clearTimeout(deadline), resolve(answer)) });
        } catch (error) {
          fail(error as Error);
        }
      });
      asked.end();
    });
  }

  #failed(error: unknown): PaddockError {
    const remedy =
      error instanceof WrongAnswer
        ? error.remedy
        : isClockTrouble(error)
          ? "This machine's clock is wrong. A release needs no clock, as its signature ends never: use http:// or --file, or set the clock."
          : undefined;
    return new PaddockError("UPDATE_SOURCE", `${this.name}: ${messageOf(error)}.`, { cause: error, remedy });
  }
}

interface Taking {
  readonly offset: number;
  readonly length: number;
  readonly fail: (error: Error) => void;
  readonly done: (answer: Answer) => void;
}

/** Takes the body of an answer, and not a byte more than was asked for. Throws WrongAnswer for what is no such answer. */
function take(response: IncomingMessage, { offset, length, fail, done }: Taking): void {
  const { wanted, total } = announced(response, offset, length);
  const body = Buffer.alloc(wanted);
  let filled = 0;
  response.on("data", (piece: Buffer) => {
    if (filled + piece.length > wanted) {
      fail(new WrongAnswer(`it sends more than the ${wanted} bytes that it announced`));
      return;
    }
    body.set(piece, filled);
    filled += piece.length;
  });
  response.on("error", fail);
  response.on("close", () => {
    if (filled < wanted) fail(new Error(`the connection ended after ${filled} of ${wanted} bytes`));
  });
  response.on("end", () => {
    if (filled === wanted) done({ bytes: body, total });
  });
}

/** How many bytes an answer has, and the whole resource. Throws WrongAnswer; Error for what may be better next time. */
function announced(response: IncomingMessage, offset: number, length: number): { wanted: number; total: number } {
  const { statusCode = 0, headers } = response;
  if (statusCode >= 300 && statusCode < 400)
    throw new WrongAnswer(
      `the server points to ${JSON.stringify(headers.location ?? "nowhere")}, which is not followed`,
    );
  if (statusCode >= 500 || statusCode === 429) throw new Error(`the server answers ${statusCode}`);
  const encoding = headers["content-encoding"];
  if (encoding !== undefined && encoding !== "identity") throw new WrongAnswer(`it comes encoded as ${encoding}`);
  if (statusCode === 200) {
    // A server without ranges may still give a small file whole.
    const total = /^\d{1,15}$/.test(headers["content-length"] ?? "") ? Number(headers["content-length"]) : Infinity;
    if (offset === 0 && total <= length) return { wanted: total, total };
    throw new WrongAnswer("the server sends all of it where a part was asked for");
  }
  if (statusCode !== 206) throw new WrongAnswer(`the server answers ${statusCode}`);
  const range = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(headers["content-range"] ?? "");
  const [first, last, total] = (range?.slice(1) ?? []).map(Number);
  if (first === undefined || last === undefined || total === undefined)
    throw new WrongAnswer("the server does not say which part it sends");
  if (first !== offset || last !== Math.min(offset + length, total) - 1)
    throw new WrongAnswer(
      `asked for bytes ${offset}-${offset + length - 1}, the server sends ${first}-${last} of ${total}`,
    );
  return { wanted: last - first + 1, total };
}

/** Addresses of IPv6 before those of IPv4; the others are tried when the first does not answer. */
const ipv6First: LookupFunction = (hostname, options, callback) =>
  lookup(hostname, { ...options, order: "ipv6first" }, callback as never);

function isClockTrouble(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === "CERT_NOT_YET_VALID" || code === "CERT_HAS_EXPIRED";
}
