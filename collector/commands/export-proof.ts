import { mkdir, writeFile } from "node:fs/promises";
import { PaddockError } from "@paddock/base/errors.ts";
import { ask } from "../operator/operator-client.ts";
import { writeProofParts } from "../proof/proof-parts.ts";
import {
  CONNECT_OPTIONS,
  parseCommandLine,
  print,
  printJson,
  socketOf,
  textOption,
  wholeOption,
  type Command,
} from "./command.ts";

export const exportProof: Command = {
  name: "export-proof",
  usage: "--offset N (--out FILE | --dir DIR) --config FILE [--json]",
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
    const written: string[] = [];
    if (out !== undefined) {
      await writeFile(out, proof);
      written.push(out);
    }
    if (directory !== undefined) {
      await mkdir(directory, { recursive: true });
      written.push(...(await writeProofParts(proof, directory)));
    }
    if (parsed.values["json"] === true) printJson({ offset, bytes: proof.length, written });
    else print(written.map((path) => `wrote ${path}`).join("\n"));
    return 0;
  },
};
