#!/usr/bin/env node
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runMain } from "@paddock/base/cli.ts";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { print } from "@paddock/base/printable.ts";
import { run } from "../image/run.ts";
import { gather } from "./gather.ts";
import { judge, redOf } from "./judge.ts";
import { testResults } from "./test-results.ts";
import { writeReport } from "./write-report.ts";

const HOUSE = join(import.meta.dirname, "../..");
const USAGE = `npm run conformance -- --image DIRECTORY [OPTIONS]

Judges the image of a release by ETSI EN 303 645 and the mechanisms of EN 18031, from its files, a gateway that is started
from it, and tests. Writes conformance.json and conformance.html. Ends with 1 when a provision is red.

  --image DIRECTORY  what npm run image made
  --pub FILE         public key of releases in PEM (release.pub.pem in the directory of the image)
  --key FILE         Ed25519 key in PEM that signs conformance.json
  --out DIRECTORY    where the report goes (the directory of the image)
  --tests FILE       what vitest --reporter=json wrote; without it the tests are run
  --cache DIRECTORY  what the image builder fetched (~/.cache/paddock-image)
`;

runMain(async (args) => {
  const options = readOptions(args);
  if (options === undefined) {
    print(USAGE);
    return 0;
  }
  const { image, pub, key, out } = options;
  print("tests");
  const tests = testResults(
    options.tests === undefined ? await runTests() : await readFile(options.tests, "utf8"),
    HOUSE,
  );
  const now = new Date();
  const report = judge(await gather({ image, publicKey: pub, cache: options.cache, tests, now, tell: print }));
  await writeReport(report, out, key);
  for (const { name, provisions } of report.standards) {
    const count = (verdict: string): number => provisions.filter((one) => one.verdict === verdict).length;
    print(`${name}: ${count("green")} green, ${count("red")} red, ${count("not applicable")} not applicable`);
    for (const { id, problems } of provisions) for (const problem of problems) print(`  ${id}: ${problem}`);
  }
  return redOf(report).length === 0 ? 0 : 1;
});

interface Options {
  readonly image: string;
  readonly pub: string;
  readonly key: string | undefined;
  readonly out: string;
  readonly tests: string | undefined;
  readonly cache: string;
}

function readOptions(args: string[]): Options | undefined {
  const text = { type: "string" } as const;
  const remedy = "npm run conformance -- --help shows every option.";
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: {
        image: text,
        pub: text,
        key: text,
        out: text,
        tests: text,
        cache: text,
        help: { type: "boolean", short: "h" },
      },
    }));
  } catch (error) {
    throw new PaddockError("USAGE", `${messageOf(error)}.`, { remedy });
  }
  if (values.help === true) return undefined;
  const { image, key, tests } = values;
  if (image === undefined) throw new PaddockError("USAGE", "--image is missing.", { remedy });
  return {
    image,
    pub: values.pub ?? join(image, "release.pub.pem"),
    key,
    out: values.out ?? image,
    tests,
    cache: values.cache ?? join(homedir(), ".cache/paddock-image"),
  };
}

/** Runs the tests that provisions rest on; what fails is told by the report. */
async function runTests(): Promise<string> {
  const scratch = await mkdtemp(join(tmpdir(), "paddock-conformance-"));
  const file = join(scratch, "tests.json");
  const vitest = join(HOUSE, "node_modules/vitest/vitest.mjs");
  const config = join(import.meta.dirname, "vitest.config.ts");
  try {
    await run(process.execPath, [vitest, "run", "--config", config, "--reporter=json", `--outputFile=${file}`], {
      cwd: HOUSE,
    }).catch(() => "");
    return await readFile(file, "utf8");
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
