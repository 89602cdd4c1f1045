import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "@paddock/base/testing/until.ts";
import { ApacheServer } from "../lamp/apache-server.ts";
import { LampChain } from "../lamp/chain.ts";
import { documentedGrants } from "../lamp/grants.ts";
import { partsOf } from "../lamp/html.ts";
import { MARIADBS, MariadbServer } from "../mariadb/mariadb-server.ts";

/*
 * From the form of an old script to the page of another, through programs as people start them: bridge, gateway, collector
 * with its process for sinks, MariaDB, Apache. The tests go on from each other: one ledger, one table.
 */

let server: MariadbServer;
let apache: ApacheServer;
let chain: LampChain;
/** What was kept, the newest first, as the page has to show it. */
const kept: string[] = [];

beforeAll(async () => {
  server = await MariadbServer.start(MARIADBS[0]!);
  await chmod(server.directory, 0o711);
  await server.ask(await documentedGrants(), { database: "mysql" });
  chain = await LampChain.start(server.socketPath, "a password");
  apache = await ApacheServer.start([join(import.meta.dirname, "../lamp/readings.php")], server.socketPath);
  await until(async () => (await apache.get("/readings.php")).status === 200);
});
afterAll(async () => {
  await apache?.stop();
  await chain?.stop();
  await server?.stop();
});

async function shown(): Promise<string[]> {
  const { status, body } = await apache.get("/readings.php");
  expect(status).toBe(200);
  return partsOf(body).rows.map(([, title, , value, unit]) => `${title} ${value} ${unit}`);
}

const showsWhatWasKept = (): Promise<void> => until(async () => expect(await shown()).toEqual(kept));
const temperature = (value: number): string => `urn:dev:ow:28ff:temperature ${value} Cel`;

test("a form that an old script posts is exactly one row of the page, and that row leads to its proof", async () => {
  expect(await shown()).toEqual([]);
  const fields = { station: "28ff", temp: "21,50", note: "Tür \"auf\" & <b>'zu'</b>" };
  expect(await chain.post(fields)).toBe("HTTP/1.1 200 OK\nOK");
  kept.unshift(temperature(21.5));
  await showsWhatWasKept();
  const { notes, recent } = partsOf((await apache.get("/readings.php")).body);
  expect(notes).toHaveLength(1);
  expect(notes[0]).toContain("note: Tür &quot;auf&quot; &amp; &lt;b&gt;&#039;zu&#039;&lt;/b&gt; (");
  expect(recent).toBe(1);

  const offset = await server.ask("SELECT log_offset FROM paddock_readings WHERE value IS NOT NULL");
  const proof = join(chain.directory, "row.proof");
  expect(
    await chain.collector("export-proof", "--offset", offset, "--out", proof, "--socket", chain.socket),
  ).toMatchObject({ code: 0 });
  const verified = await chain.collector("verify", proof, "--json");
  expect(verified.code).toBe(0);
  const { frame } = JSON.parse(verified.stdout) as { readonly frame: string };
  expect(Buffer.from(frame, "base64url").toString("latin1")).toContain("urn:dev:ow:28ff");
});

test("a query does the same; what is no reading does not", async () => {
  expect(await chain.get({ station: "28ff", temp: "22" })).toBe(200);
  kept.unshift(temperature(22));
  expect(await chain.post({ station: "28ff", temp: "warm" })).toMatch(/^HTTP\/1\.1 400 .*\ntemp is "warm"/u);
  await showsWhatWasKept();
});

test("503 while the gateway is down, and nothing of it on the page afterwards", async () => {
  await chain.endGateway();
  expect(await chain.post({ station: "28ff", temp: "99" })).toMatch(
    /^HTTP\/1\.1 503 .*\nNot kept: .* Send it again\.$/u,
  );
  await chain.startGateway();
  expect(await chain.post({ station: "28ff", temp: "23" })).toContain("200 OK");
  kept.unshift(temperature(23));
  await showsWhatWasKept();
});

test("MariaDB and Apache are killed while forms come in: each is on the page once", async () => {
  for (let value = 30; value < 60; value++) {
    if (value === 35) await server.kill();
    if (value === 40) expect(await apache.get("/readings.php")).toMatchObject({ status: 503 });
    if (value === 45) await server.resume();
    if (value === 50) await apache.kill();
    expect(await chain.post({ station: "28ff", temp: String(value) })).toContain("200 OK");
    kept.unshift(temperature(value));
  }
  await apache.resume();
  // Instead of the wait for its next attempt.
  await chain.collector("sinks", "resume", "farm", "--socket", chain.socket);
  await showsWhatWasKept();
  expect(await server.ask("SELECT COUNT(*),COUNT(DISTINCT log_offset,part) FROM paddock_readings")).toBe("34\t34");
});
