import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, test } from "vitest";
import { countOf } from "@paddock/base/ranges.ts";
import { expectAccepted } from "@paddock/base/outcome.ts";
import { scaled } from "@paddock/base/testing/fuzz.ts";
import { ChainStore } from "@paddock/store/chain-store.ts";
import { systemClock } from "@paddock/base/clock.ts";
import { Sealer, testIdentity } from "@paddock/store/testing/sealer.ts";
import { signEnrolment } from "@paddock/wire/enrolment.ts";
import { partyId, publicKeyFromRaw } from "@paddock/wire/identity.ts";
import { openReceipt, type Receipt } from "@paddock/wire/receipt.ts";
import { GatewayClient } from "./testing/gateway-client.ts";
import { CLAIM, testConfig } from "./testing/test-collector.ts";

const KILLS = 1 + scaled(8);
const MAIN = new URL("main.ts", import.meta.url).pathname;

let directory: string;
let child: ChildProcess | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-restart-"));
  await writeFile(join(directory, "collector.json"), JSON.stringify(testConfig(join(directory, "data"))));
});

afterEach(async () => {
  if (child !== undefined) await end("SIGKILL");
  await rm(directory, { recursive: true, force: true });
});

interface Running {
  readonly client: GatewayClient;
  readonly open: (encoded: Uint8Array) => Receipt;
}

/** Starts a real collector process and waits until it serves. */
async function start(): Promise<Running> {
  child = spawn(process.execPath, [MAIN, "run", "--config", join(directory, "collector.json")], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  for await (const line of createInterface({ input: child.stderr! })) {
    const event = JSON.parse(line) as { event: string; publicKey: string; listen: { port: number }[] };
    if (event.event !== "ready") continue;
    const raw = Buffer.from(event.publicKey, "hex");
    const key = expectAccepted(publicKeyFromRaw(raw));
    child.stderr!.resume();
    const client = new GatewayClient(event.listen[0]!.port, partyId(raw));
    client.proofs.add(testIdentity(1));
    return {
      client,
      open: (encoded) => expectAccepted(openReceipt(encoded, key)),
    };
  }
  throw new Error("the collector ended before it was ready");
}

async function end(signal: NodeJS.Signals): Promise<number | null> {
  const running = child!;
  child = undefined;
  if (running.exitCode !== null || running.signalCode !== null) return running.exitCode;
  running.kill(signal);
  const [code] = (await once(running, "exit")) as [number | null];
  return code;
}

async function enrol(client: GatewayClient, sealer: Sealer): Promise<void> {
  const body = signEnrolment(sealer.identity, { claim: CLAIM, label: "", wall: 0 });
  expect((await client.ask({ method: "POST", path: "/v1/enrolments", body })).status).toBe(200);
}

test("kill -9 among uploads: no receipt was ever given for what is not there, and nothing is half there", async () => {
  const sealer = new Sealer({ identity: testIdentity(1) });
  const sealed: ReturnType<Sealer["sealMany"]> = [];
  let acknowledged = 0;
  for (let round = 0; round < KILLS; round++) {
    const { client, open } = await start();
    if (round === 0) await enrol(client, sealer);
    const current = await client.receipt(sealer.chain);
    const now = current.status === 404 ? { linked: 0, head: null } : open(current.body);
    expect(now.linked).toBeGreaterThanOrEqual(acknowledged);
    if (now.head !== null) expect(Buffer.from(now.head)).toEqual(Buffer.from(sealed[now.linked - 1]!.hash));
    sealed.push(...sealer.sealMany(100, 2000));
    // As a gateway does: from where the collector says it is.
    const answers: Promise<void>[] = [];
    for (let first = now.linked; first < sealed.length; first += 10) {
      const upload = client.upload(sealer.chain, sealed.slice(first, first + 10));
      const take = ({ status, body }: { status: number; body: Buffer }): void => {
        if (status === 200) acknowledged = Math.max(acknowledged, open(body).linked);
      };
      answers.push(upload.then(take, () => {}));
    }
    await Promise.all(answers.slice(0, 1 + round));
    await end("SIGKILL");
    await Promise.all(answers);
  }
  const { client, open } = await start();
  const receipt = open((await client.receipt(sealer.chain)).body);
  expect(receipt.linked).toBeGreaterThanOrEqual(acknowledged);
  expect(acknowledged).toBeGreaterThan(0);
  client.session.destroy();
  expect(await end("SIGTERM")).toBe(0);
  const config = testConfig(join(directory, "data"));
  const ledger = await ChainStore.open({
    directory: join(directory, "data", "ledger"),
    ...config.store,
    arrivalLog: true,
    outOfOrder: true,
    clock: systemClock,
  });
  expect(ledger.chain(sealer.chain)).toMatchObject({ linked: receipt.linked, held: receipt.held });
  expect(await ledger.verify(sealer.chain)).toMatchObject({ broken: 0 });
  expect(ledger.logEnd()).toBe(countOf(receipt.held));
  await ledger.close();
});

test("SIGTERM lets the upload in flight finish, and ends with 0", async () => {
  const { client, open } = await start();
  const sealer = new Sealer({ identity: testIdentity(1) });
  await enrol(client, sealer);
  const upload = client.upload(sealer.chain, sealer.sealMany(50, 4000));
  const code = end("SIGTERM");
  const answer = await upload.catch(() => undefined);
  expect(await code).toBe(0);
  if (answer?.status === 200) expect(open(answer.body).linked).toBe(50);
  else expect(answer?.status ?? 503).toBe(503);
});

test("while it runs a second one is refused; a signal and its echo are one, and the end is a clean one", async () => {
  const { client } = await start();
  const second = spawn(process.execPath, [MAIN, "run", "--config", join(directory, "collector.json")], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  second.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const [code] = (await once(second, "close")) as [number];
  expect(code).toBe(1);
  const failed = said.split("\n").flatMap((line) => (line.startsWith("{") ? [JSON.parse(line) as object] : []));
  expect(failed).toContainEqual(expect.objectContaining({ event: "failed", code: "STORE_LOCKED" }));

  // As timeout(1) and service managers send it. One request is under way: the collector cannot be gone before the echo.
  const held = client.session.request({ ":method": "POST", ":path": "/v1/enrolments" }, { endStream: false });
  held.on("error", () => {});
  held.write("x");
  await client.ask({ path: "/v1/none" });
  const lines = createInterface({ input: child!.stderr! });
  const exited = once(child!, "exit");
  child!.kill("SIGTERM");
  for await (const line of lines) if (line.includes('"stopping"')) break;
  child!.kill("SIGTERM");
  client.session.destroy();
  expect(await exited).toEqual([0, null]);
  child = undefined;
});
