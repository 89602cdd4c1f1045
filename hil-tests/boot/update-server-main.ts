/*
 * A server of releases, to be run in the namespace of a boot test. Its one argument is JSON: { folder, address, port }.
 * Answers range requests for the files in `folder`. Its first line is {"ready":true}.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { byRange, ReleaseServer } from "@paddock/gateway/update/testing/release-server.ts";

const { folder, address, port } = JSON.parse(process.argv[2]!) as { folder: string; address: string; port: number };
const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
  /\.(?:update|manifest)$/u.test(name),
);
const files = Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name))]));
await ReleaseServer.start(files, byRange, { host: address, port });
process.stdout.write('{"ready":true}\n');
