import { execFile } from "node:child_process";
import { once } from "node:events";
import { truncate, writeFile } from "node:fs/promises";
import { createConnection } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { eventually } from "../lab/namespaces.ts";
import type { MachineOptions } from "./machine.ts";

const exec = promisify(execFile);
const ENVIRONMENT = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin`, MTOOLS_SKIP_CHECK: "1" };
const STICK_BYTES = 192 * 1024 * 1024;
/** What the emulator says when it waits for a command. */
const PROMPT = "(qemu) ";

/** A USB port of a machine, and sticks to plug into it. */
export class UsbPort {
  readonly #directory: string;
  #count = 0;

  /** `directory`: of the site. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** What a machine needs for it. */
  get machine(): Pick<MachineOptions, "more"> {
    return { more: ["-device", "qemu-xhci,id=usb", "-monitor", `unix:${this.#monitor},server=on,wait=off`] };
  }

  /** Formats a stick with these files, by their names on it. Resolves with the file that stands for it. */
  async format(files: Readonly<Record<string, string>>, label = "PADDOCK"): Promise<string> {
    const path = join(this.#directory, `stick-${++this.#count}.img`);
    await writeFile(path, "");
    await truncate(path, STICK_BYTES);
    await exec("mkfs.vfat", ["-n", label, path], { env: ENVIRONMENT });
    for (const [name, from] of Object.entries(files))
      await exec("mcopy", ["-i", path, from, `::/${name}`], { env: ENVIRONMENT });
    return path;
  }

  /** Plugs a stick in. Resolves with what pulls it. */
  async plug(stick: string): Promise<() => Promise<void>> {
    const number = ++this.#count;
    await this.#command(`drive_add 0 if=none,id=drive${number},format=raw,readonly=on,file=${stick}`);
    await this.#command(`device_add usb-storage,id=stick${number},bus=usb.0,drive=drive${number}`);
    return () => this.#command(`device_del stick${number}`);
  }

  get #monitor(): string {
    return join(this.#directory, "monitor.sock");
  }

  /** Rejects with what the emulator says against it. */
  async #command(command: string): Promise<void> {
    const socket = createConnection(this.#monitor);
    let said = "";
    socket.on("data", (bytes: Buffer) => (said += bytes.toString("utf8")));
    await once(socket, "connect");
    try {
      await eventually("the emulator's monitor", () => said.endsWith(PROMPT));
      said = "";
      socket.write(`${command}\n`);
      await eventually(`the end of ${command}`, () => said.endsWith(PROMPT));
    } finally {
      socket.destroy();
    }
    if (/\bError\b|could not|not found/iu.test(said)) throw new Error(`${command}: ${said}`);
  }
}
