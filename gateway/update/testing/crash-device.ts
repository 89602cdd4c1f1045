import type { BlockDisk, BootFiles } from "../ports.ts";

const SECTOR = 512;

/** Thrown at the moment when the power goes, and at everything after it. */
export class PowerCut extends Error {}

/** Chance, as a function that answers 0 up to but not including 1. */
export type Chance = () => number;

/** Counts what changes something, and cuts the power before the change of a given number. */
export class Power {
  changes = 0;
  readonly #cutAt: number;

  constructor(cutAt = Infinity) {
    this.#cutAt = cutAt;
  }

  change(): void {
    if (this.changes >= this.#cutAt) throw new PowerCut("no power");
    this.changes++;
  }
}

/** A disk that forgets any of the sectors that were written since the last sync when the power goes. */
export class CrashDisk implements BlockDisk {
  power = new Power();
  readonly #durable: Buffer;
  #now: Buffer;
  readonly #unsynced = new Set<number>();

  constructor(content: Buffer) {
    this.#durable = Buffer.from(content);
    this.#now = Buffer.from(content);
  }

  get bytes(): number {
    return this.#now.length;
  }

  async read(offset: number, length: number): Promise<Buffer> {
    if (offset + length > this.bytes) throw new RangeError("behind the end of the disk");
    return Buffer.from(this.#now.subarray(offset, offset + length));
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.power.change();
    if (offset + bytes.length > this.bytes) throw new RangeError("behind the end of the disk");
    this.#now.set(bytes, offset);
    for (let at = offset - (offset % SECTOR); at < offset + bytes.length; at += SECTOR) this.#unsynced.add(at);
  }

  async sync(): Promise<void> {
    this.power.change();
    for (const at of this.#unsynced) this.#copySector(at);
    this.#unsynced.clear();
  }

  /** What is there when the power is back. */
  restart(chance: Chance): void {
    for (const at of this.#unsynced) if (chance() < 0.5) this.#copySector(at);
    this.#unsynced.clear();
    this.#now = Buffer.from(this.#durable);
    this.power = new Power();
  }

  #copySector(at: number): void {
    this.#durable.set(this.#now.subarray(at, at + SECTOR), at);
  }
}

/**
 * A folder of files that forgets any of the changes since the last sync when the power goes: each name may be as it was, or
 * as it became; a file that was being written may have any part of it.
 */
export class CrashFolder implements BootFiles {
  power = new Power();
  /** Bytes of all files together. */
  capacity = Infinity;
  #durable = new Map<string, Buffer>();
  #now = new Map<string, Buffer>();
  #touched = new Set<string>();
  /** Contents that no sync has made durable, whatever their names are by now. */
  #unwritten = new Set<Buffer>();

  constructor(files: Readonly<Record<string, Buffer>>) {
    for (const [name, content] of Object.entries(files)) this.#now.set(name, content);
    this.#durable = new Map(this.#now);
  }

  get files(): ReadonlyMap<string, Buffer> {
    return this.#now;
  }

  async list(): Promise<{ name: string; bytes: number }[]> {
    return [...this.#now].map(([name, { length }]) => ({ name, bytes: length }));
  }

  async room(): Promise<number> {
    return this.capacity - [...this.#now.values()].reduce((sum, { length }) => sum + length, 0);
  }

  async read(name: string, offset: number, length: number): Promise<Buffer> {
    const file = this.#now.get(name);
    if (file === undefined || offset + length > file.length) throw new RangeError(`behind the end of ${name}`);
    return Buffer.from(file.subarray(offset, offset + length));
  }

  async write(name: string, pieces: AsyncIterable<Uint8Array>): Promise<void> {
    this.#set(name, Buffer.alloc(0));
    for await (const piece of pieces) this.#set(name, Buffer.concat([this.#now.get(name)!, piece]));
  }

  async rename(from: string, to: string): Promise<void> {
    this.power.change();
    const file = this.#now.get(from);
    if (file === undefined) throw new RangeError(`no file ${from}`);
    this.#now.delete(from);
    this.#now.set(to, file);
    this.#touched.add(from).add(to);
  }

  async remove(name: string): Promise<void> {
    this.power.change();
    this.#now.delete(name);
    this.#touched.add(name);
  }

  async sync(): Promise<void> {
    this.power.change();
    this.#durable = new Map(this.#now);
    this.#touched.clear();
    this.#unwritten.clear();
  }

  /** What is there when the power is back. */
  restart(chance: Chance): void {
    for (const name of this.#touched) {
      if (chance() < 0.5) continue;
      const file = this.#now.get(name);
      if (file === undefined) this.#durable.delete(name);
      else this.#durable.set(name, this.#unwritten.has(file) && chance() < 0.5 ? Buffer.alloc(file.length) : file);
    }
    this.#touched.clear();
    this.#unwritten.clear();
    this.#now = new Map(this.#durable);
    this.power = new Power();
  }

  #set(name: string, content: Buffer): void {
    this.power.change();
    this.#now.set(name, content);
    this.#touched.add(name);
    this.#unwritten.add(content);
  }
}
