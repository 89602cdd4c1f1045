import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { generateIdentity } from "@paddock/wire/identity.ts";
import { manifestHash } from "@paddock/wire/release/manifest.ts";
import { applyRelease } from "./apply.ts";
import { DeviceDisk } from "./device-disk.ts";
import { readSlots } from "./slots.ts";
import { NO_STATE, readState, writeState } from "./state.ts";
import { makeRelease, type ReleaseFixture } from "./testing/release-fixture.ts";
import { applyOptions, makeDevice, nextRelease, type TestDevice } from "./testing/test-device.ts";

let device: TestDevice;
let next: ReleaseFixture;
beforeEach(async () => {
  device = await makeDevice();
  next = await nextRelease(device);
});
afterEach(() => device.remove());

/** What must be as it was when nothing was changed. */
async function everything(): Promise<unknown> {
  return { disk: await device.diskHash(), entries: (await readdir(device.paths.entries)).toSorted() };
}

async function slotOf(version: string): Promise<{ root: string; verity: string }> {
  const disk = await DeviceDisk.open(device.disk, { write: false });
  try {
    const { active } = await readSlots(disk, version);
    const { root, verity } = next;
    return {
      root: sha256(await disk.read(active.root.offset, root.length)),
      verity: sha256(await disk.read(active.verity.offset, verity.length)),
    };
  } finally {
    await disk.close();
  }
}

describe("an update from a file", () => {
  test("is in the other slot then, with its hashes and its program, and waits for its first start", async () => {
    const file = await device.put(next);
    const applied = await applyRelease(applyOptions(device, { file }));
    expect(applied).toMatchObject({ version: "1.1.0", outcome: "installed" });
    expect(applied.fetchedBytes).toBeLessThan(next.update.length / 2);
    expect(await slotOf("1.1.0")).toEqual({ root: sha256(next.root), verity: sha256(next.verity) });
    expect(sha256(await readFile(join(device.paths.entries, "paddock_1.1.0+3.efi")))).toEqual(sha256(next.uki));
    expect(sha256(await readFile(join(device.paths.entries, "paddock_1.0.0.efi")))).toEqual(sha256(device.release.uki));
    expect(await readState(device.paths.stateDir)).toMatchObject({
      running: "1.0.0",
      pending: { version: "1.1.0", from: "1.0.0", written: true },
      lastReceiptBefore: { receiptS: 12 },
    });
    expect(await readdir(device.paths.stateDir)).toContain("pending");
  });

  test("keeps a hold that comes while it is under way", async () => {
    const { stateDir } = device.paths;
    const hold = { since: 1, until: null, reason: "harvest" };
    const target = { file: await device.put(next) };
    const file = join(stateDir, "state.json");
    const holdNow = (): void =>
      writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), hold }));
    await applyRelease({ ...applyOptions(device, target), progress: ({ step }) => step === "looking" && holdNow() });
    expect(await readState(stateDir)).toMatchObject({ hold, pending: { version: "1.1.0", written: true } });
  });

  test("of what runs already changes nothing", async () => {
    const before = await everything();
    const file = await device.put(device.release);
    expect(await applyRelease(applyOptions(device, { file }))).toMatchObject({ outcome: "runs" });
    expect(await everything()).toEqual(before);
  });
});

async function refusal(target: { file: string }, code: string, words: RegExp, more = {}): Promise<void> {
  const before = await everything();
  const refused = applyRelease({ ...applyOptions(device, target), ...more });
  await expect(refused).rejects.toMatchObject({ code });
  await expect(refused).rejects.toThrow(words);
  expect(await everything()).toEqual(before);
  const { results, pending } = await readState(device.paths.stateDir);
  expect(pending).toBeNull();
  expect(results).toHaveLength(1);
  expect(["refused", "failed"]).toContain(results[0]!.outcome);
}

