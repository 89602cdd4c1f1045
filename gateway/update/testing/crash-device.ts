import type { BlockDisk, BootFiles } from "../ports.ts";

const SECTOR = 512;
const PAGE = 64 * 1024;

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

/**
 * A disk that forgets any of the sectors that were written since the last sync when the power goes. Many can begin with the
 * same content: each copies the pages that it writes to.
 */
export class CrashDisk implements BlockDisk {
  power = new Power();
  readonly bytes: number;
  readonly #pages: Buffer[] = [];
  readonly #written = new Set<number>();
  /** What is durable of the sectors that were written since the last sync, by where they begin. */
  readonly #before = new Map<number, Buffer>();

  /** Bytes of `content`: whole sectors. It may not change any more. */
  constructor(content: Buffer) {
    this.bytes = content.length;
    for (let at = 0; at < content.length; at += PAGE) this.#pages.push(content.subarray(at, at + PAGE));
  }

  async read(offset: number, length: number): Promise<Buffer> {
    if (offset + length > this.bytes) throw new RangeError("behind the end of the disk");
    const from = Math.floor(offset / PAGE);
    const pages = this.#pages.slice(from, Math.ceil((offset + length) / PAGE));
    const at = offset - from * PAGE;
    return pages.length === 1
      ? Buffer.from(pages[0]!.subarray(at, at + length))
      : Buffer.concat(pages).subarray(at, at + length);
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.power.change();
    const end = offset + bytes.length;
    if (end > this.bytes) throw new RangeError("behind the end of the disk");
    for (let at = offset; at < end;) {
      const sector = at - (at % SECTOR);
      const next = Math.min(sector + SECTOR, end);
      if (!this.#before.has(sector)) this.#before.set(sector, this.#sector(sector));
      this.#put(bytes.subarray(at - offset, next - offset), at);
      at = next;
    }
  }

  async sync(): Promise<void> {
    this.power.change();
    this.#before.clear();
  }

  /** What is there when the power is back. */
  restart(chance: Chance): void {
    for (const [at, before] of this.#before) if (chance() >= 0.5) this.#put(before, at);
    this.#before.clear();
    this.power = new Power();
  }

  /** Within one sector. */
  #put(bytes: Uint8Array, at: number): void {
    const index = Math.floor(at / PAGE);
    if (!this.#written.has(index)) {
      this.#pages[index] = Buffer.from(this.#pages[index]!);
      this.#written.add(index);
    }
    this.#pages[index]!.set(bytes, at % PAGE);
  }

  #sector(at: number): Buffer {
    return Buffer.from(this.#pages[Math.floor(at / PAGE)]!.subarray(at % PAGE, (at % PAGE) + SECTOR));
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
