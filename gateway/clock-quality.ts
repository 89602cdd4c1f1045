import { stat } from "node:fs/promises";
import type { Clock, Timer } from "@paddock/base/clock.ts";
import { CLOCK_HOLDOVER, CLOCK_SYNCHRONISED, CLOCK_UNSET, type ClockQuality } from "@paddock/wire/batch-header.ts";
import type { ClockQualitySource } from "./commit/ports.ts";

/** A wall clock before this was never set: no gateway runs this firmware before it was written. */
const PLAUSIBLE_FROM_MS = Date.UTC(2025, 0, 1);
/** How often the files of the time daemons are looked at. */
const REFRESH_MS = 10_000;
/** chronyd writes its drift file about hourly while it is synchronised. */
const DRIFT_FILE_AGE_MAX_MS = 3 * 3_600_000;

export interface TimeDaemonFiles {
  /** systemd-timesyncd makes this file once it has set the clock in this boot. */
  readonly timesync: string;
  readonly chronyPid: string;
  readonly chronyDrift: string;
}

const LINUX_FILES: TimeDaemonFiles = {
  timesync: "/run/systemd/timesync/synchronized",
  chronyPid: "/run/chrony/chronyd.pid",
  chronyDrift: "/var/lib/chrony/drift",
};

/**
 * Judges the wall clock. Node has no adjtimex(2), so this reads what the time daemons leave in the file system:
 * synchronised when systemd-timesyncd says so, or when chronyd runs and wrote its drift file lately; otherwise holdover
 * when the clock is plausible; otherwise unset. Under another time daemon the answer is therefore at most holdover,
 * which is the cautious side. Looks again every ten seconds.
 */
export class LinuxClockQuality implements ClockQualitySource {
  readonly #clock: Clock;
  readonly #files: TimeDaemonFiles;
  #synchronised = false;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(clock: Clock, files: TimeDaemonFiles = LINUX_FILES) {
    this.#clock = clock;
    this.#files = files;
  }

  quality(): ClockQuality {
    if (this.#clock.wallMs() < PLAUSIBLE_FROM_MS) return CLOCK_UNSET;
    return this.#synchronised ? CLOCK_SYNCHRONISED : CLOCK_HOLDOVER;
  }

  /** Takes a first look; resolves when it is taken. */
  async start(): Promise<void> {
    await this.#refresh();
    if (this.#stopped) return;
    this.#timer = this.#clock.after(REFRESH_MS, () => void this.start());
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  async #refresh(): Promise<void> {
    const [timesync, pid, drift] = await Promise.all([
      modifiedMs(this.#files.timesync),
      modifiedMs(this.#files.chronyPid),
      modifiedMs(this.#files.chronyDrift),
    ]);
    const fresh = drift !== undefined && Math.abs(this.#clock.wallMs() - drift) < DRIFT_FILE_AGE_MAX_MS;
    this.#synchronised = timesync !== undefined || (pid !== undefined && fresh);
  }
}

async function modifiedMs(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mtimeMs;
  } catch {
    return undefined;
  }
}
