import { access, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock, Timer } from "@paddock/base/clock.ts";
import { formatDuration } from "@paddock/base/duration.ts";
import { messageOf } from "@paddock/base/errors.ts";
import type { Log } from "@paddock/base/log.ts";
import { NOTICE_MAX, NOTICES_MAX } from "../config/fields.ts";
import type { GatewayConfig } from "../config.ts";
import { changedConfig } from "./changed-config.ts";
import { advanceDirectives, type Answer, type DirectiveEvent, type DirectiveState } from "./machine.ts";
import { UPDATE_DIR } from "../update/state.ts";
import { readDirectiveState, RESET_FILE, setStateAside, writeDirectiveState } from "./state-file.ts";

export interface DirectivesOptions {
  /** The gateway's own configuration, as its file has it. */
  readonly own: GatewayConfig;
  readonly clock: Clock;
  readonly log: Log;
  /** Where whoever installs releases says what became of them. */
  readonly updateDir?: string;
}

/** One run of the gateway, from one configuration to the next. */
export interface Run {
  readonly config: GatewayConfig;
  /** Resolves when the gateway is to be stopped and run anew, with why. */
  readonly restart: Promise<string>;
}

/**
 * What the collector's directives have done to this gateway's configuration, durably, and the configuration that follows
 * from it. Every change of the state is written before anything is done about it; what belongs to a process's
 * start waits until `started`, when the store is locked and no other process can be at work on it.
 */
export class Directives {
  readonly own: GatewayConfig;
  readonly updateDir: string;
  readonly #clock: Clock;
  readonly #log: Log;
  #state: DirectiveState;
  #damaged: string | undefined;
  #reset: boolean;
  #started = false;
  #trialTimer: Timer | undefined;
  #restart = Promise.withResolvers<string>();
  /** The change that the present run has on trial, by its id. */
  #onTrial: string | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(options: DirectivesOptions, state: DirectiveState, damaged: string | undefined, reset: boolean) {
    this.own = options.own;
    this.updateDir = options.updateDir ?? UPDATE_DIR;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#state = state;
    this.#damaged = damaged;
    this.#reset = reset;
  }

  /** Reads what is there and changes nothing. Throws STORE_READ_FAILED. */
  static async open(options: DirectivesOptions): Promise<Directives> {
    const { dataDir, collector } = options.own;
    const { state, damaged } = await readDirectiveState(dataDir, collector?.publicKey);
    const reset = await access(join(dataDir, RESET_FILE)).then(
      () => true,
      () => false,
    );
    return new Directives(options, state, damaged, reset);
  }

  get state(): DirectiveState {
    return this.#state;
  }

  /** Whether an answer is for the present run to tell. That a change is tried is told by the trial: its receipt is the proof. */
  isToBeTold({ id, told, outcome }: Answer): boolean {
    return !told && (outcome !== "trying" || id !== this.#state.trial?.id || id === this.#onTrial);
  }

  /** Begins a run. That of a trial has its time from now on, whatever becomes of it. */
  begin(): Run {
    this.#restart = Promise.withResolvers<string>();
    this.#trialTimer?.cancel();
    const trial = this.#started ? this.#state.trial : null;
    this.#onTrial = trial?.id;
    if (trial === null) return { config: this.#confirmed(), restart: this.#restart.promise };
    const trialMs = this.own.directives.trialS * 1000;
    this.#trialTimer = this.#clock.after(trialMs, () => {
      void this.giveUp(`no receipt came within ${formatDuration(trialMs)}`);
    });
    const changed = changedConfig(this.own, trial);
    if (changed.ok) return { config: changed.value, restart: this.#restart.promise };
    // It was checked before it was taken.
    throw new Error(`a change on trial does not fit any more: ${changed.detail}`);
  }

  /** To be called when the store is locked: from now on what is here is this process's. */
  async started(): Promise<void> {
    if (this.#started) return;
    this.#started = true;
    const { dataDir } = this.own;
    if (this.#damaged !== undefined) {
      this.#log.error("directives-damaged", { message: this.#damaged, goesOnWith: "the gateway's own configuration" });
      await setStateAside(dataDir).catch((error: unknown) => this.#couldNotWrite(error));
    }
    await this.apply({ kind: "start", reset: this.#reset });
    if (this.#reset) await rm(join(dataDir, RESET_FILE), { force: true });
  }

  /** The collector holds something that this run has sent. */
  receipt(): void {
    if (this.#onTrial !== undefined) void this.apply({ kind: "receipt", trial: this.#onTrial });
  }

  /** Ends a trial; whether there was one, so that another run can begin. */
  async giveUp(reason: string): Promise<boolean> {
    if (this.#state.trial === null) return false;
    await this.apply({ kind: "give-up", reason });
    return true;
  }

  /** Takes one event after the other. Resolves with whether it took effect: durably, but for the end of a trial. */
  apply(event: DirectiveEvent): Promise<boolean> {
    const done = this.#turn.then(() => this.#apply(event));
    this.#turn = done;
    return done;
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    await this.#turn;
  }

  async #apply(event: DirectiveEvent): Promise<boolean> {
    const before = this.#state;
    const after = advanceDirectives(before, event);
    if (after === before) return true;
    const { dataDir, collector } = this.own;
    try {
      await mkdir(dataDir, { recursive: true, mode: 0o700 });
      await writeDirectiveState(dataDir, collector?.publicKey ?? "", after);
    } catch (error) {
      this.#couldNotWrite(error);
      // A trial that is over ends also on a full disk; the next start comes to the same.
      if (event.kind !== "give-up") return false;
    }
    this.#state = after;
    this.#follow(before, after);
    return true;
  }

  #follow(before: DirectiveState, after: DirectiveState): void {
    const newest = after.answers.at(-1);
    if (newest !== undefined && newest !== before.answers.at(-1) && !newest.told) {
      const { subject, outcome, reason } = newest;
      const level = outcome === "trying" || outcome === "applied" ? "info" : "warn";
      this.#log[level]("directive", { subject, outcome, ...(reason === "" ? {} : { reason }) });
    }
    if (after.trial === before.trial) return;
    this.#trialTimer?.cancel();
    if (after.trial !== null) this.#restart.resolve(`trial of revision ${after.trial.revision}`);
    // What a process before this one had on trial is not what runs here.
    else if (after.confirmed === before.confirmed && before.trial?.id === this.#onTrial)
      this.#restart.resolve("the trial is over");
  }

  /** The gateway's own configuration with what is confirmed laid over it, as far as that still fits. */
  #confirmed(): GatewayConfig {
    const { confirmed } = this.#state;
    if (confirmed === null || (this.#reset && !this.#started)) return this.own;
    const changed = changedConfig(this.own, confirmed);
    if (changed.ok) return changed.value;
    this.#log.error("directive-not-used", { revision: confirmed.revision, message: changed.detail });
    const notice = `directives: revision ${confirmed.revision} does not fit this gateway's own file any more, which is used alone: ${changed.detail}`;
    const notices = [...this.own.notices.slice(0, NOTICES_MAX - 1), notice.slice(0, NOTICE_MAX)];
    return { ...this.own, notices };
  }

  #couldNotWrite(error: unknown): void {
    this.#log.error("directives-not-written", { message: messageOf(error) });
  }
}
