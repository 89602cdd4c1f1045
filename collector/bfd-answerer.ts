import { BfdReflector, type ReflectorReport } from "@paddock/uplink/bfd/reflector.ts";
import type { Clock } from "@paddock/base/clock.ts";
import type { Log } from "@paddock/base/log.ts";
import type { CollectorConfig } from "./config.ts";

export interface BfdAnswerer {
  /** The seamless listeners with the ports that the kernel chose. */
  readonly seamless: readonly { readonly address: string; readonly port: number }[];
  readonly passive: readonly string[];
  report(): ReflectorReport;
  /** Tells gateways AdminDown from now on: they leave before the collector stops, and count it as no failure. */
  leave(): void;
  close(): Promise<void>;
}

/** Answers gateways that watch their paths by BFD; undefined when none is configured. Throws LISTEN_FAILED. */
export async function startBfdAnswerer(
  config: CollectorConfig["bfd"],
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<BfdAnswerer | undefined> {
  const { seamless, passive } = config;
  if (seamless === null && passive === null) return undefined;
  const reflector = new BfdReflector({
    ...(seamless === null
      ? {}
      : {
          seamless: {
            listen: seamless.listen,
            discriminators: [seamless.discriminator],
            minIntervalMs: seamless.minIntervalMs,
          },
        }),
    ...(passive === null ? {} : { passive: { ...passive, allow: passive.allow ?? undefined } }),
    clock,
    log,
  });
  let ports: number[];
  try {
    ports = await reflector.start();
  } catch (error) {
    await reflector.close(0);
    throw error;
  }
  return {
    seamless: ports.map((port, index) => ({ address: seamless!.listen[index]!.address, port })),
    passive: passive?.addresses ?? [],
    report: () => reflector.report(),
    leave: () => reflector.setDisabled(true),
    close: () => reflector.close(),
  };
}
