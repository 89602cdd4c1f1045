import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { Ajv } from "ajv";
import addFormats from "ajv-formats";
import { expect, test } from "vitest";
import { licencesOf } from "./collect-parts.ts";
import type { ImageParts } from "./parts.ts";
import { billOfMaterials, type BillSubject } from "./sbom.ts";

const PARTS: ImageParts = {
  debian: [
    {
      name: "busybox-static",
      architecture: "amd64",
      version: "1:1.37.0-6+b9",
      sha256: "59".repeat(32),
      licences: ["GPL-2"],
      files: ["usr/bin/busybox"],
    },
    {
      name: "linux-image-6.12.1-amd64",
      architecture: "amd64",
      version: "6.12.1-1",
      sha256: "ab".repeat(32),
      licences: [],
      files: ["esp:EFI/Linux/x.efi"],
    },
  ],
  npm: [
    {
      name: "@scope/level",
      version: "1.2.3",
      licence: "(MIT OR Apache-2.0)",
      integrity: `sha512-${Buffer.alloc(64, 1).toString("base64")}`,
    },
  ],
  node: { version: "24.21.0", sha256: "cd".repeat(32), contains: { openssl: "3.5.4", uv: "1.51.0" } },
};
const SUBJECT: BillSubject = {
  architecture: "x86-64",
  version: "1.2.3~rc1",
  imageSha256: "ef".repeat(32),
  commit: "0".repeat(40),
  kernel: "6.12.1-amd64",
  suite: "trixie",
  parts: PARTS,
};

const require = createRequire(import.meta.url);
const SCHEMAS = join(dirname(require.resolve("@cyclonedx/cyclonedx-library/package.json")), "res/schema");
const schema = (name: string): object =>
  JSON.parse(readFileSync(join(SCHEMAS, `${name}.SNAPSHOT.schema.json`), "utf8")) as object;

// Formats of later drafts are not looked at: no field of ours is of one.
const ajv = new Ajv({ strict: false, formats: { "idn-email": true, "iri-reference": true } });
addFormats.default(ajv);
for (const name of ["spdx", "jsf-0.82", "cryptography-defs"])
  ajv.addSchema(schema(name), `http://cyclonedx.org/schema/${name}.SNAPSHOT.schema.json`);
const isValid = ajv.compile(schema("bom-1.6"));

const serial = (subject: BillSubject) => /urn:uuid:[0-9a-f-]+/.exec(billOfMaterials(subject))![0];

/** What the official schema has against a bill; null: nothing. */
function complaints(bill: string): unknown {
  isValid(JSON.parse(bill));
  return isValid.errors ?? null;
}

test("a bill of materials is valid against the schema of CycloneDX 1.6", () => {
  expect(complaints(billOfMaterials(SUBJECT))).toBeNull();
});

test("the schema would refuse what is not in order", () => {
  const bill = JSON.parse(billOfMaterials(SUBJECT)) as { components: { hashes: { content: string }[] }[] };
  bill.components[0]!.hashes[0]!.content = "no hash";
  expect(complaints(JSON.stringify(bill))).not.toBeNull();
});

test("the same image has the same bill, another content another serial number", () => {
  expect(billOfMaterials(SUBJECT)).toBe(billOfMaterials(structuredClone(SUBJECT)));
  const other = structuredClone(PARTS) as { -readonly [Key in keyof ImageParts]: ImageParts[Key] };
  other.node = { ...other.node, sha256: "00".repeat(32) };
  expect(serial({ ...SUBJECT, parts: other })).not.toBe(serial(SUBJECT));
  expect(serial(SUBJECT)).toMatch(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test("names packages as scanners look them up, with their files, licences and hashes", () => {
  const { components } = JSON.parse(billOfMaterials(SUBJECT)) as { components: Record<string, unknown>[] };
  expect(components.map(({ purl }) => purl)).toEqual([
    "pkg:deb/debian/busybox-static@1%3A1.37.0-6%2Bb9?arch=amd64&distro=trixie",
    "pkg:deb/debian/linux-image-6.12.1-amd64@6.12.1-1?arch=amd64&distro=trixie",
    "pkg:generic/node@24.21.0",
    "pkg:npm/%40scope/level@1.2.3",
  ]);
  expect(components[0]).toMatchObject({
    evidence: { occurrences: [{ location: "usr/bin/busybox" }] },
    licenses: [{ license: { name: "GPL-2" } }],
  });
  expect(components[3]).toMatchObject({
    hashes: [{ alg: "SHA-512", content: "01".repeat(64) }],
    licenses: [{ expression: "(MIT OR Apache-2.0)" }],
  });
});

test("licences are read from copyright files for machines alone", () => {
  const text = [
    "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/",
    "License: MIT",
    "Files: *",
    "License: GPL-2+",
    " words License: no",
    "License: MIT",
    "License:",
    "",
  ].join("\n");
  expect(licencesOf(text)).toEqual(["GPL-2+", "MIT"]);
  expect(licencesOf("This is free software.\nLicense: BSD\n")).toEqual([]);
});
