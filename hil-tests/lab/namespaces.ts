import { type ChildProcess, execFileSync, spawn, type SpawnOptions } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Every namespace of the lab begins with this, so that a crashed run can be cleaned up by hand. */
const PREFIX = "pdk";

/** One network namespace: commands run inside it. */
export class Namespace {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  /** Runs a command to its end and returns its standard output. Throws with its standard error. */
  run(command: string, ...args: readonly string[]): string {
    return execFileSync("ip", ["netns", "exec", this.name, command, ...args], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
  }

  /**
   * Runs a command that goes on in the background, and may keep its standard streams: what it says goes into `output`, as
   * a pipe would be waited for until the daemon ends. Throws with what it said.
   */
  daemon(output: string, command: string, ...args: readonly string[]): void {
    const file = openSync(output, "w");
    try {
      execFileSync("ip", ["netns", "exec", this.name, command, ...args], { stdio: ["ignore", file, file] });
    } catch (error) {
      throw new Error(`${command}: ${readFileSync(output, "utf8").trim()}`, { cause: error });
    } finally {
      closeSync(file);
    }
  }

  /** Starts a command that lasts. The process is the command itself: `ip netns exec` replaces itself by it. */
  spawn(command: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    return spawn("ip", ["netns", "exec", this.name, command, ...args], { stdio: "ignore", ...options });
  }

  sysctl(setting: string, value: string | number): void {
    this.run("sysctl", "-qw", `${setting}=${value}`);
  }

  /** Loads a packet filter; what was there before is gone. */
  filter(rules: string): void {
    execFileSync("ip", ["netns", "exec", this.name, "nft", "-f", "-"], { input: `flush ruleset\n${rules}\n` });
  }

  address(device: string, address: string): void {
    // nodad: a tentative address cannot be bound yet.
    this.run("ip", "-6", "addr", "add", address, "dev", device, "nodad");
  }

  linkLocalOf(device: string): string {
    const parsed = JSON.parse(this.run("ip", "-j", "-6", "addr", "show", "dev", device)) as {
      addr_info?: { scope: string; local: string }[];
    }[];
    const found = parsed.flatMap((link) => link.addr_info ?? []).find(({ scope }) => scope === "link");
    if (found === undefined) throw new Error(`${device} in ${this.name} has no link-local address`);
    return found.local;
  }
}

/** SIGHUP comes when the terminal or the ssh session goes. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

function endByInterrupt(): void {
  process.exit(1);
}

/**
 * Namespaces and links of one test run, and a directory for its files. `destroy` leaves nothing; it also comes by itself
 * when the process ends, by an interrupt too.
 */
export class Lab {
  readonly directory = mkdtempSync(join(tmpdir(), `${PREFIX}-lab-${process.pid}-`));
  readonly #namespaces: Namespace[] = [];
  readonly #leave = (): void => this.destroy();

  constructor() {
    sweepAbandoned();
    process.once("exit", this.#leave);
    for (const signal of SIGNALS) process.on(signal, endByInterrupt);
  }

  namespace(name: string): Namespace {
    const namespace = new Namespace(`${PREFIX}${process.pid}${name}`);
    execFileSync("ip", ["netns", "add", namespace.name]);
    this.#namespaces.push(namespace);
    namespace.run("ip", "link", "set", "lo", "up");
    for (const which of ["all", "default"]) {
      namespace.sysctl(`net.ipv6.conf.${which}.accept_dad`, 0);
      namespace.sysctl(`net.ipv6.conf.${which}.dad_transmits`, 0);
      namespace.sysctl(`net.ipv6.conf.${which}.keep_addr_on_down`, 1);
    }
    return namespace;
  }

  /** Two interfaces, one in each namespace, joined by a wire. */
  wire(left: Namespace, leftDevice: string, right: Namespace, rightDevice: string): void {
    // "name" is written out, because `ip link add ma` would be read as "master".
    const peer = ["peer", "name", rightDevice, "netns", right.name];
    execFileSync("ip", ["link", "add", "name", leftDevice, "netns", left.name, "type", "veth", ...peer]);
    left.run("ip", "link", "set", leftDevice, "up");
    right.run("ip", "link", "set", rightDevice, "up");
  }

  /** Throws AggregateError when something could not be removed, after everything was tried. */
  destroy(): void {
    process.off("exit", this.#leave);
    for (const signal of SIGNALS) process.off(signal, endByInterrupt);
    tryAll([
      ...this.#namespaces.splice(0).map(
        ({ name }) =>
          () =>
            removeNamespace(name),
      ),
      () => rmSync(this.directory, { recursive: true, force: true }),
    ]);
  }
}

/** Does every step, whatever the others do; throws AggregateError of what failed. */
export function tryAll(steps: readonly (() => void)[]): void {
  const errors: unknown[] = [];
  for (const step of steps) {
    try {
      step();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) {
    throw new AggregateError(errors, `the lab could not clean up: ${errors.map(String).join("; ")}`);
  }
}

/** Removes what test processes left that were killed before they could: namespaces and directories carry their pid. */
export function sweepAbandoned(): void {
  const names = execFileSync("ip", ["netns", "list"], { encoding: "utf8" })
    .split("\n")
    .map((line) => line.split(" ")[0]!)
    .filter((name) => isAbandoned(new RegExp(`^${PREFIX}(\\d+)`).exec(name)?.[1]));
  const directories = readdirSync(tmpdir()).filter((name) =>
    isAbandoned(new RegExp(`^${PREFIX}-lab-(\\d+)-`).exec(name)?.[1]),
  );
  tryAll([
    ...names.map((name) => () => removeNamespace(name)),
    ...directories.map((name) => () => rmSync(join(tmpdir(), name), { recursive: true, force: true })),
  ]);
}

function isAbandoned(pid: string | undefined): boolean {
  return pid !== undefined && !existsSync(`/proc/${pid}`);
}

function removeNamespace(name: string): void {
  for (const pid of execFileSync("ip", ["netns", "pids", name], { encoding: "utf8" }).split("\n").filter(Boolean)) {
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // Gone between listing and killing.
    }
  }
  execFileSync("ip", ["netns", "del", name]);
}

/** Waits until `condition` gives something, at most `limitMs`. Throws with `what` and the last failure otherwise. */
export async function eventually<Value>(
  what: string,
  condition: () => Value | undefined | false | Promise<Value | undefined | false>,
  limitMs = 60_000,
): Promise<Value> {
  const endMs = Date.now() + limitMs;
  let last: unknown;
  while (Date.now() < endMs) {
    try {
      const value = await condition();
      if (value !== undefined && value !== false) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    await new Promise((done) => setTimeout(done, 25));
  }
  throw new Error(`not within ${limitMs} ms: ${what}`, { cause: last });
}

/** What is missing on this machine for the lab, as sentences; empty when all is there. */
export function missingForLab(commands: readonly string[]): string[] {
  const missing: string[] = [];
  if (process.getuid?.() !== 0) missing.push("The lab makes network namespaces: run it as root.");
  for (const command of commands) {
    try {
      execFileSync("sh", ["-c", 'PATH="$PATH:/usr/sbin:/sbin:/usr/lib/frr" command -v "$1"', "sh", command], {
        stdio: "ignore",
      });
    } catch {
      missing.push(`The command ${command} is missing.`);
    }
  }
  return missing;
}
