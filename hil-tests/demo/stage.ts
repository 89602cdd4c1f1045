import { randomBytes } from "node:crypto";
import type { Children, LogEvent } from "./children.ts";
import type { DemoFiles } from "./files.ts";
import { UPLINKS, WATCH, type Uplink } from "./uplinks.ts";

/** What runs and where. */
export interface Stage {
  readonly gatewayPort: number;
}

/** Reserved on the disk beside what the demo writes; its files are small. */
const STORE = { minFreeBytes: 16 * 1024 * 1024, ballastBytes: 0 };

/** A reading is in the lake soon after it is in the ledger; usually larger files are better. */
const LAKE_DELAY_MS = 4000;

/** What the collector answers to when a gateway watches a path by S-BFD (RFC 7881). */
const DISCRIMINATOR = 7784;

/** Starts collector, links and gateway, in this order, and waits for each. Throws DemoFailure. */
export async function setStage(
  children: Children,
  files: DemoFiles,
  onGatewayEvent: (event: LogEvent) => void,
): Promise<Stage> {
  // The operator approves this code beforehand, so that the gateway needs nobody's yes.
  const claim = randomBytes(12).toString("base64url");
  const collector = await startCollector(children, files, claim);
  const endpoints = await Promise.all(UPLINKS.map((uplink) => startLink(children, files, uplink, collector)));
  files.write(files.gatewayConfig, {
    dataDir: files.gatewayData,
    listen: [{ address: "::1", port: 0 }],
    store: STORE,
    collector: { publicKey: collector.publicKey, claim, label: "demo" },
    paths: endpoints,
    status: { socket: files.statusSocket },
    discovery: { enabled: false },
  });
  const ready = await children.serve("gateway", "gateway", ["run", "--config", files.gatewayConfig], onGatewayEvent);
  const [{ port }] = ready["addresses"] as [{ readonly port: number }];
  return { gatewayPort: port };
}

async function startCollector(children: Children, files: DemoFiles, claim: string) {
  files.write(files.collectorConfig, {
    dataDir: files.collectorData,
    listen: [{ address: "::1", port: 0 }],
    bfd: { seamless: { listen: [{ address: "::1", port: 0 }], discriminator: DISCRIMINATOR } },
    operator: { socket: files.operatorSocket },
    claims: [{ code: claim, label: "demo" }],
    sinks: [{ name: "lake", maxDelayMs: LAKE_DELAY_MS, lake: { directory: files.lake } }],
    store: STORE,
  });
  const ready = await children.serve("collector", "collector", ["run", "--config", files.collectorConfig]);
  const [{ port }] = ready["listen"] as [{ readonly port: number }];
  const { seamless } = ready["bfd"] as { readonly seamless: readonly [{ readonly port: number }] };
  return { port, bfdPort: seamless[0].port, publicKey: ready["publicKey"] as string };
}

/** Starts one emulated uplink; returns the gateway's path over it. */
async function startLink(
  children: Children,
  files: DemoFiles,
  uplink: Uplink,
  collector: { readonly port: number; readonly bfdPort: number },
) {
  const { name, delayMs, preference } = uplink;
  // One process is one uplink: batches and the packets that watch it suffer the same fate.
  const link = { listen: "[::1]:0", delay: `${delayMs}ms` };
  files.write(files.linkConfig(name), {
    links: [
      { ...link, name, target: `[::1]:${collector.port}`, protocol: "tcp" },
      { ...link, name: `${name}-bfd`, target: `[::1]:${collector.bfdPort}`, protocol: "udp" },
    ],
  });
  const ready = await children.serve(`${name} link`, "sim", [
    "link",
    "--links",
    files.linkConfig(name),
    "--control",
    files.linkControl(name),
  ]);
  const [{ tcpPort }, { udpPort }] = ready["links"] as [{ readonly tcpPort: number }, { readonly udpPort: number }];
  const endToEnd = { mode: "seamless", remotePort: udpPort, discriminator: DISCRIMINATOR, ...WATCH };
  return { name, endpoint: `https://[::1]:${tcpPort}`, preference, bfd: { endToEnd } };
}
