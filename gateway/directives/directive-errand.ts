import type { KeyObject } from "node:crypto";
import type { Clock, Timer } from "@paddock/base/clock.ts";
import { messageOf } from "@paddock/base/errors.ts";
import type { Log } from "@paddock/base/log.ts";
import { expectAccepted } from "@paddock/base/outcome.ts";
import type { Forwarder } from "@paddock/uplink/forward/forwarder.ts";
import { CLOCK_UNSET } from "@paddock/wire/batch-header.ts";
import { openDirective, type DirectiveBody } from "@paddock/wire/directive.ts";
import { encodeGatewayRecord } from "@paddock/wire/gateway-record.ts";
import { publicKeyFromRaw } from "@paddock/wire/identity.ts";
import { FORMAT_GATEWAY } from "@paddock/wire/record.ts";
import type { FrameSink } from "../commit/frame-sink.ts";
import { GATEWAY_SOURCE } from "../commit/open-batch.ts";
import type { ClockQualitySource } from "../commit/ports.ts";
import { problemOfChange } from "./changed-config.ts";
import type { Directives } from "./directives.ts";
import type { Answer } from "./machine.ts";
import { problemOfRelease, releaseEnd, requestRelease, stickEnds } from "./releases.ts";

/** How soon it is tried again while no session is open, or no room for an answer. */
const RETRY_MS = 5000;
/** The first question after a start, when the sessions are being opened. */
const FIRST_MS = 250;
/** Answers go into the lane that gives nothing up. */
const ALARM = 0;

export interface DirectiveErrandOptions {
  readonly directives: Directives;
  /** Of this gateway, 32 bytes. */
  readonly gateway: Uint8Array;
  /** Raw public key of the collector. */
  readonly collector: Uint8Array;
  readonly forwarder: Pick<Forwarder, "directive">;
  readonly sink: FrameSink;
  readonly clock: Clock;
  readonly clockQuality: ClockQualitySource;
  readonly log: Log;
  /** 0 to 1, so that a fleet does not ask all at once. */
  readonly chance?: () => number;
}

/** Asks the collector for directives over its session, hands them to the state, and puts the answers into the chain. */
export class DirectiveErrand {
  readonly #options: DirectiveErrandOptions;
  readonly #collectorKey: KeyObject;
  readonly #gateway: string;
  #asking: Timer | undefined;
  #telling: Timer | undefined;
  /** Answers that are on their way into the chain. */
  readonly #underWay = new Set<Answer>();
  #stopped = false;

  constructor(options: DirectiveErrandOptions) {
    this.#options = options;
    this.#collectorKey = expectAccepted(publicKeyFromRaw(options.collector));
    this.#gateway = Buffer.from(options.gateway).toString("hex");
  }

  start(): void {
    this.#tell();
    this.#askIn(FIRST_MS);
  }

  /** Ends it; resolves when the state is at rest. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#asking?.cancel();
    this.#telling?.cancel();
    await this.#options.directives.settled();
  }

  #askIn(delayMs: number): void {
    if (this.#stopped) return;
    this.#asking = this.#options.clock.after(delayMs, () => {
      this.#ask().then(
        (nextMs) => this.#askIn(nextMs),
        (error: unknown) => {
          this.#options.log.error("directive-failed", { message: messageOf(error) });
          this.#askIn(this.#pauseMs());
        },
      );
    });
  }

  /** Asks once; resolves with when to ask again. */
  async #ask(): Promise<number> {
    const { directives, forwarder, log } = this.#options;
    await this.#lookForRelease();
    await this.#lookForSticks();
    const outcome = await forwarder.directive();
    if (this.#stopped) return RETRY_MS;
    if (outcome === undefined) return RETRY_MS;
    if (!outcome.ok) {
      log.debug("directive-not-asked", { reason: outcome.reason, detail: outcome.detail });
      return Math.max(RETRY_MS, outcome.retryAfterMs ?? 0);
    }
    if (outcome.value !== undefined && directives.own.directives.take.length > 0) await this.#take(outcome.value);
    return this.#pauseMs();
  }

