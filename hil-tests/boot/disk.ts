import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { open, truncate, writeFile } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";

const exec = promisify(execFile);
const ENVIRONMENT = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin`, MTOOLS_SKIP_CHECK: "1" };
const MIB = 1024 * 1024;

export interface PartitionPlace {
  readonly label: string;
  /** Bytes. */
  readonly start: number;
  readonly size: number;
}

/** Copies a piece of one file into another. */
async function copyBytes(from: Place, to: Place, bytes: number): Promise<void> {
  const source = await open(from.path, "r");
  const target = await open(to.path, "r+");
  const reading = source.createReadStream({ start: from.start, end: from.start + bytes - 1, highWaterMark: MIB });
  await pipeline(reading, target.createWriteStream({ start: to.start }));
}

interface Place {
  readonly path: string;
  readonly start: number;
}

/** A copy of an image as it is on a machine's disk, to be looked at and changed while the machine is off. */
export class Disk {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** An image, or the disk of a machine that is off, as it is. */
  static of(path: string): Disk {
    return new Disk(path);
  }

  /** As a flasher leaves it: the image, and nothing behind it. */
  static async flash(image: string, path: string, sizeMiB = 1024): Promise<Disk> {
    await exec("cp", ["--sparse=always", image, path]);
    await truncate(path, sizeMiB * MIB);
    return new Disk(path);
  }

  /**
   * Installs the release of another image beside the one that is there, as an update does: root and hashes into the empty
   * slots, then the program for the boot loader, with as many tries. Its version has to be another one.
   */
  async installBeside(image: string, version: string, tries = 3): Promise<void> {
    const other = new Disk(image);
    for (const label of [`paddock_${version}`, `paddock_${version}_verity`]) {
      const from = await other.partition(label);
      const table = await this.partitions();
      const number = table.findIndex((one) => one.label === "_empty" && one.size === from.size) + 1;
      if (number === 0) throw new Error(`no empty slot for ${label}`);
      await copyBytes(
        { path: image, start: from.start },
        { path: this.path, start: table[number - 1]!.start },
        from.size,
      );
      await this.#name(number, label);
    }
    const program = `${this.path}.uki`;
    const names = await other.list("esp", "EFI/Linux");
    await writeFile(program, await other.read("esp", `EFI/Linux/${names[0]}`));
    await this.put("esp", `EFI/Linux/paddock_${version}+${tries}.efi`, program);
  }

  /**
   * Leaves what looks like an installed newer release and is noise: the program for the boot loader is that of the release
   * which is there, with another version in its texts, so nothing has to be built for it. Versions have equal lengths.
   */
  async installNoiseBeside(ours: string, version: string, tries = 3): Promise<void> {
    for (const label of [`paddock_${version}`, `paddock_${version}_verity`]) {
      const table = await this.partitions();
      const like = await this.partition(label.replace(version, ours));
      const number = table.findIndex((one) => one.label === "_empty" && one.size === like.size) + 1;
      if (number === 0) throw new Error(`no empty slot for ${label}`);
      await this.#name(number, label);
      await this.fillWithNoise(label);
    }
    const [name] = await this.list("esp", "EFI/Linux");
    const program = (await this.read("esp", `EFI/Linux/${name}`)).toString("latin1");
    const renamed = program
      .replace(`paddock.release=${ours}:`, `paddock.release=${version}:`)
      .replace(`VERSION_ID=${ours}\n`, `VERSION_ID=${version}\n`)
      .replace(`IMAGE_VERSION=${ours}\n`, `IMAGE_VERSION=${version}\n`);
    const file = `${this.path}.uki`;
    await writeFile(file, renamed, "latin1");
    await this.put("esp", `EFI/Linux/paddock_${version}+${tries}.efi`, file);
  }

  /** Partitions in the order of the table. */
  async partitions(): Promise<PartitionPlace[]> {
    const { stdout } = await exec("sfdisk", ["--json", this.path], { env: ENVIRONMENT });
    const { partitiontable } = JSON.parse(stdout) as {
      partitiontable: { sectorsize: number; partitions: { name?: string; start: number; size: number }[] };
    };
    const { sectorsize, partitions } = partitiontable;
    return partitions.map(({ name = "", start, size }) => ({
      label: name,
      start: start * sectorsize,
      size: size * sectorsize,
    }));
  }

  async partition(label: string): Promise<PartitionPlace> {
    const partitions = await this.partitions();
    const found = partitions.find((one) => one.label === label);
    if (found === undefined)
      throw new Error(`no partition ${label}; there are ${partitions.map((one) => one.label).join(", ")}`);
    return found;
  }

  /** Names in a folder of a FAT partition, such as EFI/Linux of esp. */
  async list(label: string, folder = ""): Promise<string[]> {
    const { stdout } = await exec("mdir", ["-b", "-i", await this.#fat(label), `::/${folder}`], { env: ENVIRONMENT });
    const names = stdout.split("\n").filter((line) => line.startsWith("::"));
    return names.map((line) => line.replace(/\/$/, "").split("/").at(-1)!);
  }

  /** Copies a file of this machine into a FAT partition, over whatever has that name. */
  async put(label: string, path: string, file: string): Promise<void> {
    const image = await this.#fat(label);
    const folders = path.split("/").slice(0, -1);
    for (const [index] of folders.entries())
      await exec("mmd", ["-D", "s", "-i", image, `::/${folders.slice(0, index + 1).join("/")}`], {
        env: ENVIRONMENT,
      }).catch(() => {});
    await exec("mcopy", ["-o", "-i", image, file, `::/${path}`], { env: ENVIRONMENT });
  }

  /** The content of a file of a FAT partition. Rejects when there is none. */
  async read(label: string, path: string): Promise<Buffer> {
    const { stdout } = await exec("mtype", ["-i", await this.#fat(label), `::/${path}`], {
      env: ENVIRONMENT,
      encoding: "buffer",
      maxBuffer: 64 * MIB,
    });
    return stdout;
  }

  async remove(label: string, path: string): Promise<void> {
    await exec("mdel", ["-i", await this.#fat(label), `::/${path}`], { env: ENVIRONMENT });
  }

  async rename(label: string, from: string, to: string): Promise<void> {
    await exec("mren", ["-i", await this.#fat(label), `::/${from}`, `::/${to}`], { env: ENVIRONMENT });
  }

  /** Overwrites bytes of a partition, from `offset` on. */
  async write(label: string, offset: number, bytes: Uint8Array): Promise<void> {
    const { start, size } = await this.partition(label);
    if (offset + bytes.length > size) throw new Error(`${label} has ${size} bytes only`);
    const file = await open(this.path, "r+");
    try {
      await file.write(bytes, 0, bytes.length, start + offset);
    } finally {
      await file.close();
    }
  }

  /** Bytes of a partition, from `offset` on. */
  async bytes(label: string, offset: number, length: number): Promise<Buffer> {
    const { start } = await this.partition(label);
    const file = await open(this.path, "r");
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, start + offset);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  }

  /** Whether the bytes of this text are anywhere on the disk, whatever lies there. */
  async holds(text: string): Promise<boolean> {
    const needle = Buffer.from(text);
    const file = await open(this.path, "r");
    try {
      let rest = Buffer.alloc(0);
      for await (const piece of file.createReadStream({ highWaterMark: MIB, autoClose: false })) {
        const here = Buffer.concat([rest, piece as Buffer]);
        if (here.includes(needle)) return true;
        rest = Buffer.from(here.subarray(-needle.length + 1));
      }
      return false;
    } finally {
      await file.close();
    }
  }

  /** Adds a data partition as images before encryption made it, over the rest of the disk. */
  async addPlainData(): Promise<void> {
    await exec(
      "sh",
      ["-c", 'echo "name=data" | sfdisk --quiet --append --no-reread --no-tell-kernel "$1"', "sh", this.path],
      {
        env: ENVIRONMENT,
      },
    );
    const { start, size } = await this.partition("data");
    const args = ["-q", "-F", "-L", "data", "-E", `offset=${start}`, this.path, `${size / 1024}k`];
    await exec("mkfs.ext4", args, { env: ENVIRONMENT });
  }

  /** Turns over one bit of a partition. */
  async flipBit(label: string, offset: number): Promise<void> {
    const { start } = await this.partition(label);
    const file = await open(this.path, "r+");
    try {
      const byte = Buffer.alloc(1);
      await file.read(byte, 0, 1, start + offset);
      byte[0]! ^= 1;
      await file.write(byte, 0, 1, start + offset);
    } finally {
      await file.close();
    }
  }

  /** Fills the begin of a partition with noise. */
  async fillWithNoise(label: string, bytes = MIB): Promise<void> {
    await this.write(label, 0, randomBytes(bytes));
  }

  async #name(number: number, label: string): Promise<void> {
    const args = ["--no-tell-kernel", "--part-label", this.path, String(number), label];
    await exec("sfdisk", args, { env: ENVIRONMENT });
  }

  async #fat(label: string): Promise<string> {
    return `${this.path}@@${(await this.partition(label)).start}`;
  }
}
