import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { silentLog } from "@paddock/base/log.ts";
import { testIdentity } from "@paddock/store/testing/sealer.ts";
import { GatewayRegistry, type Gateway } from "./gateway-registry.ts";

const claims = ["first-code", "second-code"].map((code) => ({ code, label: "" }));
let directory: string;
let events: string[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-registry-"));
  events = [];
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const log = { ...silentLog, error: (event: string) => void events.push(event) };
const open = () => GatewayRegistry.open(directory, { claims, maxPending: 10, log });

function enrol(registry: GatewayRegistry, seed: number, claim = ""): Promise<Gateway> {
  return registry.enrol({ publicKeyRaw: testIdentity(seed).publicKeyRaw, claim, label: `gateway ${seed}` }, 1000);
}

const idOf = (seed: number) => Buffer.from(testIdentity(seed).id).toString("hex");
const fileOf = (seed: number) => join(directory, `${idOf(seed)}.json`);

async function cutFile(seed: number, keep: (text: string) => string): Promise<void> {
  await writeFile(fileOf(seed), keep(await readFile(fileOf(seed), "utf8")));
}

describe("one damaged file", () => {
  test.each<[string, (text: string) => string]>([
    ["empty", () => ""],
    ["cut", (text) => text.slice(0, text.length / 2)],
    ["of zeros", (text) => "\0".repeat(text.length)],
    ["of another gateway", (text) => text.replace(/"publicKey": "../u, '"publicKey": "00')],
  ])("that is %s is set aside; its gateway waits again, and the others are as they were", async (_name, keep) => {
    const before = await open();
    await enrol(before, 1, "first-code");
    await enrol(before, 2, "second-code");
    await cutFile(1, keep);
    const registry = await open();
    expect(events).toEqual(["set-aside"]);
    expect((await readdir(directory)).toSorted()).toEqual([`${idOf(1)}.json.damaged`, `${idOf(2)}.json`].toSorted());
    expect(registry.get(idOf(1))).toBeUndefined();
    expect(registry.get(idOf(2))?.state).toBe("approved");
    expect((await enrol(registry, 1, "first-code")).state).toBe("pending");
    // Also after another restart, and nobody else gets in by the code that it used.
    const later = await open();
    expect((await enrol(later, 1, "first-code")).state).toBe("pending");
    expect((await enrol(later, 3, "first-code")).state).toBe("pending");
    await later.decide(idOf(1), "approved", 2000);
    expect((await open()).get(idOf(1))?.state).toBe("approved");
  });

  test("that still says which code was used leaves the other codes open; one that does not closes all until it is decided", async () => {
    await enrol(await open(), 1, "first-code");
    await cutFile(1, (text) => text.replace('"approved"', '"appr'));
    expect((await enrol(await open(), 3, "second-code")).state).toBe("approved");

    await rm(directory, { recursive: true });
    await mkdir(directory);
    await enrol(await open(), 1, "first-code");
    await cutFile(1, () => "");
    const registry = await open();
    const refused = await enrol(registry, 3, "second-code");
    expect(refused).toMatchObject({ state: "pending", claimProblem: expect.stringContaining(idOf(1)) });
    await enrol(registry, 1);
    await registry.decide(idOf(1), "denied", 2000);
    expect((await enrol(registry, 3, "second-code")).state).toBe("approved");
  });

  test("that is a directory is set aside, too", async () => {
    await mkdir(fileOf(1));
    const registry = await open();
    expect(events).toEqual(["set-aside"]);
    expect((await enrol(registry, 1, "first-code")).state).toBe("pending");
  });
});

test("why a claim code did not admit is kept with the gateway that waits", async () => {
  const registry = await open();
  expect(await enrol(registry, 1, "first-code")).not.toHaveProperty("claimProblem");
  expect(await enrol(registry, 2, "first-code")).toMatchObject({
    state: "pending",
    claimProblem: `presented a claim code that was used by ${idOf(1)}`,
  });
  expect(await enrol(registry, 2, "no-such-code")).toMatchObject({
    claimProblem: "presented a claim code that is not known",
  });
  expect(await enrol(registry, 2)).not.toHaveProperty("claimProblem");
  expect((await enrol(registry, 2, "second-code")).state).toBe("approved");
});
