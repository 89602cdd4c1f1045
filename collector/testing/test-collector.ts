import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock, type Clock } from "@paddock/base/clock.ts";
import { parseConfig } from "@paddock/base/config.ts";
import { silentLog, type Log } from "@paddock/base/log.ts";
import { signEnrolment } from "@paddock/wire/enrolment.ts";
import type { SigningIdentity } from "@paddock/wire/identity.ts";
import { startCollector, type Collector } from "../collector.ts";
import { CollectorConfigSchema, type CollectorConfig } from "../config.ts";
import { GatewayClient, TestProofs, type TestAnswer } from "./gateway-client.ts";

export const CLAIM = "let-me-in-please";

/** A configuration for tests: loopback, free ports, no ballast, little room. */
export function testConfig(dataDir: string, more: Readonly<Record<string, unknown>> = {}): CollectorConfig {
  const base = {
    dataDir,
    listen: [{ address: "::1", port: 0 }],
    store: { maxBytes: 1 << 30, minFreeBytes: 0, ballastBytes: 0 },
    claims: [{ code: CLAIM, label: "claimed" }],
  };
  return parseConfig(CollectorConfigSchema, { ...base, ...more }, "test");
}

interface TestOptions {
  readonly more: Readonly<Record<string, unknown>>;
  readonly clock: Clock;
  readonly log: Log;
}

/** A real collector on ::1 in a temporary directory. `restart` keeps the directory; `end` removes it. */
export class TestCollector {
  readonly directory: string;
  readonly #options: TestOptions;
  readonly #clients = new Set<GatewayClient>();
  /** Of all gateways that enrolled. */
  readonly proofs = new TestProofs();
  #collector: Collector;

  private constructor(directory: string, options: TestOptions, collector: Collector) {
    this.directory = directory;
    this.#options = options;
    this.#collector = collector;
  }

  static async start(
    more: Readonly<Record<string, unknown>> = {},
    { clock = systemClock, log = silentLog }: { clock?: Clock; log?: Log } = {},
  ): Promise<TestCollector> {
    const directory = await mkdtemp(join(tmpdir(), "paddock-collector-"));
    const collector = await startCollector(testConfig(directory, more), clock, log);
    return new TestCollector(directory, { more, clock, log }, collector);
  }

  get identity(): SigningIdentity {
    return this.#collector.identity;
  }

  get port(): number {
    return this.#collector.listen[0]!.port;
  }

  get socket(): string {
    return this.#collector.operator.socket;
  }

  get collector(): Collector {
    return this.#collector;
  }

  client(): GatewayClient {
    const client = new GatewayClient(this.port, this.identity.id, this.proofs);
    this.#clients.add(client);
    return client;
  }

  /** Enrols a gateway; without `claim` it waits for the operator. */
  async enrol(identity: SigningIdentity, { claim = "", label = "test" } = {}): Promise<TestAnswer> {
    this.proofs.add(identity);
    const client = this.client();
    const body = signEnrolment(identity, { claim, label, wall: 0 });
    const headers = { "content-type": 'application/cose; cose-type="cose-sign1"' };
    return client.ask({ method: "POST", path: "/v1/enrolments", headers, body });
  }

  async restart(): Promise<void> {
    await this.whileStopped(async () => {});
  }

  /** Stops the collector, lets `change` have its way with the directory, and starts it again. */
  async whileStopped(change: (directory: string) => Promise<void>): Promise<void> {
    await this.#stop();
    await change(this.directory);
    const { more, clock, log } = this.#options;
    this.#collector = await startCollector(testConfig(this.directory, more), clock, log);
  }

  async end(): Promise<void> {
    await this.#stop();
    await rm(this.directory, { recursive: true, force: true });
  }

  async #stop(): Promise<void> {
    for (const client of this.#clients) client.session.destroy();
    this.#clients.clear();
    await this.#collector.close();
  }
}
