import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "@paddock/base/clock.ts";
import { messageOf } from "@paddock/base/errors.ts";
import type { Log } from "@paddock/base/log.ts";
import { openMetricsListener } from "@paddock/base/metrics-listener.ts";
import { Shutdown } from "@paddock/base/shutdown.ts";
import { ChainStore } from "@paddock/store/chain-store.ts";
import type { KeyValueDatabase } from "@paddock/store/database.ts";
import { AddressFeed } from "@paddock/uplink/paths/address-feed.ts";
import { runtimeAddresses } from "@paddock/uplink/paths/address-watch.ts";
import { PAYLOAD_BYTES_MAX } from "@paddock/wire/limits.ts";
import { ChainBatchSource } from "./batch-source.ts";
import { countBoot } from "./boot-counter.ts";
import { LinuxClockQuality } from "./clock-quality.ts";
import { commitStoreOf } from "./commit/chain-commit-store.ts";
import { CommitLoop } from "./commit/commit-loop.ts";
import { Divergence } from "./commit/divergence.ts";
import { epochStartsDue, logRecovery, newestBoot } from "./commit/continuity.ts";
import { LOSS_PREFIX } from "./commit/loss-book.ts";
import type { GatewayConfig } from "./config.ts";
import { socketPath } from "./config/socket-path.ts";
import { followLinks } from "./follow-links.ts";
import { loadOrCreateIdentity } from "@paddock/wire/identity-file.ts";
import { assertStoreIsOurs } from "./identity.ts";
import { openIngest } from "./open-ingest.ts";
import { DirectiveErrand } from "./directives/directive-errand.ts";
import type { Directives } from "./directives/directives.ts";
import { UdpListeners } from "./ingest/udp-listener.ts";
import { OPENMETRICS_CONTENT_TYPE } from "./metrics/openmetrics.ts";
import { Uplinks } from "./paths/uplinks.ts";
import { StatusServer } from "./status/status-server.ts";
import { StatusSource } from "./status/status-source.ts";

export interface Gateway {
  /** SHA-256 of the public key, hex. */
  readonly id: string;
  /** Bound sockets, with the ports that the kernel chose. */
  readonly addresses: readonly { readonly kind: "coap" | "plain"; readonly address: string; readonly port: number }[];
  readonly status: StatusSource;
  /** Rejects when the gateway cannot go on; never resolves. */
  readonly failed: Promise<never>;
  /** Reads the sensors file again. A bad one changes nothing and is logged. */
  reloadSensors(): Promise<void>;
  /** Takes no more frames, makes what it took durable, lets uploads finish for `forward.drainMs`, closes everything. */
  stop(): Promise<void>;
}

export interface GatewayEnvironment {
  readonly clock: Clock;
  readonly log: Log;
  /** The store's database, for faults; by default LevelDB in the data directory. */
  readonly database?: KeyValueDatabase;
  /** What the collector may ask of this gateway; without it, nothing. */
  readonly directives?: Directives;
}

/**
 * The whole gateway. Throws PaddockError when it cannot start: whatever was opened until then is closed again, and how
 * that goes is logged, so that what is thrown is the cause.
 */
export async function openGateway(config: GatewayConfig, environment: GatewayEnvironment): Promise<Gateway> {
  const closing = new Shutdown();
  const failure = Promise.withResolvers<never>();
  // Whoever runs the gateway looks at it; until then a failure must not end the process unexplained.
  failure.promise.catch(() => {});
  const assembled = assemble(config, environment, closing, failure);
  assembled.catch(() => {});
  try {
    // Whatever the start waits for, it does not wait for a gateway that cannot go on.
    return await Promise.race([assembled, failure.promise]);
  } catch (error) {
    const { log } = environment;
    await closing.abandon((second) => log.error("close-failed", { message: messageOf(second) }));
    throw error;
  }
}

/** Bytes of the newest batches that stay in memory: what half a second at 20,000 frames/s fills, on its way and back. */
const HOT_BYTES = 1 << 20;

