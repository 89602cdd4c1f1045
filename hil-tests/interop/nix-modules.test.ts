import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseGatewayConfig } from "@paddock/gateway/config.ts";
import { evaluateNix, NIX_ENVIRONMENT } from "@paddock/nix/evaluate.ts";
import { run } from "../docs/run.ts";
import { ROOT_PATH } from "../docs/units.ts";

/** The NixOS modules and the flake, evaluated by Debian's nix with the small evaluator of nix/ci in place of nixpkgs. */

let directory = "";
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "paddock-flake-"));
});
afterAll(async () => {
  // What nix puts into a store may not be written to.
  await run("chmod", "-R", "u+w", directory);
  await rm(directory, { recursive: true });
});

const GATEWAY = 'dataDir = "/var/lib/paddock";';
const KEY = "ab".repeat(32);
const withGateway = (settings: string, rest = ""): string =>
  `{ services.paddock.gateway = { enable = true; settings = { ${GATEWAY} ${settings} }; }; ${rest} }`;

interface System {
  readonly etc: Readonly<Record<string, { readonly text: string }>>;
  readonly units: Readonly<Record<string, { readonly text: string; readonly wantedBy: readonly string[] }>>;
  readonly users: Readonly<Record<string, { readonly uid: number }>>;
}

const systemOf = async (module: string): Promise<System> =>
  (await evaluateNix(
    `let system = import ./ci/evaluate.nix ${module}; in { inherit (system.environment) etc; inherit (system.systemd) units; inherit (system.users) users; }`,
  )) as System;

test("a gateway's document is what the program itself fills in, and its unit reads it", async () => {
  const { etc, units, users } = await systemOf(withGateway(""));
  const document = JSON.parse(etc["paddock/gateway.json"]!.text) as unknown;
  expect(parseGatewayConfig(document)).toEqual(parseGatewayConfig({ dataDir: "/var/lib/paddock" }));
  expect(units["paddock-gateway.service"]!.text).toContain(
    "ExecStart=/nix/store/paddock/bin/paddock gateway run --config /etc/paddock/gateway.json\n",
  );
  expect(units["paddock-gateway.service"]!.wantedBy).toEqual(["multi-user.target"]);
  expect([Object.keys(units), users["paddock"]!.uid]).toEqual([["paddock-gateway.service"], 800]);
});

test("numbers and durations come out as they were meant, also those that nix 2.8 would change", async () => {
  const { etc } = await systemOf(
    withGateway(`lanes.bulk = { quotaShare = "0.123456789"; lingerMs = "5s"; }; store.maxBytes = "9007199254740991";`),
  );
  const text = etc["paddock/gateway.json"]!.text;
  expect(text).toContain('"quotaShare":0.123456789');
  expect(text).toContain('"lingerMs":5000');
  expect(text).toContain('"maxBytes":9007199254740991');
});

test("secrets are read from files by systemd, and put where the program looks for them", async () => {
  const { etc, units } = await systemOf(
    withGateway(`collector = { publicKey = "${KEY}"; claimFile = "/run/keys/claim"; };
      paths = [ { name = "fibre"; endpoint = "https://[2001:db8::1]:8443"; bfd.firstHop = { mode = "single-hop"; remote = "2001:db8:a::ff"; auth = {
        type = "keyed-sha1"; keys = [ { id = 1; secretFile = "/run/keys/bfd"; } ]; }; }; } ];`),
  );
  const unit = units["paddock-gateway.service"]!.text;
  expect(unit).toContain("LoadCredential=secret0:/run/keys/claim\nLoadCredential=secret1:/run/keys/bfd\n");
  expect(unit).toContain("run --config /run/paddock-gateway/config.json\n");
  const [program, script, , , ...secrets] = /^ExecStartPre=(.*)$/mu.exec(unit)![1]!.split(" ");
  expect([program, secrets]).toEqual([
    "/nix/store/nodejs/bin/node",
    ["secret0=collector.claim", "secret1=paths.0.bfd.firstHop.auth.keys.0.secret"],
  ]);
  const from = join(directory, "static.json");
  const to = join(directory, "made.json");
  await writeFile(from, etc["paddock/gateway.json"]!.text);
  await writeFile(join(directory, "secret0"), "open-sesame\n");
  await writeFile(join(directory, "secret1"), "hush");
  await new Promise<void>((resolve, reject) => {
    const env = { ...process.env, CREDENTIALS_DIRECTORY: directory };
    execFile(
      process.execPath,
      [join(ROOT_PATH, "nix/modules/with-secrets.mjs"), from, to, ...secrets],
      { env },
      (error) => (error === null ? resolve() : reject(error)),
    );
  });
  expect(script).toContain("with-secrets.mjs");
  const config = parseGatewayConfig(JSON.parse(await readFile(to, "utf8")));
  expect(config.collector!.claim).toBe("open-sesame");
  expect(JSON.stringify(config.paths[0])).toContain('"hush"');
});

