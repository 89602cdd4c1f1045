import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { runInProcess } from "@paddock/base/testing/in-process.ts";
import { collectorCommand } from "@paddock/collector/commands/collector-command.ts";
import { senmlPayload } from "@paddock/collector/sinks/testing/frames.ts";
import { GatewayClient } from "@paddock/collector/testing/gateway-client.ts";
import { CLAIM, testConfig } from "@paddock/collector/testing/test-collector.ts";
import { Sealer, testIdentity, type SealedBatch } from "@paddock/store/testing/sealer.ts";
import { signEnrolment } from "@paddock/wire/enrolment.ts";
import { partyId } from "@paddock/wire/identity.ts";
import { hasEnded } from "../has-ended.ts";

const MAIN = join(import.meta.dirname, "../../collector/main.ts");

/** A real collector with the operator's API over TCP and one gateway, which can be killed; its ports stay the same. */
export class CollectorProcess {
  readonly directory: string;
  readonly #sealer = new Sealer({ identity: testIdentity(1) });
  readonly #unconfirmed = new Set<SealedBatch>();
  #child: ChildProcess | undefined;
  #client: GatewayClient | undefined;
  #operatorPort = 0;
  #records = 0;

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async start(): Promise<CollectorProcess> {
    const collector = new CollectorProcess(await mkdtemp(join(tmpdir(), "paddock-streams-")));
    await collector.startAgain();
    const body = signEnrolment(collector.#sealer.identity, { claim: CLAIM, label: "barn", wall: 0 });
    const { status } = await collector.#client!.ask({ method: "POST", path: "/v1/enrolments", body });
    if (status !== 200) throw new Error(`The enrolment was answered ${status}.`);
    return collector;
  }

  /** Records that were handed in and confirmed, or still are to be. */
  get records(): number {
    return this.#records;
  }

  get url(): string {
    return `http://[::1]:${this.#operatorPort}/v1/streams/log`;
  }

  get configFile(): string {
    return join(this.directory, "collector.json");
  }

  get dataDir(): string {
    return join(this.directory, "data");
  }

  async token(): Promise<string> {
    return (await readFile(join(this.dataDir, "operator-token"), "utf8")).trim();
  }

  async startAgain(): Promise<void> {
    const operator = { listen: { address: "::1", port: this.#operatorPort } };
    await writeFile(this.configFile, JSON.stringify(testConfig(this.dataDir, { operator })));
    this.#child = spawn(process.execPath, [MAIN, "run", "--config", this.configFile], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    for await (const line of createInterface({ input: this.#child.stderr! })) {
      const event = JSON.parse(line) as Ready;
      if (event.event !== "ready") continue;
      this.#child.stderr!.resume();
      this.#operatorPort = event.operator.listen.port;
      this.#client = new GatewayClient(event.listen[0]!.port, partyId(Buffer.from(event.publicKey, "hex")));
      this.#client.proofs.add(this.#sealer.identity);
      return;
    }
    throw new Error("The collector ended before it was ready.");
  }

  /** Hands in batches, with those before that were never confirmed. False when the collector went meanwhile. */
  async upload(batches: number, recordsEach = 1): Promise<boolean> {
    for (let count = 0; count < batches; count++) {
      const values = Array.from({ length: recordsEach }, () => this.#records++);
      this.#unconfirmed.add(this.#sealer.seal(senmlPayload(values), recordsEach));
    }
    const sent = [...this.#unconfirmed];
    const answer = await this.#client!.upload(this.#sealer.chain, sent).catch(() => undefined);
    if (answer === undefined) return false;
    if (answer.status !== 200) throw new Error(`An upload was answered ${answer.status}: ${String(answer.body)}`);
    for (const batch of sent) this.#unconfirmed.delete(batch);
    return true;
  }

  /** What `paddock collector log` prints. */
  async lines(...argv: string[]): Promise<string[]> {
    const { code, stdout, stderr } = await runInProcess(collectorCommand, [
      "log",
      "--config",
      this.configFile,
      ...argv,
    ]);
    if (code !== 0) throw new Error(stderr);
    return stdout.split("\n").slice(0, -1);
  }

  async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    this.#client?.session.destroy();
    if (child === undefined || hasEnded(child)) return;
    child.kill(signal);
    await once(child, "exit");
  }

  async remove(): Promise<void> {
    await this.end("SIGKILL");
    await rm(this.directory, { recursive: true, force: true });
  }
}

interface Ready {
  readonly event: string;
  readonly publicKey: string;
  readonly listen: readonly { readonly port: number }[];
  readonly operator: { readonly listen: { readonly port: number } };
}
