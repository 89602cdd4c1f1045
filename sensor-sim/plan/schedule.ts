import type { Random } from "@paddock/base/random.ts";
import type { Fleet, Phase } from "../scenario/schema.ts";
import { logarithmOfShare } from "./portable-math.ts";

/** When a sensor sends next: cadence, jitter, ramp, churn and the scenario's phases, in virtual time. */
export class SensorSchedule {
  readonly #fleet: Fleet;
  readonly #phases: readonly Phase[];
  readonly #random: Random;
  #onlineUntilUs = Number.POSITIVE_INFINITY;
  #rebooted = false;
  #dueUs: number;

  /** `phases` are those of the sensor's fleet, in order of time. */
  constructor(fleet: Fleet, index: number, phases: readonly Phase[], random: Random) {
    this.#fleet = fleet;
    this.#phases = phases;
    this.#random = random;
    const joinsUs = (fleet.start + (fleet.ramp * index) / fleet.count) * 1000;
    // Without a ramp, sensors are spread over one cadence, as devices that were switched on at any time are.
    const spreadUs = fleet.ramp === 0 ? random.float() * fleet.cadence * 1000 : 0;
    if (fleet.churn !== null) this.#onlineUntilUs = joinsUs + exponential(fleet.churn.online, random);
    this.#dueUs = this.#settle(joinsUs + spreadUs, 0);
  }

  /** Microseconds since the start of the run; infinite once the fleet has stopped. */
  get dueUs(): number {
    return this.#fleet.stop !== null && this.#dueUs >= this.#fleet.stop * 1000 ? Number.POSITIVE_INFINITY : this.#dueUs;
  }

  advance(): void {
    const { cadence, jitter } = this.#fleet;
    const intervalMs = jitter === 0 ? cadence : cadence + jitter * (this.#random.float() * 2 - 1);
    this.#dueUs = this.#settle(this.#dueUs, Math.max(1, intervalMs * 1000));
  }

  /** Whether the device has restarted since this was asked last. */
  takeReboot(): boolean {
    const rebooted = this.#rebooted;
    this.#rebooted = false;
    return rebooted;
  }

  /** The time `workUs` of sending time after `fromUs`, with churn on top of the phases. */
  #settle(fromUs: number, workUs: number): number {
    let dueUs = this.#throughPhases(fromUs, workUs);
    const { churn } = this.#fleet;
    if (churn === null) return Math.round(dueUs);
    while (dueUs >= this.#onlineUntilUs) {
      const backUs = this.#onlineUntilUs + exponential(churn.offline, this.#random);
      this.#onlineUntilUs = backUs + exponential(churn.online, this.#random);
      this.#rebooted ||= churn.reboot;
      dueUs = this.#throughPhases(Math.max(backUs, dueUs), 0);
    }
    return Math.round(dueUs);
  }

  #throughPhases(fromUs: number, workUs: number): number {
    let nowUs = fromUs;
    let leftUs = workUs;
    for (const phase of this.#phases) {
      const startUs = phase.at * 1000;
      const endUs = startUs + phase.for * 1000;
      if (nowUs >= endUs) continue;
      if (nowUs < startUs) {
        if (nowUs + leftUs < startUs) return nowUs + leftUs;
        leftUs -= startUs - nowUs;
        nowUs = startUs;
      }
      if (phase.rate === 0) {
        nowUs = endUs + this.#random.float() * phase.spread * 1000;
        leftUs = 0;
        this.#rebooted ||= phase.reboot;
      } else if (leftUs <= (endUs - nowUs) * phase.rate) {
        return nowUs + leftUs / phase.rate;
      } else {
        leftUs -= (endUs - nowUs) * phase.rate;
        nowUs = endUs;
      }
    }
    return nowUs + leftUs;
  }
}

function exponential(meanMs: number, random: Random): number {
  return -logarithmOfShare(1 - random.float()) * meanMs * 1000;
}
