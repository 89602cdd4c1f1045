import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { tellLink } from "../../demo/link-control.ts";
import { COLLECTOR, type Line } from "./field.ts";
import { Program } from "./program.ts";

/** Where the gateway connects and where its BFD goes; the provider hands all of it to the relay. */
export interface Services {
  readonly tcpPort: number;
  readonly udpPorts: readonly number[];
}

const RELAY_PORT = 9001;

/**
 * A relay in the provider's router that can hold packets back: `sim link`, as there is no netem in every kernel. The
 * router's NAT hands it what goes to the collector, so nothing about the gateway changes.
 */
export class Delays {
  readonly #socket: string;

  private constructor(socket: string) {
    this.#socket = socket;
  }

  static async start(line: Line, directory: string, { tcpPort, udpPorts }: Services): Promise<Delays> {
    const { provider, uplink } = line;
    const socket = join(directory, `delay-${uplink}.sock`);
    const links = [
      { name: "tcp", protocol: "tcp", port: tcpPort },
      ...udpPorts.map((port) => ({ name: `udp-${port}`, protocol: "udp", port })),
    ].map(({ name, protocol, port }, index) => ({
      name,
      protocol,
      listen: `[::]:${RELAY_PORT + index}`,
      target: `[${COLLECTOR}]:${port}`,
    }));
    const arrivals = [tcpPort, ...udpPorts].map(
      (port, index) => `iifname "g" ${index === 0 ? "tcp" : "udp"} dport ${port} redirect to :${RELAY_PORT + index};`,
    );
    const file = join(directory, `delay-${uplink}.json`);
    await writeFile(file, JSON.stringify({ links }));
    await Program.start(provider, "sim", ["link", "--control", socket, "--links", file], join(directory, "delays.log"));
    provider.run(
      "nft",
      `table ip6 delay { chain in { type nat hook prerouting priority -100; ${arrivals.join(" ")} }; }`,
    );
    return new Delays(socket);
  }

  /** Each direction takes half of it. */
  async set(roundTripMs: number, variationMs: number): Promise<void> {
    await tellLink(this.#socket, { do: "set", delay: `${roundTripMs / 2}ms`, jitter: `${variationMs / 2}ms` });
  }

  /** Datagrams and pieces of streams that were held back since the start. */
  async heldBack(): Promise<number> {
    const { links = {} } = await tellLink(this.#socket, { do: "status" });
    return Object.values(links).reduce((sum, { heldBack }) => sum + heldBack, 0);
  }
}
