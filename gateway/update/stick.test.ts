import { mkdir, readdir, readFile, rename, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runInProcess } from "@paddock/base/testing/in-process.ts";
import { generateIdentity } from "@paddock/wire/identity.ts";
import { gatewayCommand } from "../cli/gateway-command.ts";
import { applyRelease } from "./apply.ts";
import { rollBack } from "./go-back.ts";
import { runGate } from "./run-gate.ts";
import { readState, STICK_ID, writeState } from "./state.ts";
import { followStick, type StickEnd } from "./stick.ts";
import { wishOf } from "./stick-wish.ts";
import { makeRelease, type ReleaseFixture } from "./testing/release-fixture.ts";
import { applyOptions, makeDevice, nextRelease, type TestDevice } from "./testing/test-device.ts";

let device: TestDevice;
let folder: string;
let next: ReleaseFixture;
beforeEach(async () => {
  device = await makeDevice();
  folder = join(device.directory, "stick");
  next = await nextRelease(device);
});
afterEach(() => device.remove());

/** A stick with these files and no other. */
async function plug(files: Readonly<Record<string, Uint8Array | string>>): Promise<StickEnd> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  return stays();
}

/** The stick is looked at once more: it was left in, and the machine has started anew. */
function stays(): Promise<StickEnd> {
  const { paths, lastReceiptS, tell, progress, now } = applyOptions(device, { file: "" });
  return followStick({ folder, paths, lastReceiptS, tell, progress, now });
}

const updateName = (version: string): string => `paddock_${version}_x86-64.update`;
const withUpdate = (release: ReleaseFixture = next, change = (update: Buffer): Buffer => update) =>
  plug({ [updateName(release.manifest.version)]: change(Buffer.from(release.update)) });

const entries = async (): Promise<string[]> => (await readdir(device.paths.entries)).toSorted();
const everything = async (): Promise<unknown> => ({
  disk: await device.diskHash(),
  entries: await entries(),
});

/** What the boot loader and the gate do with a release that is new and good. */
async function startConfirmed(version = "1.1.0"): Promise<void> {
  await rename(
    join(device.paths.entries, `paddock_${version}+3.efi`),
    join(device.paths.entries, `paddock_${version}.efi`),
  );
  await device.starts(version);
  const { paths, now } = applyOptions(device, { file: "" });
  await runGate({
    paths,
    withinMs: 1000,
    ask: async () => ({ kind: "answer", receiptS: 0, idle: false }),
    tell: () => {},
    now,
    monotonic: () => 0,
    sleep: async () => {},
  });
}

