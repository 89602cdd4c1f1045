import type { Clock, Timer } from "@paddock/base/clock.ts";
import type { StallMeter } from "./stall-meter.ts";

export interface HeartbeatDuty {
  /** The fastest interval to watch over, in microseconds; undefined ends the beating. */
  fastestUs(): number | undefined;
  everySecond(nowUs: number): void;
}

/** A timer of the speaker's own, so that stalls show also between packets: four beats in the fastest interval. */
export class Heartbeat {
  readonly #clock: Clock;
  readonly #stalls: StallMeter;
  readonly #duty: HeartbeatDuty;
  #timer: Timer | undefined;
  #nextSecondUs = 0;

  constructor(clock: Clock, stalls: StallMeter, duty: HeartbeatDuty) {
    this.#clock = clock;
    this.#stalls = stalls;
    this.#duty = duty;
  }

  start(): void {
    if (this.#timer !== undefined) return;
    const fastestUs = this.#duty.fastestUs();
    if (fastestUs === undefined) return;
    const delayMs = Math.min(250, Math.max(5, Math.floor(fastestUs / 4000)));
    const dueUs = this.#clock.monotonicUs() + delayMs * 1000;
    this.#stalls.expectHeartbeat(dueUs);
    this.#timer = this.#clock.after(delayMs, () => {
      const nowUs = this.#clock.monotonicUs();
      this.#stalls.note(dueUs, nowUs);
      this.#timer = undefined;
      if (nowUs >= this.#nextSecondUs) {
        this.#nextSecondUs = nowUs + 1_000_000;
        this.#duty.everySecond(nowUs);
      }
      this.start();
    });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#stalls.expectHeartbeat(undefined);
  }
}