describe("is refused, with nothing changed", () => {
  test.each([
    ["cut in its head", (update: Buffer) => update.subarray(0, 7), /cut short/],
    ["cut in its manifest", (update: Buffer) => update.subarray(0, 100), /cut short/],
    ["cut in its content", (update: Buffer) => update.subarray(0, update.length - 1), /has \d+ bytes, and release/],
    ["longer than it should be", (update: Buffer) => Buffer.concat([update, Buffer.alloc(1)]), /has \d+ bytes, and/],
    ["something else", (update: Buffer) => Buffer.from(update.toString("base64")), /does not begin like an update/],
    ["changed in its manifest", (update: Buffer) => flipped(update, 300), /manifest/],
  ])("a file that is %s", async (_what, change, words) => {
    await refusal({ file: await device.put(next, change) }, "UPDATE_INVALID", words);
  });

  test("a file whose first bytes are other ones than its manifest says", async () => {
    const other = await makeRelease("1.2.0");
    const content = other.root.length + other.uki.length;
    const file = await device.put(other, (update) => flipped(update, update.length - content + 5));
    await refusal({ file }, "UPDATE_SOURCE", /other bytes/);
  });

  test("a release of somebody else", async () => {
    const file = await device.put(await makeRelease("1.1.0", { signer: generateIdentity() }));
    await refusal({ file }, "UPDATE_INVALID", /is not trusted/);
  });

  test("one for another architecture, or another board", async () => {
    const arch = await device.put(await makeRelease("1.1.0", { arch: "riscv64" }));
    await refusal({ file: arch }, "UPDATE_INVALID", /is for riscv64/);
    await device.remove();
    device = await makeDevice();
    await refusal({ file: await device.put(await makeRelease("1.1.0", { board: "rpi4" })) }, "UPDATE_INVALID", /rpi4/);
  });

  test("an older one, also when its candidate is meant, unless a person says so", async () => {
    await refusal({ file: await device.put(await makeRelease("0.9.0")) }, "UPDATE_REFUSED", /older than 1\.0\.0/);
    const file = await device.put(await makeRelease("1.0.0~rc9"));
    const asked = applyRelease({ ...applyOptions(device, { file }), allowDowngrade: false });
    await expect(asked).rejects.toMatchObject({ code: "UPDATE_REFUSED" });
    const typed = applyRelease({ ...applyOptions(device, { file }), allowDowngrade: true });
    expect(await typed).toMatchObject({ outcome: "installed" });
    // The boot loader takes the newest that is not marked as bad.
    expect((await readdir(device.paths.entries)).toSorted()).toEqual([
      "paddock_1.0.0+0-1.efi",
      "paddock_1.0.0~rc9+3.efi",
    ]);
  });

  test("an older one that a request is for, whatever it says", async () => {
    const older = await makeRelease("0.9.0");
    const request = { id: "r1", version: "0.9.0", manifestSha256: manifestHash(older.encoded) };
    const more = { request, allowDowngrade: true };
    await refusal({ file: await device.put(older) }, "UPDATE_REFUSED", /older/, more);
  });

  test("one that is larger than the slot", async () => {
    const file = await device.put(await makeRelease("1.1.0", { root: Buffer.alloc(257 * 4096, 1) }));
    await refusal({ file }, "UPDATE_INVALID", /needs 1052672 bytes/);
  });

  test("while updates are held, and while the running one has to prove itself", async () => {
    const file = await device.put(next);
    const hold = { since: 0, until: null, reason: "harvest" };
    await writeState(device.paths.stateDir, { ...NO_STATE, hold });
    await refusal({ file }, "UPDATE_REFUSED", /held.*harvest/);
    await writeState(device.paths.stateDir, NO_STATE);
    await writeFile(join(device.paths.entries, "paddock_1.1.0+2-1.efi"), "");
    await device.starts("1.0.0");
    const { entries } = device.paths;
    await promisify(execFile)("mv", [join(entries, "paddock_1.0.0.efi"), join(entries, "paddock_1.0.0+2-1.efi")]);
    await refusal({ file }, "UPDATE_REFUSED", /has not proven itself/);
  });

  test("without a key to believe, and where no image runs", async () => {
    const file = await device.put(next);
    await writeFile(device.paths.keys, "no key\n");
    await refusal({ file }, "UPDATE_UNSUPPORTED", /no key/);
    await device.starts("something else");
    await expect(applyRelease(applyOptions(device, { file }))).rejects.toMatchObject({ code: "UPDATE_UNSUPPORTED" });
  });

  test("another request's manifest", async () => {
    const request = { id: "r1", version: "1.1.0", manifestSha256: "0".repeat(64) };
    await refusal({ file: await device.put(next) }, "UPDATE_INVALID", /another one than/, { request });
  });

  test("a second one while one is under way", async () => {
    const file = await device.put(next);
    const options = applyOptions(device, { file });
    let second: Promise<unknown> | undefined;
    await applyRelease({
      ...options,
      progress: () => {
        second ??= applyRelease(options).catch((error: unknown) => error);
      },
    });
    expect(await second).toMatchObject({ code: "UPDATE_REFUSED" });
  });
});

