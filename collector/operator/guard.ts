import type { IncomingMessage } from "node:http";
import { showsToken } from "@paddock/base/bearer-token.ts";
import { errorAnswer, type Answer } from "../ingest/http-answer.ts";

/** What browsers say of a request that the user made, or a page of this very origin (Fetch Metadata, Sec-Fetch-Site). */
const OWN_SITES: ReadonlySet<unknown> = new Set([undefined, "none", "same-origin"]);

/**
 * A web page in the operator's browser must not reach a listener: neither by a name that resolves to this machine (Host),
 * nor by a form or script of its own (Origin), nor by an image or a link (Sec-Fetch-Site), which carry no Origin.
 */
export function refuseForeignPage(request: IncomingMessage): Answer | undefined {
  const host = (request.headers.host ?? "").replace(/:\d+$/u, "");
  const local = ["", "localhost", "127.0.0.1", "[::1]"].includes(host);
  const { origin } = request.headers;
  const ownOrigin = origin === undefined || origin === `http://${request.headers.host}`;
  const ownSite = OWN_SITES.has(request.headers["sec-fetch-site"]);
  return local && ownOrigin && ownSite
    ? undefined
    : errorAnswer(403, "foreign-page", "Ask this listener by its own address.");
}

/** Whether it is alive and can do its work everybody may know. */
const PROBES: ReadonlySet<unknown> = new Set(["/healthz", "/readyz"]);

/** Whoever comes over TCP may be any user of this machine, and shows the token, but for a probe. */
export function refuseWithoutToken(request: IncomingMessage, token: string | undefined): Answer | undefined {
  if (token === undefined || PROBES.has(request.url)) return undefined;
  if (showsToken(request.headers.authorization, token)) return undefined;
  const message = "Show the token in the file operator-token of the data directory: authorization: Bearer TOKEN.";
  const answer = errorAnswer(401, "token", message);
  return { ...answer, headers: { ...answer.headers, "www-authenticate": "Bearer" } };
}
