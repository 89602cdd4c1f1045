import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { DATA_TEXT } from "../image/data-text.ts";
import { NAMES_TEXT } from "../image/names-text.ts";
import { RESET_TEXT } from "../image/reset-text.ts";
import { encodeHead } from "@paddock/wire/key-slot.ts";
import { securityText } from "../release-documents/security-text.ts";
import type { Evidence } from "./evidence.ts";
import { htmlOf } from "./html.ts";
import { judge, redOf } from "./judge.ts";
import { portsOf } from "./open-ports.ts";
import { ETSI, MECHANISMS } from "./provisions.ts";
import { testResults } from "./test-results.ts";
import { writeReport } from "./write-report.ts";

const HASH = "ab".repeat(16) + "cd".repeat(16);
const UNIT = readFileSync(new URL("../units/paddock-gateway.service", import.meta.url), "utf8");
const BFD_UNIT = readFileSync(new URL("../units/paddock-bfd.service", import.meta.url), "utf8");
const ALL = [...ETSI, ...MECHANISMS];
/** Red whatever the image holds: they say what is not done. */
const OPEN = ALL.filter(({ open }) => open !== undefined).map(({ id }) => id);

const result = (fullName: string, status: string) => ({ fullName, status });
const file = (text: string, mode = 0o644) => ({ mode, text });
const uuid = (hex: string) => hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/u, "$1-$2-$3-$4-$5");

const ROOT: Readonly<Record<string, ReturnType<typeof file>>> = {
  "etc/passwd": file("root:x:0:0:root:/root:/bin/sh\npaddock:x:800:800::/:/bin/false\n"),
  "etc/machine-id": file(""),
  "etc/paddock/release.pub.pem": file("-----BEGIN PUBLIC KEY-----\n"),
  "etc/systemd/system/paddock-gateway.service": file(UNIT),
  "etc/systemd/system/paddock-bfd.service": file(BFD_UNIT),
  "etc/systemd/system/paddock-update.service": file("[Service]\n"),
  "etc/systemd/system/var.mount": file("[Mount]\nWhat=/run/paddock-boot/var\nOptions=nosuid,nodev,noexec,noatime\n"),
  ...Object.fromEntries(
    Object.entries({ ...NAMES_TEXT, ...DATA_TEXT, ...RESET_TEXT }).map(([path, text]) => [path, file(text)]),
  ),
  "usr/lib/modules/6.12/kernel/drivers/md/dm-crypt.ko": file("\u007fELF"),
  "usr/bin/busybox": file("\u007fELF -----BEGIN PRIVATE KEY----- is what it looks for", 0o755),
  "usr/lib/os-release": file("NAME=Paddock\nIMAGE_VERSION=1.2.3\nSUPPORT_END=2031-12-31\n"),
};

const BILL = JSON.stringify({
  metadata: { component: { hashes: [{ content: "ef".repeat(32) }] } },
  components: [
    {
      evidence: {
        occurrences: [
          { location: "usr/bin/busybox" },
          { location: "usr/lib/modules/6.12/kernel/drivers/md/dm-crypt.ko" },
        ],
      },
    },
  ],
});

/** Everything as it has to be. */
const WHOLE: Evidence = {
  release: { version: "1.2.3", commit: "0".repeat(40), supportUntil: "2031-12-31", rootHash: HASH },
  imageSha256: "ef".repeat(32),
  sumsProblem: undefined,
  documents: new Map([
    ["paddock_1.2.3_x86-64.cdx.json", BILL],
    ["security.txt", securityText("mailto:security@maker.example", "2026-11-01")],
  ]),
  partitions: [
    { label: "esp", uuid: uuid("11".repeat(16)) },
    { label: "paddock_1.2.3", uuid: uuid(HASH.slice(0, 32)) },
    { label: "paddock_1.2.3_verity", uuid: uuid(HASH.slice(32)) },
  ],
  root: new Map(Object.entries(ROOT)),
  loader: "timeout 0\neditor no\n",
  config: ["README.txt"],
  ports: ["udp 5353", "udp 5683"],
  dataTables: ["aa", "bb"].map(
    (byte) => `0 14336 crypt aes-xts-plain64 ${byte.repeat(64)} 0 /x 2048 1 sector_size:4096`,
  ),
  tests: new Map(
    ALL.flatMap(({ tests = [] }) =>
      tests.map((name) => [name.includes(": ") ? name : `${name}: works`, true] as const),
    ),
  ),
  pages: new Map(
    ALL.flatMap(({ pages = [] }) => pages).reduce((pages, name) => {
      const [page, heading] = name.split(": ") as [string, string];
      return pages.set(page, `${pages.get(page) ?? ""}## ${heading}\n`);
    }, new Map<string, string>()),
  ),
  now: new Date("2026-11-28"),
};

