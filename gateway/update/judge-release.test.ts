import { describe, expect, test } from "vitest";
import { objectionTo, type DeviceFacts } from "./judge-release.ts";
import { makeRelease } from "./testing/release-fixture.ts";

const { manifest } = await makeRelease("1.1.0", { arch: "x86-64", board: "uefi" });

const FACTS: DeviceFacts = {
  running: "1.0.0",
  onTrial: false,
  arch: "x86-64",
  board: "uefi",
  rootBytes: manifest.root.bytes,
  // Header, one block at the top, two below it.
  verityBytes: 4 * 4096,
  bootBytes: manifest.uki.bytes,
  hold: null,
  nowMs: 1_790_000_000_000,
};

test("a release that just fits is taken", () => {
  expect(objectionTo(manifest, FACTS, { allowDowngrade: false })).toBeUndefined();
});

function held(takenBack?: string): DeviceFacts {
  return { ...FACTS, hold: { since: 0, until: null, reason: null, ...(takenBack !== undefined && { takenBack }) } };
}

describe("a release is refused", () => {
  test.each<[string, Partial<DeviceFacts>, string, RegExp]>([
    ["for another architecture", { arch: "arm64" }, "UPDATE_INVALID", /for x86-64, and this machine is arm64/],
    ["for another board", { board: "rpi5" }, "UPDATE_INVALID", /board uefi, and this is rpi5/],
    ["one byte over the slot", { rootBytes: manifest.root.bytes - 1 }, "UPDATE_INVALID", /slot has/],
    ["one byte over the slot of hashes", { verityBytes: 4 * 4096 - 1 }, "UPDATE_INVALID", /slot has/],
    ["one byte over the boot partition", { bootBytes: manifest.uki.bytes - 1 }, "UPDATE_FAILED", /room for/],
    ["on trial", { onTrial: true }, "UPDATE_REFUSED", /not proven itself/],
    ["older", { running: "1.1.1~rc1" }, "UPDATE_REFUSED", /older than 1\.1\.1~rc1/],
    ["held", { hold: { since: 0, until: null, reason: null } }, "UPDATE_REFUSED", /held until they are released/],
    [
      "held until later",
      { hold: { since: 0, until: FACTS.nowMs + 1, reason: "x" } },
      "UPDATE_REFUSED",
      /held until 2026/,
    ],
    [
      "held by a clock that is ahead of one in 1970",
      { hold: { since: FACTS.nowMs, until: FACTS.nowMs + 1, reason: null }, nowMs: 5000 },
      "UPDATE_REFUSED",
      /held/,
    ],
  ])("%s", (_what, change, code, words) => {
    const objection = objectionTo(manifest, { ...FACTS, ...change }, { allowDowngrade: false })!;
    expect(objection.code).toBe(code);
    expect(objection.message).toMatch(words);
  });

  test.each<[string, Partial<DeviceFacts>]>([
    ["on trial", { onTrial: true }],
    ["older", { running: "2.0.0" }],
    ["held", { hold: { since: 0, until: null, reason: null } }],
  ])("%s: who has a stick and no shell is told what can be done without one", (_what, change) => {
    const remedyOf = (byHand: boolean) =>
      objectionTo(manifest, { ...FACTS, ...change }, { allowDowngrade: false, byHand })!.remedy;
    expect(remedyOf(false)).toMatch(/paddock gateway|--allow-downgrade/);
    expect(remedyOf(true)).not.toMatch(/paddock gateway|--allow-downgrade/);
  });

  test("not after a hold has ended, and an older one not when a person says so", () => {
    const hold = { since: 0, until: FACTS.nowMs, reason: null };
    expect(objectionTo(manifest, { ...FACTS, hold }, { allowDowngrade: false })).toBeUndefined();
    expect(objectionTo(manifest, { ...FACTS, running: "2.0.0" }, { allowDowngrade: true })).toBeUndefined();
  });

  test("by hand, not while another one that was taken back is held", () => {
    const byHand = { allowDowngrade: false, byHand: true };
    expect(objectionTo(manifest, held("1.0.9"), byHand)).toBeUndefined();
    expect(objectionTo(manifest, held("1.0.9"), { allowDowngrade: false })?.message).toMatch(/held/);
    expect(objectionTo(manifest, held("1.1.0"), byHand)?.message).toMatch(/held/);
    expect(objectionTo(manifest, held(), byHand)?.message).toMatch(/held/);
  });

  test("whatever the clock says: none of it ends by itself", () => {
    for (const nowMs of [0, FACTS.nowMs, 9_000_000_000_000])
      expect(objectionTo(manifest, { ...FACTS, nowMs }, { allowDowngrade: false })).toBeUndefined();
  });
});
