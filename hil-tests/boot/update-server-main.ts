/*
 * A server of releases, to be run in the namespace of a boot test. Its one argument is JSON: { folder, address, port,
 * stallAfter }. Answers range requests for the files in `folder`, and nobody any more once it has sent `stallAfter` bytes, if
 * that is given. Its first line is {"ready":true}; {"stalled":true} says that it leaves a request without an answer.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { byRange, ReleaseServer, type Answering } from "@paddock/gateway/update/testing/release-server.ts";

const { folder, address, port, stallAfter } = JSON.parse(process.argv[2]!) as {
  folder: string;
  address: string;
  port: number;
  stallAfter?: number;
};
const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
  /\.(?:update|manifest)$/u.test(name),
);
const files = Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name))]));
const answer: Answering = (...asked) => {
  if (stallAfter === undefined || server.sentBytes < stallAfter) byRange(...asked);
  else process.stdout.write('{"stalled":true}\n');
};
const server = await ReleaseServer.start(files, answer, { host: address, port });
process.stdout.write('{"ready":true}\n');