test("a collector may write where its sinks do", async () => {
  const { units } = await systemOf(
    `{ services.paddock.collector = { enable = true; settings = { dataDir = "/var/lib/paddock-collector"; sinks = [
      { name = "lines"; files.directory = "/srv/lines"; } { name = "lake"; lake.directory = "/srv/a \\"lake\\" of 5 %"; }
      { name = "last"; redis = { }; } ]; }; }; }`,
  );
  expect(units["paddock-collector.service"]!.text.match(/^ReadWritePaths=.*$/gmu)).toEqual([
    'ReadWritePaths="-/srv/lines"',
    String.raw`ReadWritePaths="-/srv/a \"lake\" of 5 %%"`,
  ]);
});

test("the machine's settings go to nix/lib, which checks them", async () => {
  const { etc, units } = await systemOf(
    `{ services.paddock.bfd.enable = true; services.paddock.machine.firewall.enable = true; }`,
  );
  expect(Object.keys(etc).toSorted()).toEqual(["paddock/bfd.nft", "paddock/firewall.nft", "sysctl.d/50-paddock.conf"]);
  expect(units["paddock-nft.service"]!.text).toContain(
    "ExecStart=/nix/store/nftables/bin/nft -f /etc/paddock/bfd.nft\n",
  );
  expect(Object.keys(units)).toEqual(["paddock-bfd.service", "paddock-nft.service"]);
});

describe("what is wrong is refused, with its name", () => {
  test.each([
    ["a typo", withGateway("lisen = [ ];"), "The option `services.paddock.gateway.settings.lisen' does not exist."],
    [
      "a typo of a module",
      "{ services.paddock.gatway.enable = true; }",
      "The option `services.paddock.gatway' does not exist.",
    ],
    [
      "a typo of the machine",
      withGateway("", "services.paddock.machine.netwrk.enable = true;"),
      "settings.netwrk: there is no such setting",
    ],
    [
      "a wrong type",
      withGateway("forward.alarmTwice = 1;"),
      "`services.paddock.gateway.settings.forward.alarmTwice' is not of type `boolean': 1",
    ],
    [
      "a number that is too large",
      withGateway("lanes.bulk.quotaShare = 2;"),
      "lanes.bulk.quotaShare' is not of type `number, from 0, to 1",
    ],
    [
      "a number that would change",
      withGateway("lanes.bulk.quotaShare = 0.123456789;"),
      "as a text where it has more than six digits",
    ],
    ["no duration", withGateway('lanes.bulk.lingerMs = "5 parsecs";'), 'or a text such as "30s"'],
    [
      "no address",
      withGateway('listen = [ { address = "2001:db8::1::"; } ];'),
      "listen.0.address' is not of type `IP address'",
    ],
    [
      "a value that is none of the choice",
      withGateway('sensors.unknown = "maybe";'),
      "sensors.unknown' is not of type `one of",
    ],
    [
      "a missing value",
      "{ services.paddock.gateway.enable = true; }",
      "The option `services.paddock.gateway.settings.dataDir' is used but not defined.",
    ],
    [
      "a missing value in a list",
      withGateway('paths = [ { name = "fibre"; } ];'),
      "paths.0.endpoint' is used but not defined",
    ],
    [
      "a conflict",
      withGateway(
        "",
        'imports = [ { services.paddock.gateway.settings.log.level = "warn"; } { services.paddock.gateway.settings.log.level = "debug"; } ];',
      ),
      "log.level' has conflicting definition values",
    ],
    [
      "a secret twice",
      withGateway(`collector = { publicKey = "${KEY}"; claim = "a"; claimFile = "/b"; };`),
      "collector.claim and claimFile: give one of them",
    ],
  ])("%s", async (_, module, words) => {
    await expect(systemOf(module)).rejects.toThrow(words);
  });
});

