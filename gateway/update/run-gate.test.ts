import { readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { applyRelease } from "./apply.ts";
import type { GateEvent } from "./gate.ts";
import { rollBack } from "./go-back.ts";
import { lockUpdates } from "./lock.ts";
import { afterFailure, noteLeaving, runGate, type GateOptions } from "./run-gate.ts";
import { NO_STATE, readState, writeState } from "./state.ts";
import { applyOptions, makeDevice, nextRelease, type TestDevice } from "./testing/test-device.ts";
import { formatUpdateStatus, updateStatus } from "./update-status.ts";

let device: TestDevice;
beforeEach(async () => {
  device = await makeDevice();
});
afterEach(() => device.remove());

const NOW_MS = 1_790_000_000_000;

/** A gateway that says the same each second, in virtual time. */
function gateOf(event: GateEvent): GateOptions & { told: string[] } {
  let nowMs = 0;
  const told: string[] = [];
  return {
    paths: device.paths,
    withinMs: 60_000,
    ask: async () => event,
    tell: (line) => told.push(line),
    told,
    now: () => NOW_MS,
    monotonic: () => nowMs,
    sleep: async (ms) => (nowMs += ms),
  };
}

const entries = async (): Promise<string[]> => (await readdir(device.paths.entries)).toSorted();

/** What the boot loader does with a new release. */
async function startNew(version = "1.1.0", tries = 3): Promise<void> {
  const { entries: folder } = device.paths;
  const found = (await entries()).find((name) => name.startsWith(`paddock_${version}`))!;
  await rename(join(folder, found), join(folder, `paddock_${version}+${tries - 1}-1.efi`));
  await device.starts(version);
}

async function install(lastReceiptS: number | null = 12): Promise<void> {
  const file = await device.put(await nextRelease(device));
  await applyRelease({ ...applyOptions(device, { file }), lastReceiptS: async () => lastReceiptS });
}

describe("after the start of a new release", () => {
  test("a hold that comes while it is judged stays", async () => {
    await install();
    await startNew();
    const hold = { since: NOW_MS, until: null, reason: "harvest" };
    const { stateDir } = device.paths;
    const gate = gateOf({ kind: "answer", receiptS: 3, idle: false });
    const ask = async (): Promise<GateEvent> => {
      await writeState(stateDir, { ...(await readState(stateDir)), hold });
      return gate.ask();
    };
    expect(await runGate({ ...gate, ask })).toBe("healthy");
    expect(await readState(stateDir)).toMatchObject({ running: "1.1.0", pending: null, hold });
  });

  test("a receipt confirms it", async () => {
    await install();
    await startNew();
    expect(await runGate(gateOf({ kind: "answer", receiptS: 3, idle: false }))).toBe("healthy");
    expect(await readState(device.paths.stateDir)).toMatchObject({
      running: "1.1.0",
      previous: "1.0.0",
      pending: null,
      results: [{ version: "1.1.0", outcome: "applied", id: null }],
    });
    expect(await readdir(device.paths.stateDir)).not.toContain("pending");
  });

  test("no receipt gives it up, and the release before says why", async () => {
    await install();
    await startNew();
    expect(await runGate(gateOf({ kind: "answer", receiptS: null, idle: false }))).toBe("given-up");
    expect(await entries()).toEqual(["paddock_1.0.0.efi", "paddock_1.1.0+0-1.efi"]);
    await device.starts("1.0.0");
    expect(await runGate(gateOf({ kind: "answer", receiptS: 1, idle: false }))).toBe("healthy");
    const { pending, results } = await readState(device.paths.stateDir);
    expect(pending).toBeNull();
    expect(results).toMatchObject([{ version: "1.1.0", outcome: "reverted" }]);
    expect(results[0]!.reason).toContain("no receipt within 60 s");
    expect(formatUpdateStatus(await updateStatus(device.paths, NOW_MS))).toMatch(
      /1\.1\.0 +reverted +no receipt within/,
    );
  });

  test("no receipt confirms it where the release before had none", async () => {
    await install(null);
    await startNew();
    expect(await runGate(gateOf({ kind: "answer", receiptS: null, idle: false }))).toBe("healthy");
    expect((await readState(device.paths.stateDir)).results[0]!.reason).toContain("before either");
  });

  test("what the release before got at its very end counts", async () => {
    await install(null);
    await noteLeaving(device.paths, async () => 4, NOW_MS);
    await startNew();
    await noteLeaving(device.paths, async () => null, NOW_MS);
    expect(await runGate(gateOf({ kind: "answer", receiptS: null, idle: false }))).toBe("given-up");
  });

  test("one that is older than the release before is given up for it all the same", async () => {
    await device.remove();
    device = await makeDevice({ version: "2.0.0" });
    const file = await device.put(await nextRelease(device));
    await applyRelease({ ...applyOptions(device, { file }), allowDowngrade: true });
    expect(await entries()).toEqual(["paddock_1.1.0+3.efi", "paddock_2.0.0+0-1.efi"]);
    await startNew();
    expect(await runGate(gateOf({ kind: "no-answer" }))).toBe("given-up");
    expect(await entries()).toEqual(["paddock_1.1.0+0-1.efi", "paddock_2.0.0.efi"]);
  });

  test("one that nothing is left to be given up for stays", async () => {
    await install();
    await startNew();
    await rm(join(device.paths.entries, "paddock_1.0.0.efi"));
    expect(await runGate(gateOf({ kind: "no-answer" }))).toBe("healthy");
    expect(await readState(device.paths.stateDir)).toMatchObject({ pending: null, results: [{ outcome: "failed" }] });
  });
});

describe("after the start of the release before", () => {
  test("a new one that used up its tries is reverted", async () => {
    await install();
    await rename(
      join(device.paths.entries, "paddock_1.1.0+3.efi"),
      join(device.paths.entries, "paddock_1.1.0+0-3.efi"),
    );
    expect(await runGate(gateOf({ kind: "no-answer" }))).toBe("healthy");
    const { results } = await readState(device.paths.stateDir);
    expect(results).toMatchObject([
      { outcome: "reverted", reason: expect.stringContaining("did not complete a start") },
    ]);
  });

  test("one that was not started yet, or is not written yet, stays pending", async () => {
    await install();
    await runGate(gateOf({ kind: "no-answer" }));
    const { pending } = await readState(device.paths.stateDir);
    expect(pending).toMatchObject({ version: "1.1.0" });
    await writeState(device.paths.stateDir, { ...NO_STATE, pending: { ...pending!, written: false } });
    await rm(join(device.paths.entries, "paddock_1.1.0+3.efi"));
    await runGate(gateOf({ kind: "no-answer" }));
    expect((await readState(device.paths.stateDir)).pending).toMatchObject({ written: false });
  });

  test("of which nothing is known changes nothing but that", async () => {
    const gate = gateOf({ kind: "no-answer" });
    expect(await runGate(gate)).toBe("healthy");
    expect(gate.told).toEqual([]);
    expect(await readState(device.paths.stateDir)).toEqual({ ...NO_STATE, running: "1.0.0" });
  });
});

test("a gate that fails gives up a release on trial, and no other", async () => {
  expect(await afterFailure(new Error("x"), gateOf({ kind: "no-answer" }))).toBe("healthy");
  await install();
  await startNew();
  expect(await afterFailure(new Error("x"), gateOf({ kind: "no-answer" }))).toBe("given-up");
  await device.starts("nonsense");
  expect(await afterFailure(new Error("x"), gateOf({ kind: "no-answer" }))).toBe("healthy");
});

describe("a person takes a release back", () => {
  test("and updates are held from then on", async () => {
    await install();
    await startNew();
    await runGate(gateOf({ kind: "answer", receiptS: 1, idle: false }));
    await rename(join(device.paths.entries, "paddock_1.1.0+2-1.efi"), join(device.paths.entries, "paddock_1.1.0.efi"));
    expect(await rollBack({ paths: device.paths, tell: () => {}, now: () => NOW_MS })).toEqual({
      from: "1.1.0",
      to: "1.0.0",
    });
    expect(await entries()).toEqual(["paddock_1.0.0.efi", "paddock_1.1.0+0-1.efi"]);
    await device.starts("1.0.0");
    const file = await device.put(await nextRelease(device));
    await expect(applyRelease(applyOptions(device, { file }))).rejects.toThrow(/held.*1\.1\.0 was taken back/);
    // Forward again, without a network, too: it ran well.
    expect(await rollBack({ paths: device.paths, tell: () => {}, now: () => NOW_MS })).toEqual({
      from: "1.0.0",
      to: "1.1.0",
    });
    expect(await entries()).toEqual(["paddock_1.0.0+0-1.efi", "paddock_1.1.0.efi"]);
  });

  test("not while a release is installed", async () => {
    const lock = await lockUpdates(device.paths);
    const options = { paths: device.paths, tell: () => {}, now: () => NOW_MS };
    await expect(rollBack(options)).rejects.toThrow("cannot be changed now");
    lock.close();
    await expect(rollBack(options)).rejects.toThrow("no release to go back to");
  });

  test("only where there is another one that can start", async () => {
    await expect(rollBack({ paths: device.paths, tell: () => {}, now: () => NOW_MS })).rejects.toMatchObject({
      code: "UPDATE_REFUSED",
    });
    await writeFile(join(device.paths.entries, "paddock_1.1.0+0-3.efi"), "");
    await expect(rollBack({ paths: device.paths, tell: () => {}, now: () => NOW_MS })).rejects.toMatchObject({
      code: "UPDATE_REFUSED",
    });
    expect(await entries()).toEqual(["paddock_1.0.0.efi", "paddock_1.1.0+0-3.efi"]);
  });
});
