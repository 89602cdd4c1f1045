import { isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";
import { systemClock, type Clock, type Timer } from "@paddock/base/clock.ts";
import { messageOf } from "@paddock/base/errors.ts";
import { silentLog, type Log } from "@paddock/base/log.ts";
import { startIp, type IpProcess, type StartIp } from "./ip-process.ts";
import { FOREVER_S, parseAddresses, type LocalAddress } from "./source-address.ts";

export interface AddressWatchOptions {
  readonly onAddresses: (addresses: readonly LocalAddress[]) => void;
  readonly startIp?: StartIp;
  /** What is asked instead where `ip` cannot answer. */
  readonly fallback?: () => readonly LocalAddress[];
  readonly clock?: Clock;
  readonly log?: Log;
}

/** One renumbering is several messages. */
const DEBOUNCE_MS = 20;
/** The monitor listens from a moment on that nobody tells; what happened before it is read then. */
const SETTLE_MS = 1000;
/** In case a message was lost. */
const READ_AGAIN_MS = 30_000;
/** While no monitor runs. */
const POLL_MS = 5000;
const RESTART_FIRST_MS = 1000;
const RESTART_LAST_MS = 60_000;
const READ_LIMIT_MS = 5000;

/**
 * Tells the IPv6 addresses of this machine whenever the kernel changes them. `ip monitor` is only the trigger (its JSON
 * cannot be read as a stream); every message makes the whole list be read again. Without `ip` it polls what the runtime
 * knows, which lacks the states of addresses.
 */
export class AddressWatch {
  readonly #options: AddressWatchOptions;
  readonly #startIp: StartIp;
  readonly #clock: Clock;
  readonly #log: Log;
  #monitor: IpProcess | undefined;
  #reader: IpProcess | undefined;
  #readAgain = false;
  #next: { readonly timer: Timer; readonly dueMs: number } | undefined;
  #restart: Timer | undefined;
  #restartMs = RESTART_FIRST_MS;
  #degraded = false;
  #stopped = false;

  constructor(options: AddressWatchOptions) {
    this.#options = options;
    this.#startIp = options.startIp ?? startIp;
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? silentLog;
  }

  /** Begins to watch; returns at once. The first list follows also when nothing changes. */
  start(): void {
    this.#read();
    this.#watch();
  }

  stop(): void {
    this.#stopped = true;
    this.#next?.timer.cancel();
    this.#restart?.cancel();
    this.#monitor?.kill();
    this.#reader?.kill();
  }

  #watch(): void {
    const monitor = this.#startIp(["-6", "monitor", "address"]);
    this.#monitor = monitor;
    monitor.onOutput(() => {
      this.#restartMs = RESTART_FIRST_MS;
      this.#readIn(DEBOUNCE_MS);
    });
    monitor.onExit((problem) => {
      this.#monitor = undefined;
      if (this.#stopped) return;
      this.#log.warn("address-watch-ended", { detail: problem ?? "exit 0", againInMs: this.#restartMs });
      this.#restart = this.#clock.after(this.#restartMs, () => this.#watch());
      this.#restartMs = Math.min(RESTART_LAST_MS, this.#restartMs * 2);
      this.#readIn(POLL_MS);
    });
    this.#readIn(SETTLE_MS);
  }

  /** The earliest wish counts. */
  #readIn(delayMs: number): void {
    const dueMs = this.#clock.monotonicUs() / 1000 + delayMs;
    if (this.#stopped || (this.#next !== undefined && this.#next.dueMs <= dueMs)) return;
    this.#next?.timer.cancel();
    this.#next = { dueMs, timer: this.#clock.after(delayMs, () => this.#read()) };
  }

  #read(): void {
    this.#next?.timer.cancel();
    this.#next = undefined;
    if (this.#reader !== undefined) {
      this.#readAgain = true;
      return;
    }
    let text = "";
    const reader = this.#startIp(["-j", "-6", "addr", "show"]);
    this.#reader = reader;
    const limit = this.#clock.after(READ_LIMIT_MS, () => reader.kill());
    reader.onOutput((chunk) => (text += chunk));
    reader.onExit((problem) => {
      limit.cancel();
      this.#reader = undefined;
      if (this.#stopped) return;
      this.#tell(text, problem);
      this.#readIn(this.#readAgain ? 0 : this.#monitor === undefined ? POLL_MS : READ_AGAIN_MS);
      this.#readAgain = false;
    });
  }

  #tell(text: string, problem: string | undefined): void {
    const addresses = problem ?? parse(text);
    if (typeof addresses === "string") {
      if (!this.#degraded) this.#log.warn("address-watch-degraded", { detail: `ip -j -6 addr show: ${addresses}` });
      this.#degraded = true;
      return this.#options.onAddresses((this.#options.fallback ?? runtimeAddresses)());
    }
    this.#degraded = false;
    this.#options.onAddresses(addresses);
  }
}

function parse(text: string): LocalAddress[] | string {
  try {
    // Without any address it prints nothing at all.
    return text.trim() === "" ? [] : parseAddresses(JSON.parse(text));
  } catch (error) {
    return messageOf(error);
  }
}

/** What the runtime knows of the addresses, at once: not their states, and indices of link-local ones only. */
export function runtimeAddresses(): LocalAddress[] {
  return Object.entries(networkInterfaces()).flatMap(([interfaceName, infos = []]) =>
    infos
      .filter(({ address }) => isIPv6(address))
      .map(({ address, internal, family, ...rest }) => ({
        interfaceName,
        interfaceIndex: (rest as { scopeid?: number }).scopeid || undefined,
        address,
        scope: internal
          ? "host"
          : family === "IPv6" && (rest as { scopeid?: number }).scopeid !== 0
            ? "link"
            : "global",
        tentative: false,
        duplicate: false,
        deprecated: false,
        temporary: false,
        prefixLength: Number(rest.cidr?.split("/")[1] ?? 128),
        preferredLifetimeS: FOREVER_S,
        validLifetimeS: FOREVER_S,
      })),
  );
}
