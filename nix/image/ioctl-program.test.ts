import { spawnSync } from "node:child_process";
import { mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { deviceMapperRequests } from "./device-mapper.ts";
import { ioctlProgram } from "./ioctl-program.ts";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "paddock-ioctl-"));
  writeFileSync(join(directory, "ioctl"), ioctlProgram("x64"), { mode: 0o755 });
});
afterAll(() => rmSync(directory, { recursive: true }));

/** How the program ends when it asks `target` for what `request` says. */
function ask(target: string, request: Buffer): number | null {
  writeFileSync(join(directory, "request"), request);
  const stdio = [openSync(target, "r"), "ignore", "ignore", openSync(join(directory, "request"), "r")] as const;
  return spawnSync(join(directory, "ioctl"), { stdio: [...stdio] }).status;
}

const numbered = (request: number): Buffer => {
  const bytes = Buffer.alloc(64);
  bytes.writeUInt32LE(request);
  return bytes;
};
const FIONREAD = 0x541b;
const TCGETS = 0x5401;

test.runIf(process.arch === "x64")("it ends with what the kernel says of its one request", () => {
  expect(ask(directory, numbered(TCGETS))).toBe(constants.errno.ENOTTY);
  expect(ask(join(directory, "ioctl"), numbered(FIONREAD))).toBe(0);
});

test("each program is an ELF file for its processor", () => {
  for (const [arch, machine] of [
    ["x64", 62],
    ["arm64", 183],
  ] as const) {
    const program = ioctlProgram(arch);
    expect(program.subarray(0, 4).toString("latin1")).toBe("\x7fELF");
    expect(program.readUInt16LE(18)).toBe(machine);
    expect(program.length).toBeLessThan(256);
  }
});

test("requests to the device mapper are laid out as linux/dm-ioctl.h has them", () => {
  const { create, load, target, resume } = deviceMapperRequests();
  for (const [request, number] of [
    [create, 3],
    [load, 9],
    [resume, 6],
  ] as const) {
    // _IOWR(0xfd, number, 312 bytes)
    expect(request.readUInt32LE(0)).toBe(0xc1_38_fd_00 + number);
    expect(request.toString("latin1", 8 + 48, 8 + 53)).toBe("root\0");
  }
  // Behind the head: where the target starts, its length in sectors, and at 24 of the target its kind.
  expect(load.length + 4 + target.length - 8).toBe(312 + 40);
  expect(target.toString("latin1", 12, 19)).toBe("verity\0");
});