/** Every object, in the order in which they need each other. */
async function assemble(
  config: GatewayConfig,
  { clock, log, database, directives }: GatewayEnvironment,
  closing: Shutdown,
  { promise: failed, reject: fatal }: PromiseWithResolvers<never>,
): Promise<Gateway> {
  const { dataDir } = config;
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const store = await ChainStore.open({
    ...(database === undefined ? { directory: join(dataDir, "store") } : { database }),
    ...config.store,
    arrivalLog: false,
    hotBytes: HOT_BYTES,
    clock,
  });
  closing.add(() => store.close());
  await directives?.started();
  logRecovery(store, log);
  const { identity } = await identityFor(config, store, log);
  const boot = await countBoot(dataDir, { atLeast: await newestBoot(store) });
  const clockQuality = new LinuxClockQuality(clock);
  closing.add(() => clockQuality.stop());
  await clockQuality.start();

  const commitLoop = new CommitLoop({
    identity,
    store: commitStoreOf(store),
    lanes: config.lanes,
    epochStarts: epochStartsDue(store),
    losses: await store.side(LOSS_PREFIX),
    evictionBytesMin: Math.min(4 * PAYLOAD_BYTES_MAX, Math.floor(config.store.maxBytes / 16)),
    boot: boot.count,
    clock,
    clockQuality,
    log,
    defer: setImmediate,
    fatal,
  });
  await commitLoop.start();

  const divergence = new Divergence({ store, commitLoop, gateway: identity.id, clock, fatal });
  const source = new ChainBatchSource({
    store,
    gateway: identity.id,
    onSealed: (callback) => commitLoop.onSealed(callback),
    onReceipt: () => directives?.receipt(),
    roomFreed: () => commitLoop.roomFreed(),
    onDiverged: (...found) => void divergence.found(...found),
    quarantine: (lost) => commitLoop.quarantine(lost),
    clock,
    log,
    fatal,
  });
  closing.add(() => source.stop());
  const feed = new AddressFeed({ clock, log });
  const uplinks = await Uplinks.open({
    config,
    addresses: feed,
    identity,
    source,
    onFork: (lane, epoch) => void divergence.found(lane, epoch, "fork"),
    closing,
    clock,
    log,
  });

  const { ingest, sensorsFile } = await openIngest({
    config,
    store,
    sink: commitLoop,
    identity,
    boot: boot.count,
    clock,
    log,
  });
  const { listen, plainListen } = config;
  const listeners = await UdpListeners.open({
    ingest,
    clock,
    log,
    listen,
    plainListen,
    multicast: config.discovery.multicast,
    addresses: runtimeAddresses(),
  });
  // First the frames, then the sockets: the last answers still have to leave.
  closing.add(() => listeners.close());
  closing.add(() => commitLoop.stop());

  const status = new StatusSource({
    config,
    identity,
    boot: boot.count,
    clock,
    clockQuality,
    store,
    commitLoop,
    ingest,
    sensorsFile,
    listeners,
    uplinks,
  });
  closing.add(() => status.stop());
  const statusServer = await StatusServer.listen(socketPath(config), status.answerers());
  closing.add(() => statusServer.close());
  const metrics = await openMetricsListener(config.metrics, {
    contentType: OPENMETRICS_CONTENT_TYPE,
    metrics: () => status.metrics(),
    unready: () => status.unready(),
    clock,
    log,
  });
  if (metrics !== undefined) closing.add(() => metrics.close());
  const addresses = listeners.addresses();
  const id = Buffer.from(identity.id).toString("hex");
  const links = followLinks(config, id, listeners, { addresses: feed, clock, log });
  closing.add(() => links.stop());
  uplinks?.start();
  if (directives !== undefined && uplinks !== undefined && config.collector !== null) {
    const errand = new DirectiveErrand({
      directives,
      gateway: identity.id,
      collector: Buffer.from(config.collector.publicKey, "hex"),
      forwarder: uplinks.forwarder,
      sink: commitLoop,
      clock,
      clockQuality,
      log,
    });
    closing.add(() => errand.stop());
    errand.start();
  }
  const reloadSensors = async (): Promise<void> => {
    if (sensorsFile === undefined) return log.info("sensors-reload", { detail: "no sensors file is configured" });
    const document = await sensorsFile.reload();
    if (document !== undefined) ingest.reload(document);
  };
  const stop = async (): Promise<void> => {
    status.stopping = true;
    // The status stays to be asked while the last frames become durable. How that ends is seen by the closing, too.
    await commitLoop.stop().catch(() => {});
    await closing.run();
  };
  return { id, addresses, status, failed, reloadSensors, stop };
}

async function identityFor(config: GatewayConfig, store: ChainStore, log: Log) {
  const {
    dataDir,
    identity: { keyFile },
  } = config;
  // Of a chain that the disk lost whole only the duty is left to say whose it was.
  const chains = [...store.chains().map(({ id }) => id), ...store.duties().map(({ chain }) => chain)];
  const stored = chains.map(({ gateway }) => gateway);
  const loaded = await loadOrCreateIdentity({ dataDir, keyFile, mayCreate: stored.length === 0 });
  if (loaded.created) log.info("identity-created", { id: Buffer.from(loaded.identity.id).toString("hex") });
  assertStoreIsOurs(loaded.identity, stored, dataDir);
  return loaded;
}
