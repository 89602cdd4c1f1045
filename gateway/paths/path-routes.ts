import type { Clock, Timer } from "@paddock/base/clock.ts";
import type { Log } from "@paddock/base/log.ts";
import { startIp, type StartIp } from "@paddock/uplink/paths/ip-process.ts";
import { parseRoute, routeProblem, type KernelRoute, type RouteWish } from "@paddock/uplink/paths/route-check.ts";

/** A path whose packets have a source to be routed by. */
export interface RoutedPath extends RouteWish {
  readonly name: string;
}

export interface PathRoutesOptions {
  readonly paths: readonly RoutedPath[];
  /** Where packets of a path come from and go to now; undefined while there is nothing to ask about. */
  readonly ends: (path: string) => { readonly source: string; readonly destination: string } | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** Default runs the `ip` of iproute2. */
  readonly startIp?: StartIp;
}

/** The way of one path, as the kernel says. */
export interface RouteFinding {
  readonly device: string | null;
  readonly nextHop: string | null;
  /** What is wrong with it, and the remedy; null: nothing. */
  readonly problem: string | null;
}

/** Routes change without telling us. */
const ASK_AGAIN_MS = 60_000;
/** Addresses, rules and routes are changed one after the other: a problem counts when it is still there after this. */
const CONFIRM_MS = 2000;
const ANSWER_LIMIT_MS = 5000;

/** Knows by which interface and router the packets of each path leave, and warns when it is not the one that is meant. */
export class PathRoutes {
  readonly #options: PathRoutesOptions;
  readonly #findings = new Map<string, RouteFinding>();
  /** Problems that have been seen once. */
  readonly #suspected = new Map<string, string>();
  #timer: Timer | undefined;
  #asking = false;
  #askAgain = false;
  #askAgainInMs = ASK_AGAIN_MS;
  #stopped = false;

  constructor(options: PathRoutesOptions) {
    this.#options = options;
  }

  /** Null where nothing is known: no source, no `ip`, or not asked yet. */
  finding(path: string): RouteFinding | null {
    return this.#findings.get(path) ?? null;
  }

  /** Asks the kernel now, and every minute from then on. */
  consider(): void {
    if (this.#stopped || this.#options.paths.length === 0) return;
    this.#timer?.cancel();
    // What changed meanwhile may have come too late for the question that is under way.
    this.#askAgain = this.#asking;
    if (!this.#asking) void this.#considerAll();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  async #considerAll(): Promise<void> {
    this.#asking = true;
    this.#askAgainInMs = ASK_AGAIN_MS;
    await this.#askAll();
    this.#asking = false;
    if (this.#stopped) return;
    const againInMs = this.#askAgain ? 0 : this.#askAgainInMs;
    this.#askAgain = false;
    this.#timer = this.#options.clock.after(againInMs, () => this.consider());
  }

  async #askAll(): Promise<void> {
    for (const path of this.#options.paths) {
      const ends = this.#options.ends(path.name);
      if (ends === undefined || this.#stopped) {
        this.#findings.delete(path.name);
        continue;
      }
      const text = await this.#ask(ends.destination, ends.source);
      if (text !== undefined) this.#found(path, ends.source, parseRoute(text));
    }
  }

  #found(path: RoutedPath, source: string, route: KernelRoute | undefined): void {
    const problem = routeProblem(path, source, route) ?? null;
    const before = this.#findings.get(path.name);
    if (problem === null) this.#suspected.delete(path.name);
    else if (before?.problem !== problem && this.#suspected.get(path.name) !== problem) {
      this.#suspected.set(path.name, problem);
      this.#askAgainInMs = CONFIRM_MS;
      return;
    }
    this.#findings.set(path.name, { device: route?.device ?? null, nextHop: route?.nextHop ?? null, problem });
    if (problem !== null && before?.problem !== problem) {
      this.#options.log.warn("path-route", { path: path.name, detail: problem });
    } else if (problem === null && typeof before?.problem === "string") {
      this.#options.log.info("path-route", { path: path.name, detail: "the route is as configured" });
    }
  }

  /** What `ip` prints, "" when it finds no route; undefined when it cannot be asked. */
  #ask(destination: string, source: string): Promise<string | undefined> {
    const { clock } = this.#options;
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    const asked = (this.#options.startIp ?? startIp)(["-j", "-6", "route", "get", destination, "from", source]);
    let text = "";
    const limit = clock.after(ANSWER_LIMIT_MS, () => asked.kill());
    asked.onOutput((chunk) => (text += chunk));
    asked.onExit((problem) => {
      limit.cancel();
      // Exit code 2 is the kernel's answer that there is none; everything else says nothing about the route.
      resolve(problem === undefined ? text : problem === "exit 2" ? "" : undefined);
    });
    return promise;
  }
}
