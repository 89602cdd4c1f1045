import { join } from "node:path";
import type { Clock } from "@paddock/base/clock.ts";
import { messageOf } from "@paddock/base/errors.ts";
import type { Log } from "@paddock/base/log.ts";
import { countOf } from "@paddock/base/ranges.ts";
import { openMetricsListener } from "@paddock/base/metrics-listener.ts";
import { Shutdown } from "@paddock/base/shutdown.ts";
import { readTlsFiles, type TlsFiles } from "@paddock/base/tls-files.ts";
import { ChainStore } from "@paddock/store/chain-store.ts";
import { identityToPem, type SigningIdentity } from "@paddock/wire/identity.ts";
import { startBfdAnswerer, type BfdAnswerer } from "./bfd-answerer.ts";
import { selfSignedCertificate } from "./certificate.ts";
import { chainTitle, hexOf } from "./chain-name.ts";
import { lastConfig, operatorSocketPath, type CollectorConfig } from "./config.ts";
import { EvidenceRoom } from "./evidence.ts";
import { ActivityBook } from "./fleet/activity.ts";
import { neverReceived } from "./fleet/missing.ts";
import { assertLedgerIsOurs, ledgerDirectory, loadIdentity } from "./identity-file.ts";
import { Admission } from "./ingest/admission.ts";
import { ingestHandler } from "./ingest/ingest-handler.ts";
import { startIngestServer, type IngestServer, type ListenAddress } from "./ingest/ingest-server.ts";
import { Receipts } from "./ingest/receipts.ts";
import { Consumers } from "./log/consumers.ts";
import { collectorMetrics } from "./metrics.ts";
import { OtlpExporter } from "./otlp/exporter.ts";
import { operatorHandler } from "./operator/operator-routes.ts";
import { sinkReports } from "./operator/operator-sinks.ts";
import { startOperatorServer, type OperatorServer } from "./operator/operator-server.ts";
import { loadToken } from "./operator/token.ts";
import { KeptReceipts } from "./proof/kept-receipts.ts";
import { unreadiness, type Stage } from "./readiness.ts";
import { GatewayRegistry } from "./registry/gateway-registry.ts";
import { Rollouts } from "./rollout/rollouts.ts";
import { Scrub } from "./scrub.ts";
import { SinksProcess } from "./sinks/sinks-process.ts";
import { dataDirProblem, makeDirectory } from "./set-aside.ts";

export interface Collector {
  readonly identity: SigningIdentity;
  readonly listen: readonly ListenAddress[];
  readonly operator: Pick<OperatorServer, "socket" | "address">;
  /** Seamless BFD listeners with their ports. */
  readonly bfd: BfdAnswerer["seamless"];
  /** Undefined when the configuration has none. */
  readonly sinks: Pick<SinksProcess, "pid"> | undefined;
  /** Rejects when the ledger cannot be written any more: the process has to end and find the truth on disk. */
  readonly failed: Promise<never>;
  /** Resolves when the work that goes on in the background is done for now. */
  settled(): Promise<void>;
  /** Finishes the uploads in flight, ends the readers and closes the ledger. Calling it again waits for the same end. */
  close(): Promise<void>;
}

/**
 * Starts a collector. When this resolves, gateways and the operator are served. Throws PaddockError for a data
 * directory in use, a damaged ledger, an identity that is unreadable or not the ledger's, or an address that cannot be bound.
 */
export async function startCollector(config: CollectorConfig, clock: Clock, log: Log): Promise<Collector> {
  try {
    return await openCollector(config, clock, log);
  } catch (error) {
    throw dataDirProblem(config.dataDir, error) ?? error;
  }
}