const check = async (): Promise<{ status: number | string; output: string }> => {
  const args = [
    "flake",
    "check",
    "--no-build",
    "--store",
    join(directory, "store"),
    `git+file://${directory}/source?dir=nix`,
  ];
  const stub = ["--override-input", "nixpkgs", `path:${directory}/source/nix/ci`];
  return new Promise((resolve) => {
    execFile("nix", [...args, ...stub], { env: NIX_ENVIRONMENT }, (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : (error.code ?? "killed"), output: stdout + stderr }),
    );
  });
};
const source = (path: string): string => join(directory, "source", path);

const edit = async (path: string, from: string, to: string): Promise<void> => {
  const text = await readFile(source(path), "utf8");
  expect(text).toContain(from);
  await writeFile(source(path), text.replace(from, to));
};

describe("the flake", () => {
  beforeAll(async () => {
    for (const path of [
      "nix/lib",
      "nix/modules",
      "nix/machines",
      "nix/ci",
      "nix/units",
      "nix/image/files",
      "nix/bfd.nft",
      "nix/package.nix",
    ]
      .concat(["nix/flake.nix", "nix/flake.lock", "package.json"])
      .concat(["gateway/config.schema.json", "collector/config.schema.json"])) {
      await mkdir(dirname(source(path)), { recursive: true });
      await cp(join(ROOT_PATH, path), source(path), { recursive: true });
    }
    expect((await run("git", "init", "-q", join(directory, "source"))).status).toBe(0);
    expect((await run("git", "-C", join(directory, "source"), "add", "-A")).status).toBe(0);
  });

  test("has modules, machines, packages and checks that evaluate", async () => {
    expect(await check()).toMatchObject({ status: 0 });
  });

  test("a slip in a machine, and a stale file of what nix/lib makes, are seen", async () => {
    await edit("nix/machines/gateway.nix", "network.enable", "netwrk.enable");
    expect(await check()).toMatchObject({ status: 1, output: expect.stringContaining("settings.netwrk") as string });
    await edit("nix/machines/gateway.nix", "netwrk.enable", "network.enable");
    await edit("nix/units/paddock-bfd.service", "Priority=50", "Priority=51");
    const stale = expect.stringContaining("nix/units/paddock-bfd.service is not what nix/lib makes") as string;
    expect(await check()).toMatchObject({ status: 1, output: stale });
  });

  test("the lock names what the flake wants, and by its hash", async () => {
    const lock = JSON.parse(await readFile(join(ROOT_PATH, "nix/flake.lock"), "utf8")) as {
      nodes: { nixpkgs: { locked: { url: string; narHash: string; type: string }; original: { url: string } } };
    };
    const { locked, original } = lock.nodes.nixpkgs;
    const flake = await readFile(join(ROOT_PATH, "nix/flake.nix"), "utf8");
    expect(flake).toContain(`inputs.nixpkgs.url = "${locked.url}"`);
    expect([locked.type, original.url]).toEqual(["tarball", locked.url]);
    expect(locked.narHash).toMatch(/^sha256-[A-Za-z0-9+/]{43}=$/u);
  });
});
