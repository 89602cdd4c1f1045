import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { Clock, Timer } from "@paddock/base/clock.ts";
import { messageOf } from "@paddock/base/errors.ts";
import type { Log } from "@paddock/base/log.ts";
import { systemRandom, type Random } from "@paddock/base/random.ts";
import { VERSION } from "@paddock/base/version.ts";
import { readOtlpFiles, type OtlpConfig } from "./config.ts";
import { encodeExportRequest } from "./export-request.ts";
import { metricsOf, type Attributes, type Family } from "./metrics-data.ts";
import { post } from "./post.ts";
import { countedSinceMs, startPushes, stepPushes, type PushOutcome, type PushStep } from "./push-machine.ts";
import { outcomeOf } from "./push-outcome.ts";

export interface OtlpSources {
  /** The list that the page for Prometheus is made of. */
  readonly families: () => Promise<readonly Family[]>;
  /** What this collector is known by: its id, hex. */
  readonly instance: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly random?: Random;
  /** Called after each push. */
  readonly onPush: (outcome: PushOutcome) => void;
}

/** From a push's begin to the whole answer. */
const PATIENCE_MS = 10_000;
/** Within it the first push comes, so that collectors that start together do not push together. */
const FIRST_WITHIN_MS = 5000;

const zipped = promisify(gzip);

/** Pushes metrics to an OTLP receiver at an interval. One push is under way at a time, and none waits. */
export class OtlpExporter {
  readonly #config: OtlpConfig;
  readonly #sources: OtlpSources;
  readonly #random: Random;
  readonly #startUs: number;
  readonly #closing = new AbortController();
  #startMs: number;
  #machine;
  #timer: Timer | undefined;
  #pushing: Promise<void> | undefined;

  private constructor(config: OtlpConfig, sources: OtlpSources) {
    this.#config = config;
    this.#sources = sources;
    this.#random = sources.random ?? systemRandom;
    this.#startUs = sources.clock.monotonicUs();
    this.#startMs = sources.clock.wallMs();
    this.#machine = startPushes(config.intervalMs);
  }

  /** Throws CONFIG_INVALID or CONFIG_UNREADABLE for a file that the section names and that cannot be used. */
  static async start(config: OtlpConfig, sources: OtlpSources): Promise<OtlpExporter> {
    await readOtlpFiles(config);
    const exporter = new OtlpExporter(config, sources);
    exporter.#wait(exporter.#random.float() * Math.min(config.intervalMs, FIRST_WITHIN_MS));
    const { origin, pathname } = new URL(config.endpoint);
    const { intervalMs, tokenFile } = config;
    sources.log.info("otlp", { endpoint: origin + pathname, intervalMs, token: tokenFile !== null });
    return exporter;
  }

  /** True while the last push did not get through whole. */
  get hasProblem(): boolean {
    return this.#machine.problem !== undefined;
  }

  /** Gives up a push that is under way. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#timer?.cancel();
    await this.#pushing;
  }

  #wait(inMs: number): void {
    this.#timer = this.#sources.clock.after(inMs, () => {
      this.#pushing = this.#push();
    });
  }

  async #push(): Promise<void> {
    const { clock, onPush } = this.#sources;
    const beganUs = clock.monotonicUs();
    const outcome = await this.#tryPush().catch((error: unknown): PushOutcome => ({
      is: "failed",
      message: messageOf(error),
    }));
    if (this.#closing.signal.aborted) return;
    const step = stepPushes(this.#machine, outcome, this.#random.float());
    this.#machine = step.machine;
    onPush(outcome);
    this.#tell(step, outcome);
    const tookMs = (clock.monotonicUs() - beganUs) / 1000;
    // What failed late is not tried again at once.
    this.#wait(outcome.is === "failed" ? step.nextInMs : Math.max(0, step.nextInMs - tookMs));
  }

  async #tryPush(): Promise<PushOutcome> {
    const { clock } = this.#sources;
    const { ca, token } = await readOtlpFiles(this.#config);
    const body = await zipped(await this.#request());
    const patience = new AbortController();
    const timer = clock.after(PATIENCE_MS, () => {
      patience.abort();
    });
    try {
      const answer = await post({
        url: new URL(this.#config.endpoint),
        headers: {
          "content-type": "application/x-protobuf",
          "content-encoding": "gzip",
          "user-agent": `paddock-collector/${VERSION}`,
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        },
        body,
        ca,
        signal: AbortSignal.any([patience.signal, this.#closing.signal]),
      });
      return outcomeOf(answer, clock.wallMs());
    } catch (error) {
      const message = patience.signal.aborted ? `no answer within ${PATIENCE_MS / 1000} s` : messageOf(error);
      return { is: "failed", message };
    } finally {
      timer.cancel();
    }
  }

  async #request(): Promise<Buffer> {
    const { families, clock, instance } = this.#sources;
    const metrics = metricsOf(await families());
    const nowMs = clock.wallMs();
    const upMs = (clock.monotonicUs() - this.#startUs) / 1000;
    this.#startMs = countedSinceMs(this.#startMs, nowMs, upMs);
    return encodeExportRequest({
      resource: resourceOf(instance),
      scope: { name: "paddock.collector", version: VERSION },
      metrics,
      startMs: this.#startMs,
      nowMs,
    });
  }

  #tell({ tell, machine }: PushStep, outcome: PushOutcome): void {
    const { log } = this.#sources;
    switch (tell) {
      case "failed":
        log.warn("otlp-failed", { message: machine.problem });
        return;
      case "refused":
        log.warn("otlp-refused", { message: machine.problem });
        return;
      case "partial":
        log.warn("otlp-partial", {
          rejected: outcome.is === "taken" ? outcome.rejected : 0,
          message: machine.problem,
        });
        return;
      case "restored":
        log.info("otlp-restored");
    }
  }
}

/** OpenTelemetry's semantic conventions for a service. Prometheus makes the labels job and instance of the first two. */
export function resourceOf(instance: string): Attributes {
  return [
    ["service.name", "paddock-collector"],
    ["service.instance.id", instance],
    ["service.version", VERSION],
  ];
}
