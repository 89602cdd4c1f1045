import type { ChildProcess } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Namespace } from "../namespaces.ts";

/** keepalived with one BFD instance, tracked by a VRRP instance because an untracked one is not run. */
export class Keepalived {
  readonly #namespace: Namespace;
  readonly #directory: string;
  #process: ChildProcess | undefined;

  constructor(namespace: Namespace, directory: string) {
    this.#namespace = namespace;
    this.#directory = directory;
    mkdirSync(directory, { recursive: true });
  }

  start(session: { local: string; neighbor: string; device: string; intervalMs: number; multiplier: number }): void {
    const { local, neighbor, device, intervalMs, multiplier } = session;
    const at = (file: string) => join(this.#directory, file);
    writeFileSync(
      at("keepalived.conf"),
      // Its default hop limit for IPv6 is 64, which no single-hop peer may accept.
      `bfd_instance p1 {
  neighbor_ip ${neighbor}
  source_ip ${local}
  min_rx ${intervalMs}
  min_tx ${intervalMs}
  idle_tx 1000
  multiplier ${multiplier}
  hoplimit 255
  max_hops 0
}
vrrp_instance v1 {
  interface ${device}
  virtual_router_id 7
  priority 100
  virtual_ipaddress { fe80::7:7/64 }
  track_bfd { p1 weight 10 }
}
`,
    );
    const pidFiles = ["-p", at("k.pid"), "-r", at("v.pid"), "-b", at("b.pid")];
    this.#process = this.#namespace.spawn("keepalived", ["-n", "-f", at("keepalived.conf"), ...pidFiles]);
  }

  stop(): void {
    this.#process?.kill("SIGTERM");
  }
}
