// Puts secrets into a document: `node with-secrets.mjs DOCUMENT TO NAME=PATH.OF.IT ...`. Each NAME is a credential that systemd
// hands over (LoadCredential=), so that the program itself needs no access to where the secrets lie.
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [from, to, ...secrets] = process.argv.slice(2);
const document = JSON.parse(readFileSync(from, "utf8"));
for (const secret of secrets) {
  const [name, path] = secret.split("=");
  const keys = path.split(".");
  const last = keys.pop();
  let place = document;
  for (const key of keys) place = place[key];
  place[last] = readFileSync(join(process.env.CREDENTIALS_DIRECTORY, name), "utf8").replace(/\r?\n$/u, "");
}
writeFileSync(`${to}.new`, JSON.stringify(document), { mode: 0o600 });
renameSync(`${to}.new`, to);