describe("a stick with an update", () => {
  test("has it installed and started, under an id of its own", async () => {
    expect(await withUpdate()).toEqual({
      text: "Release 1.1.0 is installed from the stick, and is started now.",
      restart: true,
    });
    const { pending } = await readState(device.paths.stateDir);
    expect(pending).toMatchObject({
      version: "1.1.0",
      written: true,
      id: expect.stringMatching(/^stick-[0-9a-f]{32}$/),
    });
    await startConfirmed();
    expect((await readState(device.paths.stateDir)).results).toMatchObject([{ id: pending!.id, outcome: "applied" }]);
  });

  test("is not installed again while it stays plugged in, nor when it was copied anew", async () => {
    await withUpdate();
    await startConfirmed();
    expect(await stays()).toMatchObject({ restart: false, text: expect.stringContaining("from a stick before") });
    await device.starts("1.0.0");
    const before = await everything();
    expect(await withUpdate()).toMatchObject({ restart: false, text: expect.stringContaining("from a stick before") });
    expect(await everything()).toEqual(before);
  });

  test("of what runs changes nothing, and does not come back by itself once that was taken back", async () => {
    const before = await everything();
    expect(await withUpdate(device.release)).toMatchObject({ restart: false, text: "Release 1.0.0 runs already." });
    expect(await everything()).toEqual(before);
    await device.starts("0.9.0");
    expect(await stays()).toMatchObject({ text: expect.stringContaining("from a stick before") });
  });

  test("that is damaged is refused, and a whole one of the same release is taken afterwards", async () => {
    const damaged = withUpdate(next, (update) => {
      update[update.length - 1]! ^= 1;
      return update;
    });
    await expect(damaged).rejects.toThrow(/other bytes/);
    expect((await entries()).filter((name) => name.endsWith(".efi"))).toEqual(["paddock_1.0.0.efi"]);
    expect(await withUpdate()).toMatchObject({ restart: true });
  });

  test.each<[string, RegExp, () => Promise<ReleaseFixture>, ((update: Buffer) => Buffer)?]>([
    ["signed by another", /not trusted/, () => makeRelease("1.1.0", { signer: generateIdentity() })],
    ["older", /older than 1\.0\.0/, () => makeRelease("0.9.0")],
    ["for another board", /board rpi5/, () => makeRelease("1.1.0", { board: "rpi5" })],
    ["cut short", /bytes, and release/, async () => next, (update) => update.subarray(0, update.length - 1)],
    ["empty", /cut short/, async () => next, () => Buffer.alloc(0)],
  ])("that is %s is refused, told, and changes nothing", async (_what, words, make, change) => {
    const before = await everything();
    const release = await make();
    await expect(withUpdate(release, change)).rejects.toThrow(words);
    expect(await everything()).toEqual(before);
    const { results, pending } = await readState(device.paths.stateDir);
    expect(pending).toBeNull();
    expect(results).toMatchObject([{ outcome: "refused", id: expect.stringContaining(STICK_ID) }]);
    // Nothing is remembered: what was wrong may be mended.
    await expect(stays()).rejects.toThrow(words);
  });

  test("is refused while updates are held by whoever operates the machine", async () => {
    const hold = { since: 0, until: null, reason: "harvest" };
    await writeState(device.paths.stateDir, { ...(await readState(device.paths.stateDir)), hold });
    await expect(withUpdate()).rejects.toThrow(/held until they are released \(harvest\)/);
    await writeState(device.paths.stateDir, { ...(await readState(device.paths.stateDir)), hold: null });
    expect(await stays()).toMatchObject({ restart: true });
  });
});

describe("a stick with a file rollback", () => {
  const ASK = { "Rollback.TXT": "" };

  test("goes back once; the file made anew goes back once more", async () => {
    await withUpdate();
    await startConfirmed();
    expect(await plug(ASK)).toMatchObject({
      restart: true,
      text: expect.stringContaining("Release 1.1.0 is taken back, and 1.0.0 is started now"),
    });
    expect(await entries()).toEqual(["paddock_1.0.0.efi", "paddock_1.1.0+0-1.efi"]);
    await device.starts("1.0.0");
    expect(await stays()).toMatchObject({ restart: false, text: expect.stringContaining("was done before") });
    expect(await entries()).toEqual(["paddock_1.0.0.efi", "paddock_1.1.0+0-1.efi"]);
    expect((await readState(device.paths.stateDir)).results.at(-1)).toMatchObject({
      outcome: "reverted",
      version: "1.1.0",
      id: expect.stringContaining(STICK_ID),
    });
    await utimes(join(folder, "Rollback.TXT"), 1, 1);
    expect(await stays()).toMatchObject({ restart: true });
    expect(await entries()).toEqual(["paddock_1.0.0+0-1.efi", "paddock_1.1.0.efi"]);
  });

  test("changes nothing when it could not be remembered, which would lead back and forth", async () => {
    await withUpdate();
    await startConfirmed();
    const before = await entries();
    await rm(join(device.paths.stateDir, "stick.json"));
    await mkdir(join(device.paths.stateDir, "stick.json"));
    await expect(plug(ASK)).rejects.toMatchObject({ code: "UPDATE_FAILED" });
    expect(await entries()).toEqual(before);
  });

  test("is remembered before anything changes", async () => {
    await withUpdate();
    await startConfirmed();
    const before = await entries();
    const { paths, tell, now } = applyOptions(device, { file: "" });
    const byHand = { id: `${STICK_ID}1`, begin: () => Promise.reject(new Error("full")) };
    await expect(rollBack({ paths, tell, now, byHand })).rejects.toThrow("full");
    expect(await entries()).toEqual(before);
  });

  test("is refused where there is no other release, and may come again when there is", async () => {
    await expect(plug(ASK)).rejects.toMatchObject({
      message: expect.stringContaining("There is no release to go back to from 1.0.0."),
      remedy: expect.not.stringContaining("paddock gateway"),
    });
    await applyRelease(applyOptions(device, { file: await device.put(next) }));
    await startConfirmed();
    expect(await stays()).toMatchObject({ restart: true });
  });

  test("has whoever asked for the release told, too", async () => {
    await withUpdate();
    const state = await readState(device.paths.stateDir);
    await writeState(device.paths.stateDir, { ...state, pending: { ...state.pending!, id: "asked" } });
    await device.starts("1.1.0");
    await plug(ASK);
    const { results } = await readState(device.paths.stateDir);
    expect(results.map(({ id, outcome }) => [id?.slice(0, STICK_ID.length), outcome])).toEqual([
      ["asked", "reverted"],
      [STICK_ID, "reverted"],
    ]);
  });

  test("keeps what was taken back from coming again, and lets a stick with another release end that", async () => {
    await withUpdate();
    await startConfirmed();
    await plug(ASK);
    await device.starts("1.0.0");
    await rm(join(device.paths.stateDir, "stick.json"));
    await expect(withUpdate()).rejects.toThrow(/held until they are released \(1\.1\.0 was taken back\)/);
    const newest = await nextRelease(device, "1.2.0");
    const asked = applyRelease(applyOptions(device, { file: await device.put(newest) }));
    await expect(asked).rejects.toThrow(/held/);
    expect(await withUpdate(newest)).toMatchObject({ restart: true });
    expect((await readState(device.paths.stateDir)).hold).toBeNull();
  });
});

