import { mkdir, writeFile } from "node:fs/promises";
import { PaddockError } from "@paddock/base/errors.ts";
import { print, printJson } from "@paddock/base/printable.ts";
import { verifyProof } from "@paddock/wire/proof.ts";
import { ask } from "../operator/operator-client.ts";
import { writeProofParts } from "../proof/proof-parts.ts";
import { CONNECT_OPTIONS, parseCommandLine, socketOf, textOption, wholeOption, type Command } from "./command.ts";
import { writing } from "./writing.ts";

export const exportProof: Command = {
  name: "export-proof",
  usage: "--offset N (--out FILE | --dir DIR) [--config FILE] [--json]",
  summary: "write the evidence for one record to a file",
  help: `  --offset N      the record's offset in the log
  --out FILE      one proof file, for \`verify\`
  --dir DIR       its parts as files, for the recipe of docs/proof.md
  --config FILE   the collector's configuration, to find its operator socket
  --socket PATH   the operator socket itself
  --json          print JSON`,
  async run(argv) {
    const options = {
      ...CONNECT_OPTIONS,
      offset: { type: "string" },
      out: { type: "string" },
      dir: { type: "string" },
    } as const;
    const parsed = parseCommandLine(argv, options);
    const offset = wholeOption(parsed, "offset");
    const out = textOption(parsed, "out");
    const directory = textOption(parsed, "dir");
    if (offset === undefined) throw new PaddockError("USAGE", "--offset is missing.");
    if (out === undefined && directory === undefined)
      throw new PaddockError("USAGE", "Name --out FILE, --dir DIR or both.");
    const proof = await ask(await socketOf(parsed), { path: `/v1/proof?offset=${offset}` });
    const verified = verifyProof(proof);
    if (!verified.ok) {
      throw new PaddockError("PROOF_INVALID", `Nothing was written: ${verified.detail}`, {
        remedy: "What the collector holds there is damaged: `paddock collector ledger verify`.",
      });
    }
    const written: string[] = [];
    const said: string[] = [];
    if (out !== undefined) {
      await writing(out, () => writeFile(out, proof));
      written.push(out);
      said.push(`wrote ${out}`);
    }
    if (directory !== undefined) {
      const parts = await writing(directory, async () => {
        await mkdir(directory, { recursive: true });
        return writeProofParts(proof, directory);
      });
      written.push(...parts);
      said.push(`wrote ${parts.length} files to ${directory}`);
    }
    if (parsed.values["json"] === true) printJson({ offset, bytes: proof.length, written });
    else print(said.join("\n"));
    return 0;
  },
};
