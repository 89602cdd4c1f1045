import { createHash, type KeyObject } from "node:crypto";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { accept, refuse, type Outcome } from "@paddock/base/outcome.ts";
import { partyId, publicKeyFromRaw } from "@paddock/wire/identity.ts";
import { replaceFile, syncDirectory } from "@paddock/base/durable-file.ts";
import type { Log } from "@paddock/base/log.ts";
import { ownDirectory, setAside } from "../set-aside.ts";

/** Whether a gateway may hand in batches. Batches that were taken stay, whatever is decided later. */
export type GatewayState = "approved" | "pending" | "denied";

const LABEL_CHARACTERS_MAX = 128;

const GatewayFile = v.strictObject({
  publicKey: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/u)),
  label: v.pipe(v.string(), v.maxLength(LABEL_CHARACTERS_MAX)),
  state: v.picklist(["approved", "pending", "denied"]),
  /** SHA-256 of the claim code that admitted it, so that the code admits nobody else; the code itself is not kept. */
  claimHash: v.nullable(v.string()),
  /** Unix ms of the first enrolment and of the last decision. */
  firstSeen: v.number(),
  decided: v.nullable(v.number()),
});

export interface Gateway extends Readonly<v.InferOutput<typeof GatewayFile>> {
  /** 64 hex digits: SHA-256 of the public key. */
  readonly id: string;
  readonly key: KeyObject;
  /** Why the claim code that it presented last did not admit it; for the operator only. Not kept over a restart. */
  readonly claimProblem?: string;
}

export interface RegistryOptions {
  readonly claims: readonly Claim[];
  readonly maxPending: number;
  readonly log: Log;
}

export interface Claim {
  readonly code: string;
  /** Label for the gateway; when empty, the gateway's own. */
  readonly label: string;
}

export interface Enrolment {
  readonly publicKeyRaw: Uint8Array;
  readonly claim: string;
  readonly label: string;
}

/**
 * Who may hand in: the allow-list. One small file per gateway in `directory`, replaced atomically, so that enrolling
 * the last of a hundred thousand costs what the first did. All of it is kept in memory.
 */
export class GatewayRegistry {
  readonly #directory: string;
  readonly #maxPending: number;
  readonly #claims: ReadonlyMap<string, Claim>;
  readonly #gateways = new Map<string, Gateway>();
  readonly #usedClaims = new Map<string, string>();
  /** Ids whose file was set aside, and whether it still said which claim code they used. */
  readonly #setAside = new Map<string, { readonly claimIsKnown: boolean }>();
  /** Waiting gateways, the longest silent first. */
  readonly #pending = new Set<string>();
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(directory: string, options: RegistryOptions) {
    this.#directory = directory;
    this.#maxPending = options.maxPending;
    this.#claims = new Map(options.claims.map((claim) => [hashOf(claim.code), claim]));
  }

  /**
   * A file that cannot be understood is set aside, and its gateway has to enrol again: it then waits for the operator,
   * whatever claim code it presents. Throws STORE_DAMAGED naming a file that cannot be read at all.
   */
  static async open(directory: string, options: RegistryOptions): Promise<GatewayRegistry> {
    const registry = new GatewayRegistry(directory, options);
    await ownDirectory(directory, options.log);
    for (const name of await readdir(directory)) {
      const id = /^([0-9a-f]{64})\.json$/u.exec(name)?.[1];
      if (id === undefined) continue;
      const path = join(directory, name);
      const read = await readGateway(path, id);
      if (read.ok) registry.#remember(read.value);
      else await setAside(options.log, path, new Error(read.detail), "the gateway unknown until it enrols again");
    }
    for (const name of await readdir(directory)) {
      const id = /^([0-9a-f]{64})\.json\.damaged(-\d+)?$/u.exec(name)?.[1];
      if (id !== undefined) registry.#rememberDamaged(id, await textOf(join(directory, name)));
    }
    return registry;
  }

  get(id: string): Gateway | undefined {
    return this.#gateways.get(id);
  }

