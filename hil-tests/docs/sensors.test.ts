import { afterAll, beforeAll, expect, test } from "vitest";
import { resolveSenml } from "@paddock/wire/senml-read.ts";
import { codeBlock } from "./code-block.ts";
import { run } from "./run.ts";
import { FIRST_READING, pageText, SensorsPage } from "./sensors-page.ts";

/** Examples in other languages need their tools: hil-tests/interop/sensors-page.test.ts runs them. */

let page: SensorsPage;
beforeAll(async () => {
  page = await SensorsPage.open();
});
afterAll(() => page?.close());

test("the Node example of docs/sensors.md, as it stands there, is answered 2.04", async () => {
  const ran = await run(process.execPath, await page.save("first-frame.mjs", "js"), "::1", page.port);
  expect(ran).toMatchObject({ status: 0, output: expect.stringContaining("2.04") as string });
  expect(page.taken()).toMatchObject([FIRST_READING]);
});

test("the bytes that the page explains are the ones of the C example", async () => {
  const hex = [...codeBlock(await pageText(), "text").matchAll(/^ *((?:[0-9a-f]{2,} ?)+) {2,}/gmu)]
    .map(([, bytes]) => bytes)
    .join("");
  expect(resolveSenml(Buffer.from(hex.replaceAll(" ", ""), "hex"), { now: 1 })).toMatchObject({ value: FIRST_READING });
});