const withFile = (path: string, content: string, mode = 0o644): Evidence => ({
  ...WHOLE,
  root: new Map([...WHOLE.root, [path, file(content, mode)]]),
});
const withoutFile = (path: string): Evidence => ({
  ...WHOLE,
  root: new Map([...WHOLE.root].filter(([name]) => name !== path)),
});
const withoutDocument = (end: string): Evidence => ({
  ...WHOLE,
  documents: new Map([...WHOLE.documents].filter(([name]) => !name.endsWith(end))),
});
const withFailed = (start: string): Evidence => ({
  ...WHOLE,
  tests: new Map([...WHOLE.tests].map(([name, passed]) => [name, passed && !name.startsWith(start)])),
});

test("with everything in place nothing is red but what is said to be open", () => {
  expect(redOf(judge(WHOLE))).toEqual(OPEN);
});

describe("one control taken away turns its provisions red, and no other", () => {
  const KEY = `-----BEGIN PRIVATE KEY-----\n${"A".repeat(64)}\n`;
  const canaries: [string, Evidence, string[]][] = [
    ["a password that all units share", withFile("etc/shadow", "root:$6$salt$hash:1::::::\n"), ["5.1-1", "AUM"]],
    ["a key in the software", withFile("usr/bin/busybox", KEY, 0o755), ["5.4-3", "CCK"]],
    ["an identity that all units share", withFile("var/lib/paddock/identity.pem", ""), ["5.4-4", "CCK"]],
    ["no contact", withoutDocument("security.txt"), ["5.2-1"]],
    ["no bill of materials", withoutDocument(".cdx.json"), ["5.2-3", "5.5-2", "5.6-6", "GEC"]],
    ["a program of which nobody knows whose it is", withFile("usr/bin/other", ""), ["5.2-3", "5.5-2", "5.6-6", "GEC"]],
    ["no end of support", withFile("usr/lib/os-release", "NAME=Paddock\nIMAGE_VERSION=1.2.3\n"), ["5.3-13"]],
    ["no version", withFile("usr/lib/os-release", "NAME=Paddock\nSUPPORT_END=2031-12-31\n"), ["5.3-16"]],
    ["no key of releases", withoutFile("etc/paddock/release.pub.pem"), ["5.3-1", "5.5-3", "SUM"]],
    ["a downgrade that is taken", withFailed("gateway/update/apply.test.ts: an older one"), ["5.3-2", "SUM"]],
    [
      "an update of a stranger that is taken",
      withFailed("gateway/update/apply.test.ts: a release of"),
      ["5.3-10", "SUM"],
    ],
    [
      "a manifest that was changed and is taken",
      withFailed("wire/release/manifest.test.ts: with any"),
      ["5.3-7", "CRY"],
    ],
    ["a port too many", { ...WHOLE, ports: [...WHOLE.ports!, "tcp 23"] }, ["5.6-1", "5.6-5", "GEC"]],
    ["a boot loader with an editor", { ...WHOLE, loader: "timeout 5\n" }, ["5.6-4A"]],
    ["a server for logins", withFile("usr/sbin/sshd", "", 0o755), ["5.2-3", "5.5-2", "5.6-4A", "5.6-6", "GEC"]],
    [
      "a gateway that runs as root",
      withFile("etc/systemd/system/paddock-gateway.service", UNIT.replace("User=paddock\n", "")),
      ["5.6-7", "ACM"],
    ],
    ["a program with the rights of root", withFile("usr/bin/busybox", "", 0o4755), ["5.6-8"]],
    ["a root that nothing verifies", { ...WHOLE, partitions: [] }, ["5.7-1", "5.7-2"]],
    ["a gateway that loses readings when it is killed", withFailed("gateway/kill.trial.test.ts"), ["5.9-1", "RLM"]],
    ["no factory reset", withoutFile("etc/systemd/system/paddock-factory-reset.service"), ["5.11-1", "DLM"]],
    [
      "a data partition that is formatted without encryption",
      withFile("etc/repart.d/50-data.conf", "[Partition]\nType=linux-generic\nLabel=data\nFormat=ext4\n"),
      ["5.4-1", "SSM"],
    ],
    [
      "a data partition that is mounted as it lies on the disk",
      withFile("etc/systemd/system/var.mount", "[Mount]\nWhat=/run/paddock-boot/data\nOptions=nosuid,nodev,noexec\n"),
      ["5.4-1", "SSM"],
    ],
    ["a program that encrypts nothing", { ...WHOLE, dataTables: undefined }, ["5.4-1", "SSM"]],
    [
      "a program that maps the partition as it is",
      { ...WHOLE, dataTables: WHOLE.dataTables!.map((_, index) => `0 16384 linear /x${index} 0`) },
      ["5.4-1", "SSM"],
    ],
    [
      "a key that all units share",
      { ...WHOLE, dataTables: [WHOLE.dataTables![0]!, WHOLE.dataTables![0]!] },
      ["5.4-1", "SSM"],
    ],
    [
      "a key in the image that new partitions begin with",
      withFile("usr/lib/paddock/data-head", encodeHead({ keeper: "disk", key: Buffer.alloc(64) }).toString("latin1")),
      ["5.4-1", "SSM"],
    ],
    [
      "a kernel that cannot encrypt",
      withoutFile("usr/lib/modules/6.12/kernel/drivers/md/dm-crypt.ko"),
      ["5.4-1", "SSM"],
    ],
    ["a TPM that gives keys to others", withFailed("gateway/data/open-data.test.ts: in another"), ["5.4-1", "SSM"]],
    ["a key that a reset leaves", withFailed("gateway/data/destroy-key.test.ts"), ["5.11-4", "DLM"]],
    ["frames that are not checked", withFailed("wire/totality.test.ts"), ["5.13-1A"]],
    ["sums that nobody signed", { ...WHOLE, sumsProblem: "not signed" }, ["5.0-1"]],
  ];

  test.each(canaries)("%s", (_what, evidence, red) => {
    expect(redOf(judge(evidence)).filter((id) => !OPEN.includes(id))).toEqual(red);
  });

  test("no page about what is kept", () => {
    const pages = new Map([...WHOLE.pages].map(([page, text]) => [page, text.replaceAll("What is kept", "")]));
    expect(redOf(judge({ ...WHOLE, pages })).filter((id) => !OPEN.includes(id))).toEqual([
      "5.8-3",
      "6-1",
      "6-4",
      "6-5",
    ]);
  });
});

