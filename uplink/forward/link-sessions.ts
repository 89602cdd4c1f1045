import type { PathConfig } from "../paths/path-config.ts";
import type { ForwardEvent } from "./forward-state.ts";
import type { CollectorLink, OpenLink } from "./ports.ts";

interface Session {
  readonly path: string;
  readonly controller: AbortController;
  link: CollectorLink | undefined;
  bytesCounted: number;
}

/** A session that takes requests, and the signal that ends them with it. */
export interface OpenSession {
  readonly link: CollectorLink;
  readonly signal: AbortSignal;
}

export interface LinkSessionsOptions {
  readonly openLink: OpenLink;
  /** Takes what happens to sessions. */
  readonly tell: (event: ForwardEvent) => void;
  /** Takes bytes that a session has used since the last count. */
  readonly onBytes: (path: string, bytes: number) => void;
}

/** The sessions of all paths: at most one of each takes requests; those before it may still have answers to come. */
export class LinkSessions {
  readonly #options: LinkSessionsOptions;
  readonly #current = new Map<string, Session>();
  /** Sessions that a successor has replaced, while they have answers to come. */
  readonly #retired = new Set<Session>();

  constructor(options: LinkSessionsOptions) {
    this.#options = options;
  }

  /** Undefined while none is open on the path. */
  on(path: string): OpenSession | undefined {
    const session = this.#current.get(path);
    return session?.link === undefined ? undefined : { link: session.link, signal: session.controller.signal };
  }

  /** Opens a session; one that is open stays until it has its answers. */
  async open(config: PathConfig, hurry: boolean): Promise<void> {
    const { name: path } = config;
    const { openLink, tell } = this.#options;
    const session: Session = { path, controller: new AbortController(), link: undefined, bytesCounted: 0 };
    const before = this.#current.get(path);
    if (before !== undefined) this.#retired.add(before);
    this.#current.set(path, session);
    const outcome = await openLink(config, session.controller.signal, hurry);
    if (this.#current.get(path) !== session) {
      if (outcome.ok) outcome.value.link.close();
      return;
    }
    if (!outcome.ok) {
      this.#current.delete(path);
      tell({ kind: "open-failed", path, failure: outcome.reason, detail: outcome.detail });
      return;
    }
    const { link, handshakeMs } = outcome.value;
    session.link = link;
    tell({ kind: "opened", path, handshakeMs });
    link.onRetiring((detail) => {
      if (this.#current.get(path) === session) tell({ kind: "retiring", path, detail });
    });
    link.onClosed((detail) => {
      this.countBytes();
      this.#retired.delete(session);
      if (this.#current.get(path) !== session) return;
      this.#current.delete(path);
      tell({ kind: "closed", path, detail });
    });
  }

  /** Ends all sessions of a path, and an attempt to open one. */
  close(path: string): void {
    this.countBytes();
    const retired = [...this.#retired].filter((session) => session.path === path);
    const current = this.#current.get(path);
    this.#current.delete(path);
    for (const session of current === undefined ? retired : [current, ...retired]) {
      this.#retired.delete(session);
      session.controller.abort();
      session.link?.close();
    }
  }

  /** Hands on what was used since the last count. */
  countBytes(): void {
    for (const session of [...this.#current.values(), ...this.#retired]) {
      if (session.link === undefined) continue;
      const used = session.link.bytesUsed();
      const bytes = used - session.bytesCounted;
      if (bytes <= 0) continue;
      session.bytesCounted = used;
      this.#options.onBytes(session.path, bytes);
    }
  }
}
