import type { KeyObject } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "@paddock/base/clock.ts";
import { PaddockError } from "@paddock/base/errors.ts";
import { print, printJson } from "@paddock/base/printable.ts";
import { ChainStore } from "@paddock/store/chain-store.ts";
import { partyId, publicKeyFromRaw } from "@paddock/wire/identity.ts";
import { hexOf } from "../chain-name.ts";
import { ledgerDirectory } from "../identity-file.ts";
import { askJson } from "../operator/operator-client.ts";
import { isDamaged, verifyLedger, type LedgerVerification } from "../verify-ledger.ts";
import {
  configOf,
  CONNECT_HELP,
  CONNECT_OPTIONS,
  parseCommandLine,
  socketOf,
  textOption,
  type Command,
  type Parsed,
} from "./command.ts";

export const ledger: Command = {
  name: "ledger",
  usage: "verify [--config FILE] [--json]",
  summary: "check every batch of the ledger against hashes, links and signatures",
  help: `${CONNECT_HELP}

Asks the running collector; where none runs, the ledger is looked at as it lies there. Nothing is changed. Ends with 0 when
all holds, 2 when something is damaged.`,
  async run(argv) {
    const parsed = parseCommandLine(argv, CONNECT_OPTIONS, [1, 1]);
    const [verb] = parsed.positionals;
    if (verb !== "verify") throw new PaddockError("USAGE", `${JSON.stringify(verb)} is not verify.`);
    const found = await verification(parsed);
    if (parsed.values["json"] === true) printJson(found);
    else print(renderVerification(found));
    return isDamaged(found) ? 2 : 0;
  },
};

async function verification(parsed: Parsed): Promise<LedgerVerification> {
  try {
    return await askJson<LedgerVerification>(await socketOf(parsed), { path: "/v1/ledger/verify" });
  } catch (error) {
    const nobody = error instanceof PaddockError && error.code === "STATUS_UNREACHABLE";
    if (!nobody || textOption(parsed, "socket") !== undefined) throw error;
    return verifyOffline(parsed);
  }
}

async function verifyOffline(parsed: Parsed): Promise<LedgerVerification> {
  const { config } = await configOf(parsed);
  const store = await ChainStore.open({
    directory: ledgerDirectory(config.dataDir),
    ...config.store,
    arrivalLog: true,
    outOfOrder: true,
    readOnly: true,
    clock: systemClock,
  });
  try {
    const keys = await keysIn(join(config.dataDir, "gateways"));
    return await verifyLedger(store, ({ gateway }) => keys.get(hexOf(gateway)));
  } finally {
    await store.close();
  }
}

/** Keys of the gateways, by id. One whose file does not fit its name is left out: its batches are checked by hash and link. */
async function keysIn(directory: string): Promise<Map<string, KeyObject>> {
  const keys = new Map<string, KeyObject>();
  for (const name of await readdir(directory).catch(() => [])) {
    const text = await readFile(join(directory, name), "utf8").catch(() => "");
    const raw = Buffer.from(/"publicKey":\s*"([0-9a-f]{64})"/u.exec(text)?.[1] ?? "", "hex");
    const key = publicKeyFromRaw(raw);
    if (key.ok && `${hexOf(partyId(raw))}.json` === name) keys.set(hexOf(partyId(raw)), key.value);
  }
  return keys;
}

function renderVerification(found: LedgerVerification): string {
  const { chains, batches, records, evicted, broken, breaks, lostRecords, lost } = found;
  const looked = `${batches} batches with ${records} records in ${chains} chains, ${evicted} given up by their gateways.`;
  if (!isDamaged(found)) return `The ledger holds: ${looked}`;
  return [
    `The ledger is damaged: ${broken} places in its chains, ${lostRecords} records of its log lost. Looked at: ${looked}`,
    ...breaks.map(
      ({ chain, seq, fault, expected, found: was }) =>
        `${chain} seq ${seq}: ${fault}, ${expected} expected, ${was} found`,
    ),
    ...lost.map(({ offset, count, lost: why }) => `log offset ${offset}: ${count} records lost (${why})`),
  ].join("\n");
}