async function openCollector(config: CollectorConfig, clock: Clock, log: Log): Promise<Collector> {
  const { dataDir, limits } = config;
  await makeDirectory(dataDir);
  const identity = await loadIdentity(dataDir);
  const tls = await tlsFiles(config, identity);
  const ledger = await ChainStore.open({
    directory: ledgerDirectory(dataDir),
    ...config.store,
    arrivalLog: true,
    outOfOrder: true,
    clock,
    onDamage: ({ chain, ...found }) =>
      log.error("ledger-damaged", { chain: chain === undefined ? null : chainTitle(chain), ...found }),
  });
  for (const note of ledger.recovery) log.warn("ledger-repaired", { ...note });
  const closing = new Shutdown();
  closing.add(() => ledger.close());
  try {
    await assertLedgerIsOurs(ledger, identity, dataDir);
    const registry = await GatewayRegistry.open(join(dataDir, "gateways"), {
      claims: config.claims,
      maxPending: limits.maxPending,
      log,
    });
    const evidence = await EvidenceRoom.open(join(dataDir, "evidence"), log);
    const consumers = await Consumers.open(join(dataDir, "consumers"), log);
    const activity = await ActivityBook.open(ledger, log);
    closing.add(() => activity.close());
    const rollouts = await Rollouts.open(dataDir, { identity, registry, ledger, activity, clock, log });
    closing.add(() => rollouts.close());
    const admission = new Admission(limits);
    const bfd = await startBfdAnswerer(config.bfd, { clock, log });
    if (bfd !== undefined) closing.add(() => bfd.close());
    const receipts = new Receipts(identity, clock);
    const keptReceipts = await KeptReceipts.open({ ledger, registry, identity, clock, log });
    closing.add(() => keptReceipts.close());
    const scrub = await Scrub.open(ledger, dataDir, clock, log);
    closing.add(() => scrub.close());
    let server: IngestServer | undefined;
    const follow = { count: noFollowers };
    let sinks: SinksProcess | undefined;
    let otlp: OtlpExporter | undefined;
    const metrics = collectorMetrics({
      connections: () => server?.connections.taken ?? 0,
      unprovenConnections: () => server?.connections.unproven ?? 0,
      uploadsInFlight: () => admission.uploads,
      bodyBytesInFlight: () => admission.budget.usedBytes,
      bodyBytesLimit: () => limits.maxBodyBytesInFlight,
      followers: () => follow.count(),
      gateways: () => countStates(registry),
      chains: () => [...ledger.chains()].length,
      ledgerBytes: () => ledger.usage().bytes,
      ledgerLimitBytes: () => config.store.maxBytes,
      logEnd: () => ledger.logEnd(),
      missingBatches: () => [...ledger.chains()].reduce((total, chain) => total + countOf(neverReceived(chain)), 0),
      evidence: () => evidence.all().filter(({ closed }) => closed === null).length,
      ledgerDamage: () => ledger.damage().length,
      scrub: () => scrub.progress,
      bfd: () => bfd?.report(),
      sinks: () => sinkReports({ ledger, clock, sinks: () => sinks }),
      otlpProblem: () => otlp?.hasProblem,
    });
    const failure = Promise.withResolvers<never>();
    let stage: Stage = "starting";
    failure.promise.catch(() => (stage = "failed"));
    const unready = () => unreadiness(stage, ledger.shortage());
    const shared = {
      identity,
      ledger,
      registry,
      evidence,
      consumers,
      activity,
      rollouts,
      admission,
      receipts,
      keptReceipts,
      scrub,
      sinks: () => sinks,
      metrics,
      limits,
      clock,
      log,
      onFatal: failure.reject,
    };

    const operator = operatorHandler({ ...shared, unready });
    follow.count = () => operator.followers();
    const { listen } = config.operator;
    const operatorServer = await startOperatorServer(
      operator.handle,
      operatorSocketPath(config),
      listen === null ? null : { ...listen, token: await loadToken(dataDir, log) },
    );
    closing.add(() => operatorServer.close());
    const metricsListener = await openMetricsListener(config.metrics, {
      contentType: metrics.contentType,
      metrics: () => metrics.render(),
      unready,
      clock,
      log,
    });
    if (metricsListener !== undefined) closing.add(() => metricsListener.close());
    if (config.otlp !== null) {
      otlp = await OtlpExporter.start(config.otlp, {
        families: () => metrics.families(),
        instance: hexOf(identity.id),
        clock,
        log,
        onPush: (outcome) => {
          metrics.otlpPushes.inc({ result: outcome.is });
          if (outcome.is === "taken") metrics.otlpRejected.inc(outcome.rejected);
        },
      });
      closing.add(() => otlp?.close());
    }
    const last = lastConfig(config) ?? null;
    if (config.sinks.length > 0 || last !== null) {
      sinks = await SinksProcess.start({
        socket: operatorServer.socket,
        directory: join(dataDir, "sinks"),
        sinks: config.sinks,
        sites: config.sites,
        last,
        clock,
        log,
      });
      closing.add(() => sinks?.close());
    }

    const ingest = ingestHandler(shared);
    server = await startIngestServer({
      listen: config.listen,
      tls,
      limits,
      metrics,
      clock,
      log,
      handle: ingest.handle,
    });
    const { addresses, close: closeServer } = server;
    stage = "serving";
    closing.add(async () => {
      stage = "stopping";
      bfd?.leave();
      operator.stopFollowers();
      await ingest.drain(limits.drainMs);
      await closeServer(CLOSE_CONNECTIONS_MS);
    });

    log.info("ready", {
      publicKey: hexOf(identity.publicKeyRaw),
      id: hexOf(identity.id),
      listen: addresses,
      operator: { socket: operatorServer.socket, listen: operatorServer.address ?? null },
      bfd: bfd === undefined ? null : { seamless: bfd.seamless, passive: bfd.passive },
      chains: [...ledger.chains()].length,
      logEnd: ledger.logEnd(),
    });
    return {
      identity,
      listen: addresses,
      operator: operatorServer,
      bfd: bfd?.seamless ?? [],
      sinks,
      failed: failure.promise,
      settled: async () => void (await Promise.all([keptReceipts.settled(), activity.settled()])),
      close: () => closing.run(),
    };
  } catch (error) {
    await closing.abandon((second) => log.error("close-failed", { message: messageOf(second) }));
    throw error;
  }
}

function noFollowers(): number {
  return 0;
}

/** Time for peers to take their last answers and leave once every upload is answered. */
const CLOSE_CONNECTIONS_MS = 1000;

async function tlsFiles({ tls }: CollectorConfig, identity: SigningIdentity): Promise<TlsFiles> {
  return tls === null
    ? { cert: selfSignedCertificate(identity), key: identityToPem(identity) }
    : readTlsFiles("tls", tls);
}

function countStates(registry: GatewayRegistry): Record<"approved" | "pending" | "denied", number> {
  const counts = { approved: 0, pending: 0, denied: 0 };
  for (const { state } of registry.all()) counts[state]++;
  return counts;
}
