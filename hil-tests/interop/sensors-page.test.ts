import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { run, type Ran } from "../docs/run.ts";
import { FIRST_READING, SensorsPage } from "../docs/sensors-page.ts";

/** The examples of docs/sensors.md that need a tool; hil-tests/setup.sh installs it. Node's is in `npm test`. */

let page: SensorsPage;
beforeAll(async () => {
  page = await SensorsPage.open();
});
afterAll(() => page?.close());

function expectTaken(ran: Ran): void {
  expect(ran).toMatchObject({ status: 0, output: expect.stringContaining("2.04") as string });
  expect(page.taken()).toMatchObject([FIRST_READING]);
}

test("Python", async () => {
  expectTaken(await run("python3", await page.save("first_frame.py", "python"), "::1", page.port));
});

test("C", async () => {
  const source = await page.save("first-frame.c", "c");
  const program = join(page.directory, "first-frame");
  const compiled = await run("cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-o", program, source);
  expect(compiled).toEqual({ status: 0, output: "" });
  expectTaken(await run(program, "::1", page.port));
});
