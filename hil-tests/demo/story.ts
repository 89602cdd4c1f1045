import { setTimeout as sleep } from "node:timers/promises";
import { formatDuration } from "@paddock/base/duration.ts";
import { plural } from "@paddock/gateway/cli/format.ts";
import type { LogEvent } from "./children.ts";
import type { DemoFiles } from "./files.ts";
import { tellLink } from "./link-control.ts";
import { stamp } from "./panel.ts";
import type { Screen } from "./screen.ts";
import type { StatusFeed } from "./status-feed.ts";
import { WATCH } from "./uplinks.ts";

/** While the first receipt on the next path is awaited, this bounds the error of its time. */
const CLOSE_LOOK_MS = 15;
const USUAL_LOOK_MS = 100;
/** Longer than request timeouts take to find a black hole without a watcher. */
const SWITCH_MS = 60_000;

const LOG_LINE_MS = 500;

/** One change of the path, as the gateway logs it. */
interface PathSwitch {
  readonly from?: string;
  readonly to?: string;
  readonly why: string;
  readonly detectedInMs?: number;
  readonly framesResent: number;
}

/** What the cut cost. */
export interface CutResult {
  readonly path: string;
  readonly next: string;
  /** Unix ms. */
  readonly cutWallMs: number;
  /** From the cut to the first receipt over the next path. */
  readonly gapMs: number;
  readonly detectedInMs: number | undefined;
}

/** Cuts the path that carries the traffic, heals it, and tells what the gateway makes of it. */
export class Story {
  readonly #screen: Screen;
  readonly #feed: StatusFeed;
  readonly #files: DemoFiles;
  readonly #elapsedS: () => number;
  readonly #signal: AbortSignal;
  readonly #onSwitch = new Set<(change: PathSwitch) => void>();
  /** The link that is dark at the moment. */
  cut: string | undefined;

  constructor(screen: Screen, feed: StatusFeed, files: DemoFiles, elapsedS: () => number, signal: AbortSignal) {
    this.#screen = screen;
    this.#feed = feed;
    this.#files = files;
    this.#elapsedS = elapsedS;
    this.#signal = signal;
  }

  /** Takes an event of the gateway's log. */
  gatewayEvent(event: LogEvent): void {
    // When everything ends, the links go before the gateway does; that is no story.
    if (event.event !== "path-switch" || this.#signal.aborted) return;
    const change = event as unknown as PathSwitch;
    // The first choice at the start is no news.
    if (change.from !== undefined) {
      this.#tellSwitch(change);
      if (change.detectedInMs !== undefined) void this.#tellBusy(change.from, change.detectedInMs);
    }
    for (const listener of this.#onSwitch) listener(change);
  }

  /** Cuts at `cutAtS` and heals at `healAtS`, seconds of the run. Throws DemoFailure when the traffic does not move. */
  async play(cutAtS: number, healAtS: number): Promise<CutResult> {
    await this.#sleepUntil(cutAtS);
    const { status } = await this.#feed.until(
      ({ status: { uplinks } }) => uplinks.active !== null && uplinks.lastReceiptS !== null,
      SWITCH_MS,
      "A first receipt",
    );
    const result = await this.#cutPath(status.uplinks.active!);
    await this.#sleepUntil(healAtS);
    await tellLink(this.#files.linkControl(result.path), { do: "heal" });
    this.cut = undefined;
    this.#say(`HEALED  ${result.path} carries again; the gateway waits whether it lasts before it goes back`, "good");
    return result;
  }

  async #cutPath(path: string): Promise<CutResult> {
    const switched = new Promise<PathSwitch>((resolve) =>
      this.#onSwitch.add((change) => {
        if (change.from === path && change.to !== undefined) resolve(change);
      }),
    );
    await tellLink(this.#files.linkControl(path), { do: "cut", mode: "black-hole" });
    const cutAtMs = performance.now();
    const cutWallMs = Date.now();
    this.cut = path;
    this.#feed.intervalMs = CLOSE_LOOK_MS;
    this.#say(`CUT     ${path} goes dark under load: packets vanish, and nobody is told`, "bad");
    const first = await this.#feed.until(
      ({ status: { uplinks }, atMs }) => {
        const receipt = uplinks.paths.find(({ name }) => name === uplinks.active && name !== path)?.lastReceiptS;
        return receipt !== undefined && receipt !== null && atMs - receipt * 1000 > cutAtMs;
      },
      SWITCH_MS,
      `A receipt over another path than ${path}`,
    );
    this.#feed.intervalMs = USUAL_LOOK_MS;
    const next = first.status.uplinks.active!;
    // The log line may come after the receipt; there is none when the gateway had left the path just before the cut.
    const change = await Promise.race([switched, sleep(LOG_LINE_MS)]);
    const { lastReceiptS } = first.status.uplinks.paths.find(({ name }) => name === next)!;
    const gapMs = first.atMs - lastReceiptS! * 1000 - cutAtMs;
    this.#say(`GOES ON first receipt over ${next} ${formatDuration(gapMs)} after the cut`, "good");
    return { path, next, cutWallMs, gapMs, detectedInMs: change?.detectedInMs };
  }

  #tellSwitch({ from, to, why, detectedInMs, framesResent }: PathSwitch): void {
    const found = detectedInMs === undefined ? "" : `, detected in ${formatDuration(detectedInMs)} by BFD`;
    const again = framesResent === 0 ? "" : `; ${plural(framesResent, "unacknowledged frame")} sent again`;
    this.#say(`SWITCH  ${from} to ${to ?? "nothing"}${found}${again}`, "strong");
    this.#note(`the gateway's reason: ${why}`);
  }

  /** On a machine with too little time packets come late although nobody cut anything, and the watcher slows down. */
  async #tellBusy(path: string, detectedInMs: number): Promise<void> {
    const answer = await tellLink(this.#files.linkControl(path), { do: "status", link: path }).catch(() => undefined);
    if (answer?.links?.[path]?.cut.length === 0) {
      this.#note(`nobody cut ${path}: this machine was too busy for a while; nothing is lost by that`);
    } else if (detectedInMs > 2 * WATCH.intervalMs * WATCH.detectMult) {
      this.#note(`this machine is busy, so BFD had slowed down from its ${WATCH.intervalMs} ms to avoid false alarms`);
    }
  }

  #note(text: string): void {
    this.#screen.say(`                 ${text}`);
  }

  #say(text: string, tone: "good" | "bad" | "strong"): void {
    this.#screen.say(`${stamp(this.#elapsedS())}  ${text}`, tone);
  }

  async #sleepUntil(second: number): Promise<void> {
    await sleep(Math.max(0, (second - this.#elapsedS()) * 1000), undefined, { signal: this.#signal });
  }
}
