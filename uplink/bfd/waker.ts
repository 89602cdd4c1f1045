import type { Clock } from "@paddock/base/clock.ts";
import type { SessionEvent } from "./session.ts";
import type { SpeakerSession } from "./speaker-session.ts";
import type { StallMeter } from "./stall-meter.ts";

/** Rounds of reading before silence is believed: one round reads some 32 datagrams of a socket. */
const DRAIN_ROUNDS_MAX = 64;
/** Timers count in milliseconds and may be one off; what is left before a detection is spent reading. */
const TIMER_GRAIN_US = 1500;

export interface WakerDuty {
  /** Runs the callback after sockets have been read once. */
  readonly afterReading: (callback: () => void) => void;
  /** How many datagrams have come to all sessions so far. */
  readonly datagrams: () => number;
  readonly step: (session: SpeakerSession, event: SessionEvent) => void;
}

/** Wakes sessions when their machines want it, and reads what waits before a silence is judged. */
export class Waker {
  readonly #clock: Clock;
  readonly #stalls: StallMeter;
  readonly #duty: WakerDuty;

  constructor(clock: Clock, stalls: StallMeter, duty: WakerDuty) {
    this.#clock = clock;
    this.#stalls = stalls;
    this.#duty = duty;
  }

  /** Reads until nothing new comes, then lets the machine judge the silence. */
  drain(session: SpeakerSession): void {
    if (session.draining) return;
    session.draining = true;
    const round = (seen: number, left: number): void => {
      this.#duty.afterReading(() => {
        if (session.closed) return;
        if (this.#duty.datagrams() !== seen && left > 0) return round(this.#duty.datagrams(), left - 1);
        session.draining = false;
        this.#duty.step(session, { kind: "drained" });
        this.arm(session);
      });
    };
    round(this.#duty.datagrams(), DRAIN_ROUNDS_MAX);
  }

  /** One timer a session: moved only when it has to fire earlier, because each packet moves the detection later. */
  arm(session: SpeakerSession): void {
    if (session.draining || session.closed) return;
    const wakeUs = session.machine.wakeAtUs();
    if (wakeUs === undefined || session.timerDueUs <= wakeUs) return;
    session.timer?.cancel();
    const nowUs = this.#clock.monotonicUs();
    const leftUs = wakeUs - nowUs;
    const detects = wakeUs === session.machine.detectAtUs();
    if (detects && leftUs < TIMER_GRAIN_US) {
      session.timer = undefined;
      session.timerDueUs = wakeUs;
      this.#duty.afterReading(() => this.#wake(session, wakeUs));
      return;
    }
    // Packets may leave up to a grain late; a detection comes early and covers the rest by reading.
    const delayMs = Math.max(0, detects ? Math.floor(leftUs / 1000) : Math.ceil(leftUs / 1000));
    const dueUs = nowUs + delayMs * 1000;
    session.timerDueUs = dueUs;
    session.timer = this.#clock.after(delayMs, () => {
      this.#stalls.note(dueUs, this.#clock.monotonicUs());
      this.#wake(session, dueUs);
    });
  }

  #wake(session: SpeakerSession, dueUs: number): void {
    // A wake that was overtaken by an earlier one cannot be cancelled while it waits for reading.
    if (session.closed || session.timerDueUs !== dueUs) return;
    session.timerDueUs = Infinity;
    this.#duty.step(session, { kind: "tick" });
    this.arm(session);
  }
}