test("a test that was not run is no evidence", () => {
  expect(redOf(judge({ ...WHOLE, tests: new Map() }))).toEqual(
    ALL.filter(({ tests, open }) => tests !== undefined || open !== undefined).map(({ id }) => id),
  );
});

test("the tests that provisions name are there", () => {
  const missing = ALL.flatMap(({ tests = [] }) => tests).filter((name) => {
    const [path, start = ""] = name.split(": ");
    return !readFileSync(join(import.meta.dirname, "../..", path!), "utf8").includes(start);
  });
  expect(missing).toEqual([]);
});

test("a provision is shown, open, or does not apply, and each has a number of its own", () => {
  for (const { controls, tests, pages, notApplicable } of ALL)
    expect(controls ?? tests ?? pages ?? notApplicable).toBeDefined();
  expect(new Set(ALL.map(({ id }) => id)).size).toBe(ALL.length);
});

test("the report is signed so that openssl can tell, and escapes what it shows", async () => {
  const folder = mkdtempSync(join(tmpdir(), "paddock-conformance-"));
  try {
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    const [key, pub] = [join(folder, "key.pem"), join(folder, "pub.pem")];
    writeFileSync(key, privateKey.export({ type: "pkcs8", format: "pem" }));
    writeFileSync(pub, publicKey.export({ type: "spki", format: "pem" }));
    const report = judge({ ...WHOLE, config: ["<script>"] });
    await writeReport(report, folder, key);
    const [json, signature] = [join(folder, "conformance.json"), join(folder, "conformance.json.sig")];
    const verify = () =>
      execFileSync(
        "openssl",
        ["pkeyutl", "-verify", "-pubin", "-inkey", pub, "-rawin", "-in", json, "-sigfile", signature],
        {
          encoding: "utf8",
          stdio: "pipe",
        },
      );
    expect(verify()).toContain("Verified Successfully");
    expect(JSON.parse(readFileSync(json, "utf8"))).toEqual(report);
    writeFileSync(json, readFileSync(json, "utf8").replace('"green"', '"not applicable"'));
    expect(verify).toThrow();
    expect(htmlOf(report)).toContain("&lt;script&gt;");
    expect(htmlOf(report)).not.toContain("<script>");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("ports are read from what ss says", () => {
  const answer = [
    "udp   UNCONN 0      0               *:5683            *:*          ",
    "udp   UNCONN 0      0      [ff02::fb]%lo:5353          *:*          ",
    "tcp   LISTEN 0      511           [::1]:9100         [::]:*          ",
    "udp   UNCONN 0      0               *:5683            *:*          ",
    "",
  ].join("\n");
  expect(portsOf(answer)).toEqual(["tcp 9100", "udp 5353", "udp 5683"]);
});

test("results of tests are read by file and name; what was skipped is no result", () => {
  const text = JSON.stringify({
    testResults: [
      {
        name: "/house/a.test.ts",
        assertionResults: [result("x y", "passed"), result("z", "failed"), result("s", "skipped")],
      },
    ],
  });
  expect([...testResults(text, "/house")]).toEqual([
    ["a.test.ts: x y", true],
    ["a.test.ts: z", false],
  ]);
});
