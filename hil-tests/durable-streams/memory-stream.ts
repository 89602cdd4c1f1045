import type { StreamChunk, StreamSource } from "@paddock/collector/streams/stream-source.ts";

/** Of what is given at once. */
const CHUNK_BYTES = 64 * 1024;

/** A stream in memory. Its places count bytes, or messages where it is JSON. */
export class MemoryStream implements StreamSource {
  readonly name: string;
  readonly contentType: string;
  readonly #messages: Buffer[] = [];
  #bytes = Buffer.alloc(0);
  readonly #waiting = new Set<() => void>();

  constructor(name: string, contentType: string) {
    this.name = name;
    this.contentType = contentType;
  }

  get #isJson(): boolean {
    return this.contentType === "application/json";
  }

  /** Throws SyntaxError for what is no JSON in a stream of it. */
  append(body: Buffer): void {
    if (this.#isJson) {
      const value = JSON.parse(body.toString("utf8")) as unknown;
      for (const one of Array.isArray(value) ? value : [value]) {
        this.#messages.push(Buffer.from(`${JSON.stringify(one)}\n`));
      }
    } else {
      this.#bytes = Buffer.concat([this.#bytes, body]);
    }
    for (const look of this.#waiting) look();
  }

  end(): number {
    return this.#isJson ? this.#messages.length : this.#bytes.length;
  }

  async read(from: number): Promise<StreamChunk> {
    if (!this.#isJson) {
      const bytes = this.#bytes.subarray(from, from + CHUNK_BYTES);
      return { bytes, next: from + bytes.length };
    }
    let next = from;
    for (let length = 0; next < this.#messages.length && length < CHUNK_BYTES; next++) {
      length += this.#messages[next]!.length;
    }
    return { bytes: Buffer.concat(this.#messages.slice(from, next)), next };
  }

  growth(beyond: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.end() <= beyond && !signal.aborted) return;
        this.#waiting.delete(look);
        signal.removeEventListener("abort", look);
        resolve();
      };
      this.#waiting.add(look);
      signal.addEventListener("abort", look);
      look();
    });
  }
}
