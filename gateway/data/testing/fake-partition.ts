import { createHash } from "node:crypto";
import { HEAD_BYTES, type SealedKey } from "@paddock/wire/key-slot.ts";
import { PaddockError } from "@paddock/base/errors.ts";
import type { DestroyPorts } from "../destroy-key.ts";
import type { DataPorts, KeyKeeper } from "../open-data.ts";

/** A loss of power. */
export class PowerCut extends Error {}

/** A TPM that knows what it sealed until it is cleared. */
export class FakeTpm implements KeyKeeper {
  #seed = 1;
  readonly #name: string;

  constructor(name = "tpm") {
    this.#name = name;
  }

  seal(key: Uint8Array): Promise<SealedKey> {
    return Promise.resolve({ publicArea: Buffer.from(this.#mark()), privateArea: this.#mask(key) });
  }

  unseal({ publicArea, privateArea }: SealedKey): Promise<Buffer> {
    if (publicArea.toString() !== this.#mark())
      return Promise.reject(new PaddockError("TPM_REFUSED", "TPM2_Load: 0x1df."));
    return Promise.resolve(this.#mask(privateArea));
  }

  clear(): Promise<void> {
    this.#seed++;
    return Promise.resolve();
  }

  #mark(): string {
    return `${this.#name} ${this.#seed}`;
  }

  #mask(bytes: Uint8Array): Buffer {
    const mask = createHash("sha512").update(this.#mark()).digest();
    return Buffer.from(bytes.map((byte, index) => byte ^ mask[index % mask.length]!));
  }
}

/** A data partition of which every step can be the last one before the power goes. */
export class FakePartition {
  readonly bytes = 64 * 1024 * 1024;
  readonly raw: Buffer;
  /** What device-mapper was told; a start begins without. */
  mapped: string | undefined;
  /** Table that the file system was made behind. */
  formattedAs: string | undefined;
  readonly told: string[] = [];
  tpm: FakeTpm | undefined;
  keys = 0;
  discardable = true;
  #stepsLeft = Infinity;

  constructor(head: Uint8Array, tpm?: FakeTpm) {
    this.raw = Buffer.alloc(HEAD_BYTES);
    this.raw.set(head);
    this.tpm = tpm;
  }

  /** The next start, which has power for so many steps. */
  start(steps = Infinity): DataPorts & DestroyPorts {
    this.mapped = undefined;
    this.#stepsLeft = steps;
    return {
      path: "/dev/data",
      bytes: this.bytes,
      head: () => Promise.resolve(Buffer.from(this.raw)),
      write: (bytes, at) => {
        // A disk writes sectors of 512 bytes, each as a whole.
        for (let done = 0; done < bytes.length; done += 512)
          this.#take(() => this.raw.set(bytes.subarray(done, done + 512), at + done), 1 / 16);
        return Promise.resolve();
      },
      tpm: () => Promise.resolve(this.tpm),
      random: (bytes) => Buffer.alloc(bytes, ++this.keys),
      map: (table) => this.#step(() => (this.mapped = table)),
      unmap: () => this.#step(() => (this.mapped = undefined)),
      format: () => this.#step(() => (this.formattedAs = this.mapped)),
      clearTpm: () => this.#step(() => void this.tpm?.clear()),
      discard: () =>
        this.discardable ? this.#step(() => this.raw.fill(0)) : Promise.reject(new Error("Operation not supported")),
      eraseAll: () => this.#step(() => this.raw.fill(0)),
      tell: (line) => this.told.push(line),
    };
  }

  #step(change: () => void): Promise<void> {
    this.#take(change, 1);
    return Promise.resolve();
  }

  #take(change: () => void, cost: number): void {
    if (this.#stepsLeft <= 0) throw new PowerCut("no more power");
    this.#stepsLeft -= cost;
    change();
  }
}