  all(): Gateway[] {
    return [...this.#gateways.values()];
  }

  /** Takes a request whose signature was verified. Repeating it is harmless and changes nothing that was decided. */
  enrol(request: Enrolment, nowMs: number): Promise<Gateway> {
    return this.#inTurn(async () => {
      const id = Buffer.from(partyId(request.publicKeyRaw)).toString("hex");
      const known = this.#gateways.get(id);
      if (known !== undefined && known.state !== "pending") return known;
      const claimHash = hashOf(request.claim);
      const claimProblem = request.claim === "" ? undefined : this.#claimProblem(id, claimHash);
      const claim = claimProblem === undefined ? this.#claims.get(claimHash) : undefined;
      const publicKey = Buffer.from(request.publicKeyRaw).toString("hex");
      const firstSeen = known?.firstSeen ?? nowMs;
      const label = cleanLabel(claim?.label || request.label);
      if (claim !== undefined) {
        return this.#save(id, { publicKey, label, state: "approved", claimHash, firstSeen, decided: nowMs });
      }
      const note = claimProblem === undefined ? {} : { claimProblem };
      if (known !== undefined && known.label === label) {
        const { claimProblem: _, ...rest } = known;
        return this.#remember({ ...rest, ...note });
      }
      await this.#makeRoomForPending(id);
      await this.#save(id, { publicKey, label, state: "pending", claimHash: null, firstSeen, decided: null });
      return this.#remember({ ...this.#gateways.get(id)!, ...note });
    });
  }

  /** Why a claim code admits this gateway not; undefined when it does. */
  #claimProblem(id: string, claimHash: string): string | undefined {
    if (!this.#claims.has(claimHash)) return "presented a claim code that is not known";
    const usedBy = this.#usedClaims.get(claimHash);
    if (usedBy !== undefined && usedBy !== id) return `presented a claim code that was used by ${usedBy}`;
    if (this.#setAside.has(id)) return "presented a claim code, but its file here was damaged and set aside";
    const unclear = [...this.#setAside].find(([, { claimIsKnown }]) => !claimIsKnown)?.[0];
    if (unclear === undefined) return usedBy === undefined ? undefined : "presented the claim code that it used before";
    return `presented a claim code that ${unclear} may have used, whose file here was damaged: decide on that one first`;
  }

  /** The operator's yes or no; undefined when no such gateway ever enrolled. */
  decide(id: string, state: "approved" | "denied", nowMs: number): Promise<Gateway | undefined> {
    return this.#inTurn(async () => {
      const known = this.#gateways.get(id);
      if (known === undefined) return undefined;
      const { publicKey, label, claimHash, firstSeen } = known;
      return this.#save(id, { publicKey, label, state, claimHash, firstSeen, decided: nowMs });
    });
  }

  /** Forgets a gateway, so that it may enrol anew; whether there was one. */
  remove(id: string): Promise<boolean> {
    return this.#inTurn(async () => {
      if (!this.#gateways.has(id)) return false;
      await rm(this.#path(id), { force: true });
      await syncDirectory(this.#directory);
      this.#pending.delete(id);
      return this.#gateways.delete(id);
    });
  }

  async #makeRoomForPending(newcomer: string): Promise<void> {
    for (const id of this.#pending) {
      if (this.#pending.size < this.#maxPending) return;
      if (id === newcomer) continue;
      this.#pending.delete(id);
      this.#gateways.delete(id);
      await rm(this.#path(id), { force: true });
    }
  }

  async #save(id: string, content: v.InferOutput<typeof GatewayFile>): Promise<Gateway> {
    await replaceFile(this.#path(id), `${JSON.stringify(content, null, 2)}\n`);
    return this.#remember({ id, key: keyOf(content.publicKey), ...content });
  }

  /** A file that was set aside bars its gateway from claims until the operator has decided on it anew. */
  #rememberDamaged(id: string, text: string): void {
    const claimHash = /"claimHash":\s*(?:"([0-9a-f]{64})"|null)/u.exec(text);
    if (claimHash?.[1] !== undefined) this.#usedClaims.set(claimHash[1], id);
    if ((this.#gateways.get(id)?.state ?? "pending") !== "pending") return;
    const claimIsKnown = claimHash !== null && (this.#setAside.get(id)?.claimIsKnown ?? true);
    this.#setAside.set(id, { claimIsKnown });
  }

  #remember(gateway: Gateway): Gateway {
    this.#gateways.set(gateway.id, gateway);
    if (gateway.claimHash !== null) this.#usedClaims.set(gateway.claimHash, gateway.id);
    this.#pending.delete(gateway.id);
    if (gateway.state === "pending") this.#pending.add(gateway.id);
    else this.#setAside.delete(gateway.id);
    return gateway;
  }

  #path(id: string): string {
    return join(this.#directory, `${id}.json`);
  }

  #inTurn<Value>(task: () => Promise<Value>): Promise<Value> {
    const result = this.#turn.then(task);
    this.#turn = result.catch(() => {});
    return result;
  }
}

async function readGateway(path: string, id: string): Promise<Outcome<Gateway>> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EISDIR") return refuse("damaged", "It is a directory.");
    throw new PaddockError("STORE_DAMAGED", `${path} cannot be read: ${messageOf(error)}.`, { cause: error });
  }
  try {
    const content = v.parse(GatewayFile, JSON.parse(text));
    const key = keyOf(content.publicKey);
    const actual = Buffer.from(partyId(Buffer.from(content.publicKey, "hex"))).toString("hex");
    if (actual !== id) return refuse("damaged", "Its public key does not belong to the id that names the file.");
    return accept({ id, key, ...content });
  } catch (error) {
    return refuse("damaged", messageOf(error));
  }
}

/** What is left of a file that was set aside. */
function textOf(path: string): Promise<string> {
  return readFile(path, "latin1").catch(() => "");
}

function keyOf(hex: string): KeyObject {
  const key = publicKeyFromRaw(Buffer.from(hex, "hex"));
  if (!key.ok) throw new Error(key.detail);
  return key.value;
}

/** A label is shown in terminals and web pages: control characters would let a gateway write there. */
function cleanLabel(label: string): string {
  const clean = label.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, " ").slice(0, LABEL_CHARACTERS_MAX);
  // Cutting must not leave half of a surrogate pair.
  return clean.toWellFormed();
}

function hashOf(code: string): string {
  return createHash("sha256").update(code).digest("hex");
}
