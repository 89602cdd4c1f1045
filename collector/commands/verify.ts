import { readFile } from "node:fs/promises";
import { messageOf, PaddockError } from "@paddock/base/errors.ts";
import { print, printJson } from "@paddock/base/printable.ts";
import { partyId } from "@paddock/wire/identity.ts";
import { laneName } from "@paddock/wire/lanes.ts";
import { verifyProof, type VerifiedProof } from "@paddock/wire/proof.ts";
import { formatSource } from "@paddock/wire/record.ts";
import { hexOf } from "../chain-name.ts";
import { clockName } from "../log/log-line.ts";
import { parseCommandLine, textOption, type Command, type Parsed } from "./command.ts";

export const verify: Command = {
  name: "verify",
  usage: "PROOF [--gateway ID] [--collector ID] [--json]",
  summary: "check a proof file, without a collector and without a network",
  help: `  PROOF           a file that \`export-proof\` wrote
  --gateway ID    the gateway it must be of: its id or its public key, 64 hex digits
  --collector ID  the collector it must be of, likewise; "paddock collector id" prints its public key
  --json          print JSON

The file brings its keys along: without --gateway and --collector, compare the ids that are printed with the ones you
trust. Ends with 0 when everything holds, 2 when something does not or the file cannot be read.`,
  async run(argv) {
    const options = { gateway: { type: "string" }, collector: { type: "string" }, json: { type: "boolean" } } as const;
    const parsed = parseCommandLine(argv, options, [1, 1]);
    const path = parsed.positionals[0]!;
    const parties = { gateway: partyOption(parsed, "gateway"), collector: partyOption(parsed, "collector") };
    const verified = verifyProof(await readProof(path));
    if (!verified.ok) throw new PaddockError("PROOF_INVALID", `${path}: ${verified.detail}`);
    const facts = factsOf(verified.value);
    for (const party of ["gateway", "collector"] as const) {
      const wanted = parties[party];
      if (wanted === undefined || wanted === facts[party] || idOfKey(wanted) === facts[party]) continue;
      throw new PaddockError("PROOF_INVALID", `${path} is of ${party} ${facts[party]}, not of ${wanted}.`, {
        remedy: "It holds in itself: it is another's, or that id or public key is not the one you mean.",
      });
    }
    if (parsed.values["json"] === true) printJson(facts);
    else print(renderFacts(facts));
    return 0;
  },
};

async function readProof(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new PaddockError("USAGE", `${path} cannot be read: ${messageOf(error)}.`, {
      cause: error,
      remedy: "Check the path; nothing was looked at.",
    });
  }
}

/** 64 hex digits: an id, or the public key that it is made of. Throws USAGE. */
function partyOption(parsed: Parsed, name: string): string | undefined {
  const text = textOption(parsed, name)?.toLowerCase();
  if (text === undefined || /^[0-9a-f]{64}$/u.test(text)) return text;
  throw new PaddockError("USAGE", `--${name} is ${JSON.stringify(text)}; an id or a public key has 64 hex digits.`);
}

function idOfKey(hex: string): string {
  return hexOf(partyId(Buffer.from(hex, "hex")));
}

function factsOf({ gateway, collector, header, record, receipt, links }: VerifiedProof) {
  const { position } = header;
  return {
    gateway: hexOf(gateway),
    collector: hexOf(collector),
    lane: laneName(position.lane),
    epoch: position.epoch,
    seq: position.seq,
    source: formatSource(record.source),
    format: record.format,
    frame: Buffer.from(record.frame).toString("base64url"),
    frameBytes: record.frame.length,
    at: position.wall + Math.floor(record.offset / 1000),
    clock: clockName(position.clock),
    boot: position.boot,
    headers: links,
    linked: receipt.linked,
    receiptSigned: receipt.received,
  };
}

function renderFacts(facts: ReturnType<typeof factsOf>): string {
  const at = new Date(facts.at).toISOString();
  return `The proof holds.
  gateway    ${facts.gateway}
  collector  ${facts.collector}
  record     ${facts.frameBytes} bytes, content format ${facts.format}, from ${facts.source}
  received   ${at} by the gateway's clock (${facts.clock}), in its boot ${facts.boot}
  sealed in  batch ${facts.seq} of lane ${facts.lane}, epoch ${facts.epoch}: signed by the gateway
  chained    by ${facts.headers} signed headers to batch ${facts.linked - 1}, each naming the hash of the one before
  kept by    the collector, which signed on ${new Date(facts.receiptSigned).toISOString()} that it holds all ${facts.linked} batches in order`;
}