test("a file whose last bytes are other ones leaves the release that runs, and no program of its own", async () => {
  const file = await device.put(next, (update) => flipped(update, update.length - 1));
  await expect(applyRelease(applyOptions(device, { file }))).rejects.toMatchObject({ code: "UPDATE_SOURCE" });
  const entries = await readdir(device.paths.entries);
  expect(entries.filter((name) => name.endsWith(".efi"))).toEqual(["paddock_1.0.0.efi"]);
  expect(await applyRelease(applyOptions(device, { file: await device.put(next) }))).toMatchObject({
    outcome: "installed",
  });
});

const requestFor = (release: ReleaseFixture) => ({
  id: "r1",
  version: release.manifest.version,
  manifestSha256: manifestHash(release.encoded),
});

describe("a request", () => {
  test("whose source fails is tried again, ten times", async () => {
    const options = { ...applyOptions(device, { file: "/nowhere" }), request: requestFor(next) };
    for (let attempt = 1; attempt < 10; attempt++) {
      await expect(applyRelease(options)).rejects.toMatchObject({ code: "UPDATE_SOURCE" });
      expect(await readState(device.paths.stateDir)).toMatchObject({ pending: { attempts: attempt }, results: [] });
    }
    await expect(applyRelease(options)).rejects.toMatchObject({ code: "UPDATE_SOURCE" });
    const failed = [{ id: "r1", version: "1.1.0", outcome: "failed" }];
    expect(await readState(device.paths.stateDir)).toMatchObject({ pending: null, results: failed });
    expect(await applyRelease(options)).toMatchObject({ outcome: "settled" });
  });

  test("is answered once", async () => {
    const options = { ...applyOptions(device, { file: await device.put(next) }), request: requestFor(next) };
    expect(await applyRelease(options)).toMatchObject({ outcome: "installed", version: "1.1.0" });
    expect(await applyRelease(options)).toMatchObject({ outcome: "installed", fetchedBytes: 0 });
    expect(await readState(device.paths.stateDir)).toMatchObject({ pending: { id: "r1", written: true }, results: [] });
  });
});

test("a boot partition that cannot be written costs the attempt alone", async () => {
  const file = await device.put(next);
  // A folder of that name cannot be written over; nor can root do it.
  await mkdir(join(device.paths.entries, "paddock_1.1.0+3.efi"));
  await writeFile(join(device.paths.entries, "paddock_1.1.0+3.efi", "x"), "");
  await expect(applyRelease(applyOptions(device, { file }))).rejects.toMatchObject({ code: "UPDATE_FAILED" });
  expect(sha256(await readFile(join(device.paths.entries, "paddock_1.0.0.efi")))).toEqual(sha256(device.release.uki));
  expect((await readState(device.paths.stateDir)).results).toMatchObject([{ outcome: "failed" }]);
});

test("a state that is damaged is set aside", async () => {
  await mkdir(device.paths.stateDir);
  await writeFile(join(device.paths.stateDir, "state.json"), '{"running": 5');
  const told: string[] = [];
  const options = {
    ...applyOptions(device, { file: await device.put(next) }),
    tell: (line: string) => told.push(line),
  };
  expect(await applyRelease(options)).toMatchObject({ outcome: "installed" });
  expect(told.join()).toContain("damaged");
  expect(await readFile(join(device.paths.stateDir, "state.json.damaged"), "utf8")).toBe('{"running": 5');
});

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function flipped(bytes: Buffer, at: number): Buffer {
  bytes[at]! ^= 1;
  return bytes;
}
