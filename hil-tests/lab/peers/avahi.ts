import { execFile, type ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { eventually, type Namespace } from "../namespaces.ts";

const run = promisify(execFile);

/** What avahi-browse resolved of one service. */
export interface FoundService {
  /** `IPv4` or `IPv6`. */
  readonly protocol: string;
  readonly name: string;
  readonly type: string;
  readonly host: string;
  readonly address: string;
  readonly port: number;
  readonly txt: string;
}

/** avahi-daemon in a namespace, IPv6 only, on a message bus of its own: neither touches what the machine runs. */
export class Avahi {
  readonly #namespace: Namespace;
  readonly #directory: string;
  readonly #processes: ChildProcess[] = [];

  constructor(namespace: Namespace, directory: string) {
    this.#namespace = namespace;
    this.#directory = directory;
    mkdirSync(directory, { recursive: true, mode: 0o755 });
  }

  async start(): Promise<void> {
    const bus = join(this.#directory, "bus.sock");
    const busConfig = this.#write("bus.conf", busConfiguration(bus));
    this.#processes.push(
      this.#namespace.spawn("dbus-daemon", ["--nofork", "--nopidfile", `--config-file=${busConfig}`]),
    );
    await eventually("the message bus listens", () => existsSync(bus));
    const config = this.#write(
      "avahi.conf",
      "[server]\nuse-ipv4=no\nuse-ipv6=yes\n[publish]\ndisable-publishing=yes\n",
    );
    // Its pid file has a fixed place; this namespace has its own /run, as `ip netns exec` makes a mount namespace.
    const script =
      'mount -t tmpfs tmpfs /run && mkdir /run/avahi-daemon && exec avahi-daemon --no-drop-root --no-chroot --no-rlimits -f "$1"';
    this.#processes.push(
      this.#namespace.spawn("sh", ["-c", script, "sh", config], {
        env: { ...process.env, DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${bus}` },
      }),
    );
    await eventually("avahi answers on the bus", async () => (await this.browse("_nothing._udp")) !== undefined);
  }

  /** Services of this type that avahi knows and can resolve; it has listened since `start`. */
  async browse(type: string): Promise<FoundService[]> {
    const bus = `DBUS_SYSTEM_BUS_ADDRESS=unix:path=${join(this.#directory, "bus.sock")}`;
    const browse = ["env", bus, "avahi-browse", "--parsable", "--resolve", "--terminate", type];
    const { stdout } = await run("ip", ["netns", "exec", this.#namespace.name, ...browse], { timeout: 20_000 });
    return stdout
      .split("\n")
      .filter((line) => line.startsWith("="))
      .map((line) => {
        const [, , protocol = "", name = "", what = "", , host = "", address = "", port, txt = ""] = line.split(";");
        return { protocol, name, type: what, host, address, port: Number(port), txt };
      });
  }

  stop(): void {
    for (const each of this.#processes.splice(0)) each.kill("SIGKILL");
  }

  #write(name: string, text: string): string {
    const file = join(this.#directory, name);
    writeFileSync(file, text);
    return file;
  }
}

/** A bus on which root may do everything; nobody else can reach its socket. */
function busConfiguration(socket: string): string {
  return `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><auth>EXTERNAL</auth><listen>unix:path=${socket}</listen>
<policy context="default"><allow user="root"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy>
</busconfig>
`;
}