test("a damaged memory of sticks is set aside", async () => {
  await mkdir(device.paths.stateDir, { recursive: true });
  await writeFile(join(device.paths.stateDir, "stick.json"), '["stick-');
  expect(await withUpdate()).toMatchObject({ restart: true });
  expect(await readFile(join(device.paths.stateDir, "stick.json.damaged"), "utf8")).toBe('["stick-');
});

describe("names on a stick", () => {
  const UPDATE = updateName("1.2.0");
  test.each<[string, string[], object]>([
    ["one update", [UPDATE, "photo.jpg", `._${UPDATE}`], { kind: "install", name: UPDATE }],
    ["for several machines", ["paddock_1.2.0_arm64.update", UPDATE], { kind: "install", name: UPDATE }],
    ["copied twice by a desktop", ["paddock_1.2.0_x86-64 (1).update"], { kind: "install" }],
    ["for another machine, which is refused with why", ["paddock_1.2.0_arm64.update"], { kind: "install" }],
    ["two of them", [UPDATE, updateName("1.3.0")], { kind: "unclear", why: expect.stringContaining("2 updates") }],
    ["rollback", ["ROLLBACK"], { kind: "roll-back", name: "ROLLBACK" }],
    ["rollback, and not", ["rollback.md", "my rollback"], { kind: "unclear" }],
    ["both", ["rollback", UPDATE], { kind: "unclear", why: expect.stringContaining("two things") }],
    ["nothing", [], { kind: "unclear", why: expect.stringContaining("neither") }],
  ])("%s", (_what, names, wish) => {
    expect(wishOf(names, "x86-64")).toMatchObject(wish);
  });
});

test("the command of the image says what it did, and fails with what was refused", async () => {
  const { paths } = device;
  const places = ["--boot-dir", paths.bootDir, "--entries", paths.entries, "--state-dir", paths.stateDir];
  const more = [
    "--key",
    paths.keys,
    "--board-file",
    paths.board,
    "--leds-dir",
    device.directory,
    "--config-dir",
    folder,
  ];
  const run = (...words: string[]) =>
    runInProcess(gatewayCommand, ["update", "stick", "--folder", folder, ...places, ...more, ...words]);
  // Nothing was mounted.
  const none = await run();
  expect(none.code).toBe(2);
  expect(none.stderr).toMatch(/^stick: .*The stick has neither an update nor a file rollback.*FAT32/u);
  await mkdir(folder);
  await writeFile(join(folder, updateName("1.1.0")), next.update);
  expect(await run()).toMatchObject({ code: 0, stdout: expect.stringContaining("stick: Release 1.1.0 is installed") });
  const again = await run("--json");
  expect(JSON.parse(again.stdout)).toMatchObject({ restart: false });
});
