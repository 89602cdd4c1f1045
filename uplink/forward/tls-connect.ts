import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { isIP } from "node:net";
import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { rawPublicKey } from "@paddock/wire/identity.ts";
import type { LinkFailure } from "./ports.ts";

export interface TlsTarget {
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
  /** Local address to bind. */
  readonly source: string | undefined;
  /** Raw Ed25519 key that the peer's certificate has to carry; used when `ca` is undefined. */
  readonly publicKey: Uint8Array;
  /** PEM of the authorities to trust instead: the usual checks of chain, name and dates apply. */
  readonly ca: string | undefined;
  readonly alpn: readonly string[];
  readonly timeoutMs: number;
}

/**
 * Opens a TLS 1.3 connection (RFC 8446) and checks who answers. With a pinned key neither names nor dates matter, so a
 * gateway without a right clock still gets through; that the peer holds the private key is proven by the handshake.
 */
export function connectTls(target: TlsTarget, signal: AbortSignal): Promise<Outcome<TLSSocket, LinkFailure>> {
  return new Promise((resolve) => {
    const socket = connect(tlsOptions(target));
    const timer = setTimeout(
      () => fail("unreachable", `no TLS connection to ${describe(target)} within ${target.timeoutMs} ms`),
      target.timeoutMs,
    );
    const abort = () => fail("unreachable", "given up");
    const settle = (outcome: Outcome<TLSSocket, LinkFailure>) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      socket.off("error", onError);
      socket.off("close", onClose);
      resolve(outcome);
    };
    const fail = (reason: LinkFailure, detail: string) => {
      settle(refuse(reason, detail));
      // The destroyed socket may still report an error that nobody waits for.
      socket.on("error", () => {});
      socket.destroy();
    };
    const onError = (error: NodeJS.ErrnoException) => {
      const identity = target.ca !== undefined && isCertificateError(error);
      fail(identity ? "identity" : "unreachable", `${describe(target)}: ${error.message}`);
    };
    const onClose = () => fail("unreachable", `${describe(target)} closed the connection during the handshake`);
    socket.on("error", onError);
    socket.on("close", onClose);
    socket.on("secureConnect", () => {
      const fault = target.ca === undefined ? pinFault(socket, target.publicKey) : undefined;
      if (fault !== undefined) return fail("identity", `${describe(target)}: ${fault}`);
      socket.setNoDelay(true);
      settle(accept(socket));
    });
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });
}

/** So long a connection may go without an answer before another one is tried beside it. */
export const EAGER_STEP_MS = 1500;

/**
 * `connectTls`, with a fresh attempt every one and a half seconds beside those that wait; the first that gets through
 * counts. The kernel repeats a SYN after one, three and seven seconds, and whoever comes back meanwhile would wait.
 */
export async function connectEagerly(target: TlsTarget, signal: AbortSignal): Promise<Outcome<TLSSocket, LinkFailure>> {
  const { promise, resolve } = Promise.withResolvers<Outcome<TLSSocket, LinkFailure>>();
  const others = new AbortController();
  const deadline = performance.now() + target.timeoutMs;
  let settled = false;
  const settle = (outcome: Outcome<TLSSocket, LinkFailure>) => {
    if (settled) {
      if (outcome.ok) outcome.value.destroy();
      return;
    }
    settled = true;
    clearInterval(more);
    others.abort();
    resolve(outcome);
  };
  const attempt = () => {
    const timeoutMs = deadline - performance.now();
    // The first failure counts too: an answer that says no is an answer.
    if (timeoutMs > 0) void connectTls({ ...target, timeoutMs }, AbortSignal.any([signal, others.signal])).then(settle);
  };
  const more = setInterval(attempt, EAGER_STEP_MS);
  attempt();
  return promise;
}

function tlsOptions(target: TlsTarget): ConnectionOptions {
  return {
    host: target.host,
    port: target.port,
    ...(target.source === undefined ? {} : { localAddress: target.source }),
    ...(isIP(target.host.replace(/%.*$/, "")) === 0 ? { servername: target.host } : {}),
    ...(target.ca === undefined ? { rejectUnauthorized: false } : { ca: target.ca, rejectUnauthorized: true }),
    minVersion: "TLSv1.3",
    ALPNProtocols: [...target.alpn],
  };
}

function pinFault(socket: TLSSocket, publicKey: Uint8Array): string | undefined {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return "the peer shows no certificate";
  const key = certificate.publicKey;
  if (key.asymmetricKeyType !== "ed25519")
    return `the peer's key is ${key.asymmetricKeyType ?? "unknown"}, not Ed25519`;
  const raw = Buffer.from(rawPublicKey(key));
  if (raw.equals(publicKey)) return undefined;
  return `the peer's key is ${raw.toString("hex")}, not the configured ${Buffer.from(publicKey).toString("hex")}`;
}

/** The codes of OpenSSL's verification and of Node's name check; connection faults have errno names. */
function isCertificateError(error: NodeJS.ErrnoException): boolean {
  return /CERT|ERR_TLS_|UNABLE_TO|SIGNED|ISSUER|CRL/.test(error.code ?? "");
}

function describe(target: TlsTarget): string {
  const host = target.host.includes(":") ? `[${target.host}]` : target.host;
  return `${host}:${target.port}${target.source === undefined ? "" : ` from ${target.source}`}`;
}
