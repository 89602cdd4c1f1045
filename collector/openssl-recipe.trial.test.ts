import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { scaled } from "@paddock/base/testing/fuzz.ts";
import { Sealer, testIdentity, testPayload } from "@paddock/store/testing/sealer.ts";
import { encodeProof, verifyProof } from "@paddock/wire/proof.ts";
import { signReceipt } from "@paddock/wire/receipt.ts";
import { ask } from "./operator/operator-client.ts";
import { writeProofParts } from "./proof/proof-parts.ts";
import { CLAIM, TestCollector } from "./testing/test-collector.ts";

/** All that the recipe in docs/proof.md may use. */
const TOOLS = ["sh", "openssl", "sha256sum", "head", "tail", "od", "tr", "wc", "cut", "mktemp", "rm", "awk"];

/** A thousand in CI. */
const HEADERS = scaled(1000);

let work: string;
let proof: Buffer;
let recipe: string;

beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), "paddock-recipe-"));
  await mkdir(join(work, "bin"));
  for (const tool of TOOLS) await symlink(findTool(tool), join(work, "bin", tool));
  const document = await readFile(new URL("../docs/proof.md", import.meta.url), "utf8");
  recipe = /```sh\n([\s\S]*?)```/u.exec(document)![1]!;
  proof = await makeProof();
});

afterAll(() => rm(work, { recursive: true, force: true }));

function findTool(tool: string): string {
  const found = (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((directory) => join(directory, tool))
    .find((path) => existsSync(path));
  if (found === undefined) throw new Error(`${tool} is not installed; the recipe of docs/proof.md needs it`);
  return found;
}

/** From a real collector: the second record of the third batch, of six. */
async function makeProof(): Promise<Buffer> {
  const collector = await TestCollector.start();
  try {
    const sealer = new Sealer({ identity: testIdentity(1) });
    await collector.enrol(sealer.identity, { claim: CLAIM });
    const batches = [
      ...sealer.sealMany(2),
      sealer.seal(Buffer.concat([testPayload(1, 40), testPayload(2, 300)]), 2),
      ...sealer.sealMany(3),
    ];
    await collector.client().upload(sealer.chain, batches);
    return await ask(collector.socket, { path: "/v1/proof?offset=3" });
  } finally {
    await collector.end();
  }
}

/** Runs the recipe over the exported parts, after `alter` had its way with them. */
async function runRecipe(
  alter: (directory: string) => Promise<void> = async () => {},
  exported = proof,
): Promise<{ code: number; stdout: string; stderr: string }> {
  const directory = await mkdtemp(join(work, "parts-"));
  await writeProofParts(exported, directory);
  await alter(directory);
  const options = { cwd: directory, env: { PATH: join(work, "bin"), TMPDIR: work } };
  try {
    const { stdout, stderr } = await promisify(execFile)(join(work, "bin", "sh"), ["-c", recipe], options);
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, stdout, stderr };
  }
}

const numbered = (index: number): string => String(index).padStart(3, "0");

function flipByte(name: string, at: number) {
  return async (directory: string): Promise<void> => {
    const bytes = await readFile(join(directory, name));
    bytes[at < 0 ? bytes.length + at : at]! ^= 1;
    await writeFile(join(directory, name), bytes);
  };
}

describe("the recipe in docs/proof.md, with nothing but openssl, sha256sum and coreutils", () => {
  test("finds that the proof holds, and names the two parties", async () => {
    const verified = verifyProof(proof);
    expect(verified).toMatchObject({ ok: true, value: { links: 4 } });
    if (!verified.ok) return;
    const { code, stdout, stderr } = await runRecipe();
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("the proof holds");
    expect(stdout).toContain(Buffer.from(verified.value.gateway).toString("hex"));
    expect(stdout).toContain(Buffer.from(verified.value.collector).toString("hex"));
  });

  test(`takes ${HEADERS} headers in one pass`, async () => {
    const [sealer, collector] = [new Sealer({ identity: testIdentity(3) }), testIdentity(4)];
    const batches = sealer.sealMany(HEADERS);
    const receipt = signReceipt(collector, {
      ...sealer.chain,
      held: [[0, HEADERS - 1]],
      bare: [],
      linked: HEADERS,
      head: sealer.previous,
      received: 0,
    });
    const long = encodeProof({
      gatewayKey: sealer.identity.publicKeyRaw,
      collectorKey: collector.publicKeyRaw,
      headers: batches.map(({ header }) => header),
      payload: batches[0]!.payload,
      index: 0,
      receipt,
    });
    expect(await runRecipe(async () => {}, long)).toMatchObject({ code: 0, stdout: /the proof holds/u });
    const altered = flipByte(`header-${numbered(HEADERS / 2)}.cose`, 80);
    expect((await runRecipe(altered, long)).stderr).toMatch(
      new RegExp(
        `header-(${numbered(HEADERS / 2)}|${numbered(HEADERS / 2 + 1)}).cose (does not follow|is of another)`,
        "u",
      ),
    );
  });

  const alterations: [what: string, alter: (directory: string) => Promise<void>, finding: RegExp][] = [
    ["a byte of the payload", flipByte("payload.cborseq", 50), /payload is not what/u],
    ["a byte of the frame", flipByte("frame.bin", 10), /frame is not in the payload/u],
    [
      "a byte in the place of a header",
      flipByte("header-001.cose", 60),
      /signature of header-001|another gateway|follow/u,
    ],
    ["the payload hash of a header", flipByte("header-000.cose", -80), /payload is not what/u],
    ["the payload hash of a later header", flipByte("header-002.cose", -80), /header-003.cose does not follow/u],
    ["the signature of a header in between", flipByte("header-001.cose", -1), /header-002.cose does not follow/u],
    ["the signature of a header", flipByte("header-003.cose", -1), /signature of header-003/u],
    ["a byte of the receipt", flipByte("receipt.cose", 60), /signature of receipt/u],
    ["the signature of the receipt", flipByte("receipt.cose", -5), /signature of receipt/u],
    [
      "a header in the middle, by taking it away",
      (directory) => rm(join(directory, "header-001.cose")),
      /header-002.cose does not follow/u,
    ],
    [
      "the last header, by taking it away",
      (directory) => rm(join(directory, "header-003.cose")),
      /does not name the last header/u,
    ],
  ];
  test.each(alterations)("finds %s changed", async (_what, alter, finding) => {
    const { code, stdout, stderr } = await runRecipe(alter);
    expect(code).toBe(1);
    expect(stderr).toMatch(finding);
    expect(stdout).not.toContain("the proof holds");
  });
});
