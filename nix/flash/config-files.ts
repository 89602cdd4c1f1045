import { randomBytes } from "node:crypto";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { generateIdentity, identityFromPem, identityToPem, type SigningIdentity } from "@paddock/wire/identity.ts";

/**
 * What the CONFIG partition of one gateway holds (docs/images.md), from what the person who flashes wants. Pure but for
 * keys and codes that are drawn anew.
 */

export interface UnitWishes {
  /** Text of a gateway.json. */
  readonly gatewayJson?: string | undefined;
  /** Text of the sensors file that it names. */
  readonly sensorsJson?: string | undefined;
  /** PEM of an Ed25519 private key; "new" draws one; undefined leaves it to the first boot. */
  readonly identity?: string | undefined;
  /** Claim code; "new" draws one. */
  readonly claim?: string | undefined;
  /** 64 hex digits, as `paddock collector id` prints. */
  readonly collectorKey?: string | undefined;
  readonly hostname?: string | undefined;
  /** Lines of an authorized_keys file. */
  readonly sshKeys?: string | undefined;
  /** systemd-networkd files: name and text. */
  readonly network?: ReadonlyMap<string, string> | undefined;
}

export interface Unit {
  /** Path below the partition's root, and content. */
  readonly files: ReadonlyMap<string, string>;
  /** Id of the gateway in hex, when its key is known before the first boot. */
  readonly id: string | undefined;
  readonly claim: string | undefined;
  readonly hostname: string | undefined;
}

/** 80 bits in Crockford's alphabet, which has no I, L, O and U to be misread. */
const CLAIM_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CLAIM_CHARACTERS = 16;
const CONFIG_BYTES_MAX = 4 * 1024 * 1024;

/** The files of one gateway. Throws USAGE that names the option at fault. */
export function unitOf(wishes: UnitWishes): Unit {
  const identity = wishes.identity === undefined ? undefined : identityOf(wishes.identity);
  const claim = wishes.claim === "new" ? newClaim() : wishes.claim;
  const files = new Map<string, string>();
  const put = (name: string, content: string | undefined) => {
    if (content !== undefined) files.set(name, content.endsWith("\n") ? content : `${content}\n`);
  };
  put("gateway.json", checkedJson(wishes.gatewayJson, "--config"));
  put("sensors.json", checkedJson(wishes.sensorsJson, "--sensors"));
  put("identity.pem", identity === undefined ? undefined : identityToPem(identity));
  put("claim.txt", checked(claim, /^[^\p{Cc}]{4,128}$/u, "--claim", "4 to 128 characters on one line"));
  put("collector.pub", checked(wishes.collectorKey, /^[0-9a-f]{64}$/u, "--collector-key", "64 lower-case hex digits"));
  put(
    "hostname",
    checked(wishes.hostname, /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/u, "--hostname", "1 to 63 of a-z, 0-9 and -"),
  );
  put("authorized_keys", wishes.sshKeys);
  for (const [name, content] of wishes.network ?? []) {
    put(
      `network/${checked(name, /^[A-Za-z0-9][A-Za-z0-9._@-]{0,59}\.(network|netdev|link)$/u, "--network", "NAME.network, .netdev or .link")}`,
      content,
    );
  }
  const bytes = [...files.values()].reduce((sum, content) => sum + Buffer.byteLength(content), 0);
  if (bytes > CONFIG_BYTES_MAX) {
    throw usage(`The files for the CONFIG partition have ${bytes} bytes; ${CONFIG_BYTES_MAX} fit.`);
  }
  const id = identity === undefined ? undefined : Buffer.from(identity.id).toString("hex");
  return { files, id, claim, hostname: wishes.hostname };
}

function identityOf(pem: string): SigningIdentity {
  if (pem === "new") return generateIdentity();
  const identity = identityFromPem(pem);
  // Its detail may quote the key.
  if (!identity.ok) throw usage("--identity: the file is no Ed25519 private key in PEM (PKCS#8).");
  return identity.value;
}

function newClaim(): string {
  const characters = [...randomBytes(CLAIM_CHARACTERS)].map((byte) => CLAIM_ALPHABET[byte % CLAIM_ALPHABET.length]);
  return characters.join("").replaceAll(/.{4}(?!$)/gu, "$&-");
}

function checkedJson(text: string | undefined, option: string): string | undefined {
  if (text === undefined) return undefined;
  try {
    JSON.parse(text.replace(/^\uFEFF/u, ""));
    return text;
  } catch (error) {
    throw usage(`${option}: the file is not JSON: ${messageOf(error).replace(/\.$/u, "")}.`);
  }
}

function checked(text: string | undefined, pattern: RegExp, option: string, expected: string): string | undefined {
  if (text === undefined || pattern.test(text)) return text;
  throw usage(`${option} ${option === "--claim" ? "(not shown)" : `"${text}"`}: expected ${expected}.`);
}

function usage(message: string): PaddockError {
  return new PaddockError("USAGE", message);
}
