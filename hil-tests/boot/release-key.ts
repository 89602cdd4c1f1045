import { generateKeyPairSync } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** The key that signs the images of boot tests and their updates; made once, so that images built earlier still take them. */
const RELEASE_KEY = join(import.meta.dirname, "../results/images/release.pem");

/** The file with that key, PEM. */
export function releaseKeyFile(): string {
  if (!existsSync(RELEASE_KEY)) {
    mkdirSync(dirname(RELEASE_KEY), { recursive: true });
    const { privateKey } = generateKeyPairSync("ed25519");
    writeFileSync(RELEASE_KEY, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  }
  return RELEASE_KEY;
}
