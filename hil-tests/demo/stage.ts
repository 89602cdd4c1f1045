import { randomBytes } from "node:crypto";
import type { Children, LogEvent } from "./children.ts";
import type { DemoFiles } from "./files.ts";
import { UPLINKS, type Uplink } from "./uplinks.ts";

/** What runs and where. */
export interface Stage {
  readonly gatewayPort: number;
}

/** Reserved on the disk beside what the demo writes; its files are small. */
const STORE = { minFreeBytes: 16 * 1024 * 1024, ballastBytes: 0 };

/** Starts collector, links and gateway, in this order, and waits for each. Throws DemoFailure. */
export async function setStage(
  children: Children,
  files: DemoFiles,
  onGatewayEvent: (event: LogEvent) => void,
): Promise<Stage> {
  // The operator approves this code beforehand, so that the gateway needs nobody's yes.
  const claim = randomBytes(12).toString("base64url");
  const collector = await startCollector(children, files, claim);
  const endpoints = await Promise.all(UPLINKS.map((uplink) => startLink(children, files, uplink, collector.port)));
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
    operator: { socket: files.operatorSocket },
    claims: [{ code: claim, label: "demo" }],
    store: STORE,
  });
  const ready = await children.serve("collector", "collector", ["run", "--config", files.collectorConfig]);
  const [{ port }] = ready["listen"] as [{ readonly port: number }];
  return { port, publicKey: ready["publicKey"] as string };
}

/** Starts one emulated uplink; returns the gateway's path over it. */
async function startLink(children: Children, files: DemoFiles, uplink: Uplink, collectorPort: number) {
  const { name, delayMs, preference } = uplink;
  files.write(files.linkConfig(name), {
    links: [{ name, listen: "[::1]:0", target: `[::1]:${collectorPort}`, protocol: "tcp", delay: `${delayMs}ms` }],
  });
  const ready = await children.serve(`${name} link`, "sim", [
    "link",
    "--links",
    files.linkConfig(name),
    "--control",
    files.linkControl(name),
  ]);
  const [{ tcpPort }] = ready["links"] as [{ readonly tcpPort: number }];
  return { name, endpoint: `https://[::1]:${tcpPort}`, preference };
}
