import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BfdReflector } from "@paddock/uplink/bfd/reflector.ts";
import { parseGatewayConfig, type GatewayConfig } from "../../config.ts";

const DISCRIMINATOR = 900;

/** Detection takes 1.5 s: a busy machine may stand still for longer than the usual three packets. */
const DETECT_MULT = 15;

/** What a gateway with three paths is configured with, two of them watched, and who answers to the watch of these. */
export interface WatchedPaths {
  readonly config: GatewayConfig;
  readonly fibre: BfdReflector;
  /** Nobody answers for the first path any more. */
  readonly cutFibre: () => Promise<void>;
  /** Done in the end, the last one first. */
  readonly cleanUps: (() => unknown)[];
}

/** Nothing of the gateway runs yet. */
export async function watchedPaths(): Promise<WatchedPaths> {
  const directory = await mkdtemp(join(tmpdir(), "paddock-watch-"));
  const cleanUps: WatchedPaths["cleanUps"] = [() => rm(directory, { recursive: true, force: true })];
  const first = await reflector();
  cleanUps.push(first.close);
  const second = await reflector();
  cleanUps.push(second.close);
  const config = parseGatewayConfig({
    dataDir: directory,
    listen: [{ address: "::1", port: 0 }],
    store: { minFreeBytes: 0, ballastBytes: 0 },
    discovery: { enabled: false, multicast: false },
    collector: { publicKey: "ab".repeat(32) },
    paths: [
      watched("fibre", first.port, 100),
      watched("lte", second.port, 50),
      { name: "plain", endpoint: "https://[::1]:9", preference: 10 },
    ],
  });
  return { config, fibre: first.reflector, cutFibre: first.close, cleanUps };
}

async function reflector(): Promise<{ reflector: BfdReflector; port: number; close: () => Promise<void> }> {
  const made = new BfdReflector({
    seamless: { listen: [{ address: "::1", port: 0 }], discriminators: [DISCRIMINATOR] },
  });
  const [port] = await made.start();
  let closing: Promise<void> | undefined;
  return { reflector: made, port: port!, close: () => (closing ??= made.close(0)) };
}

function watched(name: string, remotePort: number, preference: number) {
  const watch = {
    mode: "seamless",
    remotePort,
    discriminator: DISCRIMINATOR,
    intervalMs: 100,
    detectMult: DETECT_MULT,
  };
  return { name, endpoint: "https://[::1]:9", preference, bfd: { endToEnd: watch } };
}
