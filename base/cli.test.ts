import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";

const CLI = new URL("cli.ts", import.meta.url).href;
const ERRORS = new URL("errors.ts", import.meta.url).href;

/** Runs a program whose main throws what `thrown` evaluates to. */
function fail(thrown: string, ...argv: string[]): { code: number | null; stdout: string; stderr: string } {
  const script = `import { runMain } from "${CLI}"; import { PaddockError } from "${ERRORS}";
    runMain(() => { throw ${thrown}; });`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script, "--", ...argv], {
    encoding: "utf8",
  });
  return { code: status, stdout, stderr };
}

const REFUSED = `new PaddockError("USAGE", "--from is missing.", { remedy: "Say \\u001b[1mwhere\\u001b[0m." })`;

test("a failure is one line for people, and with --json one line of JSON, both on standard error", () => {
  const plain = fail(REFUSED);
  expect([plain.code, plain.stdout]).toEqual([2, ""]);
  expect(plain.stderr).toBe("USAGE: --from is missing. Say \uFFFD[1mwhere\uFFFD[0m.\n");
  const json = fail(REFUSED, "log", "--json");
  expect([json.code, json.stdout, json.stderr.split("\n").length]).toEqual([2, "", 2]);
  expect(JSON.parse(json.stderr)).toEqual({
    event: "failed",
    code: "USAGE",
    message: "--from is missing.",
    remedy: "Say \u001b[1mwhere\u001b[0m.",
  });
});

test("a programmer's error keeps its stack, in one line as well", () => {
  expect(fail(`new TypeError("x is not a function")`).stderr).toMatch(/^TypeError: x is not a function\n +at /u);
  const { event, message } = JSON.parse(fail(`new TypeError("x")`, "status", "--json").stderr) as Record<
    string,
    string
  >;
  expect([event, message!.split("\n")[0]]).toEqual(["failed", "TypeError: x"]);
});
