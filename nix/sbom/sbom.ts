import { createHash } from "node:crypto";
import { uuidText } from "../image/fixed-ids.ts";
import type { DebianPart, ImageParts, NodePart, NpmPart } from "./parts.ts";

/** What the bill is of. */
export interface BillSubject {
  /** As files of images have it: x86-64, arm64. */
  readonly architecture: string;
  readonly version: string;
  /** Of the image, hex. */
  readonly imageSha256: string;
  /** Of the sources. */
  readonly commit: string;
  /** The kernel's release, such as 6.12.1-amd64. */
  readonly kernel: string;
  /** The Debian release that packages are of. */
  readonly suite: string;
  readonly parts: ImageParts;
}

interface Component {
  readonly "bom-ref": string;
  readonly [field: string]: unknown;
}

/**
 * The bill of materials of an image: CycloneDX 1.6, JSON. It says the same bytes of the same image: no time is in it, and
 * its serial number is made from its content (a UUID of version 8, RFC 9562 §5.8).
 */
export function billOfMaterials(subject: BillSubject): string {
  const { architecture, version, imageSha256, commit, kernel, suite, parts } = subject;
  const node = nodeComponent(parts.node);
  const components: Component[] = [
    ...parts.debian.map((one) => debianComponent(one, suite, kernel)),
    node,
    ...parts.npm.map((one) => npmComponent(one)),
  ];
  const ref = `pkg:generic/paddock-image@${percent(version)}?arch=${architecture}`;
  const content = {
    version: 1,
    metadata: {
      lifecycles: [{ phase: "build" }],
      component: {
        type: "firmware",
        "bom-ref": ref,
        name: "paddock-image",
        version,
        purl: ref,
        licenses: [{ license: { id: "Apache-2.0" } }],
        hashes: [{ alg: "SHA-256", content: imageSha256 }],
        properties: properties({
          architecture,
          commit,
          kernel,
          suite,
          "debian-packages": "single files by list; see evidence",
        }),
      },
    },
    components,
    dependencies: [
      { ref, dependsOn: components.map((one) => one["bom-ref"]) },
      ...components.map((one) => ({ ref: one["bom-ref"] })),
    ],
    // What Debian and npm built their packages from is theirs to say.
    compositions: [{ aggregate: "incomplete", assemblies: [ref] }],
  };
  const serial = createHash("sha256").update(JSON.stringify(content)).digest().subarray(0, 16);
  serial[6] = (serial[6]! & 0x0f) | 0x80;
  serial[8] = (serial[8]! & 0x3f) | 0x80;
  const bill = {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${uuidText(serial.toString("hex"))}`,
    ...content,
  };
  return `${JSON.stringify(bill, null, 2)}\n`;
}

function debianComponent(
  { name, architecture, version, sha256, licences, files }: DebianPart,
  suite: string,
  kernel: string,
): Component {
  const purl = `pkg:deb/debian/${percent(name)}@${percent(version)}?arch=${architecture}&distro=${suite}`;
  const isKernel = name.startsWith("linux-image-");
  return {
    type: isKernel ? "operating-system" : name.startsWith("lib") ? "library" : "application",
    "bom-ref": purl,
    supplier: { name: "Debian" },
    name,
    version,
    ...(isKernel ? { description: `Linux ${kernel}` } : {}),
    hashes: [{ alg: "SHA-256", content: sha256 }],
    ...(licences.length > 0 ? { licenses: licences.map((one) => ({ license: { name: one } })) } : {}),
    purl,
    evidence: { occurrences: files.map((location) => ({ location })) },
  };
}

function nodeComponent({ version, sha256, contains }: NodePart): Component {
  const purl = `pkg:generic/node@${version}`;
  return {
    type: "platform",
    "bom-ref": purl,
    name: "node",
    version,
    description: "Node.js without its symbols",
    hashes: [{ alg: "SHA-256", content: sha256 }],
    licenses: [{ license: { id: "MIT" } }],
    cpe: `cpe:2.3:a:nodejs:node.js:${version}:*:*:*:*:*:*:*`,
    purl,
    components: Object.entries(contains).map(([name, of]) => ({
      type: "library",
      "bom-ref": `${purl}#${name}`,
      name,
      version: of,
    })),
  };
}

function npmComponent({ name, version, licence, integrity }: NpmPart): Component {
  const purl = `pkg:npm/${percent(name).replace("%2F", "/")}@${percent(version)}`;
  return {
    type: "library",
    "bom-ref": purl,
    name,
    version,
    scope: "required",
    hashes: [{ alg: "SHA-512", content: Buffer.from(integrity.slice("sha512-".length), "base64").toString("hex") }],
    licenses: [{ expression: licence }],
    purl,
  };
}

function properties(values: Readonly<Record<string, string>>): { name: string; value: string }[] {
  return Object.entries(values).map(([name, value]) => ({ name: `paddock:${name}`, value }));
}

/** A part of a package URL: what stands in it is written with percent signs (the purl specification). */
function percent(text: string): string {
  return encodeURIComponent(text);
}
