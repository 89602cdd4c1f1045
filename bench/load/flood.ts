import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface FloodOptions {
  readonly kind: "non" | "con";
  readonly port: number;
  /** Messages per second; or, for CON, `outstanding` for a closed loop. */
  readonly rate?: number;
  readonly outstanding?: number;
  readonly seconds: number;
  /** Sequence number of the first frame. */
  readonly first?: number;
  readonly flows?: number;
  /** Ends the sending early when it resolves; what was sent until then is reported as always. */
  readonly until?: Promise<unknown>;
}

export interface FloodReport {
  readonly sent: number;
  readonly answered: number;
  readonly refused: number;
  readonly lost: number;
  readonly seconds: number;
  readonly messageBytes: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
}

/** The load generator: compiled C where there is a compiler, else the same in JavaScript, which is the limit then. */
export class Flood {
  readonly native: boolean;
  readonly #command: readonly [string, ...string[]];

  private constructor(native: boolean, command: readonly [string, ...string[]]) {
    this.native = native;
    this.#command = command;
  }

  /** Compiles into the directory. */
  static async make(directory: string): Promise<Flood> {
    const program = join(directory, "flood");
    const source = join(import.meta.dirname, "../native/flood.c");
    for (const compiler of [process.env["CC"], "cc", "gcc", "clang"]) {
      if (compiler === undefined) continue;
      try {
        await run(compiler, ["-O2", "-o", program, source]);
        return new Flood(true, [program]);
      } catch {
        // The next one, or none.
      }
    }
    return new Flood(false, [process.execPath, join(import.meta.dirname, "flood-in-node.ts")]);
  }

  async send({ kind, port, seconds, until, ...options }: FloodOptions): Promise<FloodReport> {
    const [file, ...before] = this.#command;
    const args = [...before, kind, String(port), "--seconds", String(seconds)];
    for (const [name, value] of Object.entries(options)) args.push(`--${name}`, String(value));
    const running = run(file, args);
    void until?.then(() => running.child.kill("SIGTERM"));
    const { stdout } = await running;
    return JSON.parse(stdout) as FloodReport;
  }
}

/** Where the generator puts its numbers in a frame of 100 bytes. */
const SEQUENCE_AT = 33;
const TIME_AT = 44;
export const FRAME_BYTES = 100;

/** Sequence number and time of sending in Unix µs; undefined for a frame that is not the generator's. */
export function stampOf(frame: Buffer): { sequence: number; sentUs: number } | undefined {
  if (frame.length !== FRAME_BYTES) return undefined;
  return { sequence: frame.readUInt32BE(SEQUENCE_AT), sentUs: Number(frame.readBigUInt64BE(TIME_AT)) };
}