  async #take(encoded: Uint8Array): Promise<void> {
    const { directives, clock, clockQuality, log } = this.#options;
    const opened = openDirective(encoded, this.#collectorKey);
    // Whoever made it, the collector did not: there is nobody to answer.
    if (!opened.ok) return log.warn("directive-unsigned", { reason: opened.reason, detail: opened.detail });
    const { id, gateway, issued, notAfter, body } = opened.value;
    const name = Buffer.from(id).toString("hex");
    await directives.apply({
      kind: "offer",
      offer: { id: name, gateway: Buffer.from(gateway).toString("hex"), issued, notAfter, body },
      gateway: this.#gateway,
      nowMs: clockQuality.quality() === CLOCK_UNSET ? undefined : clock.wallMs(),
      problem: await this.#problemOf(body),
    });
    // Also when it comes again: the process may have ended between the two.
    if (body.kind === "release" && directives.state.release?.id === name) {
      await requestRelease(directives.own.dataDir, name, body);
    }
    this.#tell();
  }

  async #problemOf(body: DirectiveBody): Promise<string | undefined> {
    const { own, updateDir } = this.#options.directives;
    if (body.kind === "unknown") return undefined;
    if (!own.directives.take.includes(body.kind)) return `this gateway takes no ${body.kind} (directives.take)`;
    return body.kind === "config" ? problemOfChange(own, body) : problemOfRelease(updateDir);
  }

  async #lookForRelease(): Promise<void> {
    const { directives } = this.#options;
    const { release } = directives.state;
    const end = release === null ? undefined : await releaseEnd(directives.updateDir, release.id);
    if (end === undefined) return;
    const { outcome, reason } = end;
    await directives.apply({ kind: "release-ended", id: release!.id, outcome, reason: reason ?? "" });
    this.#tell();
  }

  /** What people did here by a stick belongs into the chain, too: nobody who is far away has seen it. */
  async #lookForSticks(): Promise<void> {
    const { directives } = this.#options;
    for (const [id, { version, outcome, reason }] of await stickEnds(directives.updateDir)) {
      // What is not signed says nothing that could be believed of its version.
      const subject = version === undefined ? "release on a stick" : `release ${version}`;
      await directives.apply({ kind: "stick-ended", id, subject, outcome, reason: `by a stick: ${reason ?? ""}` });
    }
    this.#tell();
  }

  /** Puts what was not told yet into the chain; what finds no room is tried again. */
  #tell(): void {
    this.#telling?.cancel();
    if (this.#stopped) return;
    const { directives, clock } = this.#options;
    for (const answer of directives.state.answers) {
      if (!directives.isToBeTold(answer) || this.#underWay.has(answer)) continue;
      if (this.#submit(answer)) this.#underWay.add(answer);
      else this.#telling = clock.after(RETRY_MS, () => this.#tell());
    }
  }

  /** Whether it was taken. */
  #submit(answer: Answer): boolean {
    const { sink, clock } = this.#options;
    const { id, outcome, subject, reason } = answer;
    const pressure = sink.submit(
      {
        lane: ALARM,
        encodedSource: GATEWAY_SOURCE,
        format: FORMAT_GATEWAY,
        frame: encodeGatewayRecord({ kind: "directive", id: Buffer.from(id, "hex"), outcome, subject, reason }),
        receivedUs: clock.monotonicUs(),
      },
      (failure) => void this.#told(answer, failure === undefined),
    );
    return pressure === undefined;
  }

  async #told(answer: Answer, durable: boolean): Promise<void> {
    const { directives, clock } = this.#options;
    const { id, outcome } = answer;
    if (durable) await directives.apply({ kind: "told", id, outcome });
    this.#underWay.delete(answer);
    if (!durable && !this.#stopped) this.#telling = clock.after(RETRY_MS, () => this.#tell());
  }

  #pauseMs(): number {
    const { directives, chance = Math.random } = this.#options;
    return directives.own.directives.everyS * 1000 * (0.8 + 0.4 * chance());
  }
}
