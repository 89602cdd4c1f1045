import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { blinkUntil } from "./led.ts";

let lights: string;
beforeEach(async () => {
  lights = await mkdtemp(join(tmpdir(), "paddock-leds-"));
  await mkdir(join(lights, "ACT"));
});
afterEach(() => rm(lights, { recursive: true }));

const trigger = (): Promise<string> => readFile(join(lights, "ACT/trigger"), "utf8");

test("a light blinks for a while, and is then as it was", async () => {
  await writeFile(join(lights, "ACT/trigger"), "none usb-gadget [mmc0] timer heartbeat\n");
  let meanwhile = "";
  await blinkUntil(lights, undefined, async () => (meanwhile = await trigger()));
  expect(meanwhile).toBe("timer");
  expect(await trigger()).toBe("mmc0");
});

test("one that blinks already goes on: something else is wrong, too", async () => {
  await writeFile(join(lights, "ACT/trigger"), "none mmc0 [timer]\n");
  await blinkUntil(lights, undefined, async () => {});
  expect(await trigger()).toBe("timer");
});

test("where there is none nobody waits", async () => {
  await blinkUntil(lights, "other", async () => expect.fail("it waited"));
});
