import { securityTextProblem } from "../release-documents/security-text.ts";
import { encryptedData } from "./encrypted-data.ts";
import type { Evidence } from "./evidence.ts";

/** What was looked at, and what is wrong with it; no problems: the control is in place. */
export interface Seen {
  readonly evidence: string;
  readonly problems: readonly string[];
}

type Control = (evidence: Evidence) => Seen;

/** Ports that a gateway needs: CoAP, and DNS-SD where it is announced. */
const PORTS = new Set(["udp 5353", "udp 5683"]);
/** A PEM key with its content; programs hold the first line alone, to look for it. */
const PRIVATE_KEY = /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40}/u;
const SERVICES_OF_OTHERS = /(?:^|\/)(?:sshd|dropbear|telnetd|getty@|serial-getty@|console-getty|debug-shell)[^/]*$/u;
const OWN_UNITS = ["paddock-gateway", "paddock-bfd"];
const CONFINEMENT = [
  "NoNewPrivileges=yes",
  "ProtectSystem=strict",
  "ProtectHome=yes",
  "PrivateDevices=yes",
  "ProtectKernelModules=yes",
  "RestrictSUIDSGID=yes",
  "SystemCallFilter=@system-service",
];

/** Every control by its name. */
export const CONTROLS = {
  "signed-sums": ({ sumsProblem }) => ({
    evidence: "SHA256SUMS of the release and its signature by the release key",
    problems: sumsProblem === undefined ? [] : [sumsProblem],
  }),
  "no-default-credentials": ({ root, config }) => {
    const accounts = [...(root.get("etc/passwd")?.text ?? "").matchAll(/^([^:\n]+):([^:\n]*):/gmu)];
    return {
      evidence: `${accounts.length} accounts in /etc/passwd, none with a password; no /etc/shadow, no authorized_keys, in CONFIG: ${config.join(", ")}`,
      problems: [
        ...(accounts.length === 0 ? ["/etc/passwd is missing"] : []),
        ...accounts
          .filter(([, , word]) => word !== "x" && word !== "*")
          .map(([, name]) => `${name} has a password in /etc/passwd`),
        ...[...(root.get("etc/shadow")?.text ?? "").matchAll(/^([^:\n]+):([^:\n!*][^:\n]*|):/gmu)].map(
          ([, name]) => `${name} can log in with what /etc/shadow says`,
        ),
        ...[...root.keys(), ...config]
          .filter((path) => path.endsWith("authorized_keys"))
          .map((path) => `${path} lets somebody in`),
      ],
    };
  },
  "unique-identity": ({ root, config }) => ({
    evidence: "no identity in the image: each gateway makes its own at its first start; /etc/machine-id is empty",
    problems: [
      ...[...root.keys(), ...config]
        .filter((path) => path.endsWith("identity.pem"))
        .map((path) => `${path} would be everybody's`),
      ...((root.get("etc/machine-id")?.text ?? "missing") === "" ? [] : ["/etc/machine-id is not empty"]),
    ],
  }),
  "no-built-in-keys": ({ root }) => ({
    evidence: `${root.size} files of the root file system searched for private keys`,
    problems: [...root]
      .filter(([, { text }]) => PRIVATE_KEY.test(text))
      .map(([path]) => `/${path} holds a private key`),
  }),
  contact: ({ documents, now }) => {
    const text = documents.get("security.txt");
    const problem = text === undefined ? "it is missing" : securityTextProblem(text, now);
    return {
      evidence: "security.txt (RFC 9116) beside the image",
      problems: problem === undefined ? [] : [`security.txt: ${problem}`],
    };
  },
  "bill-of-materials": ({ documents, imageSha256, root }) => billOfMaterials(documents, imageSha256, root),
  "support-date": ({ root, release, now }) => {
    const end = /^SUPPORT_END=(\d{4}-\d\d-\d\d)$/mu.exec(root.get("usr/lib/os-release")?.text ?? "")?.[1];
    return {
      evidence: `SUPPORT_END in /usr/lib/os-release (${end ?? "missing"}) and release.json`,
      problems: [
        ...(end === release.supportUntil ? [] : [`the image says ${end}, release.json ${release.supportUntil}`]),
        ...(end !== undefined && Date.parse(end) > now.getTime() ? [] : ["the support has ended, or no end is said"]),
      ],
    };
  },
  "version-shown": ({ root, release }) => ({
    evidence: "PRETTY_NAME and IMAGE_VERSION in /usr/lib/os-release",
    problems:
      root.get("usr/lib/os-release")?.text.includes(`\nIMAGE_VERSION=${release.version}\n`) === true
        ? []
        : ["the image does not say its version"],
  }),
  "update-key": ({ root }) => ({
    evidence: "public key of releases in /etc/paddock/release.pub.pem, unit paddock-update.service",
    problems: ["etc/paddock/release.pub.pem", "etc/systemd/system/paddock-update.service"]
      .filter((path) => !root.has(path))
      .map((path) => `/${path} is missing: the image takes no update`),
  }),
  "verified-root": ({ partitions, release }) => {
    const uuids = partitions
      .filter(({ label }) => label.startsWith("paddock_"))
      .map(({ uuid }) => uuid.replaceAll("-", ""));
    return {
      evidence: `dm-verity root hash ${release.rootHash}, whose halves name root and verity partition; every block is checked before it runs (decision 0045)`,
      problems: uuids.join("") === release.rootHash ? [] : ["the partitions are not those of the root hash"],
    };
  },
  "no-debug-interface": ({ loader, root }) => ({
    evidence: "loader.conf; no login, no shell and no server of others among the units that a start wants",
    problems: [
      ...(/^editor no$/mu.test(loader) ? [] : ["the boot loader lets people edit the command line"]),
      ...[...root.keys()].filter((path) => SERVICES_OF_OTHERS.test(path)).map((path) => `/${path} is there`),
    ],
  }),
  "open-ports": ({ ports }) => ({
    evidence: `ss of a gateway with the default configuration, in a network of its own: ${ports?.join(", ") ?? "not looked at"}`,
    problems:
      ports === undefined
        ? ["no gateway was started"]
        : ports.filter((one) => !PORTS.has(one)).map((one) => `${one} is open, and nothing needs it`),
  }),
  "least-privilege": ({ root }) => ({
    evidence: `users and confinement of ${OWN_UNITS.join(" and ")}`,
    problems: OWN_UNITS.flatMap((unit) => {
      const lines = root.get(`etc/systemd/system/${unit}.service`)?.text.split("\n") ?? [];
      return ["User=paddock", ...CONFINEMENT]
        .filter((line) => !lines.includes(line))
        .map((line) => `${unit}.service lacks ${line}`);
    }),
  }),
  "private-state": ({ root }) => ({
    evidence: "UMask and StateDirectoryMode of paddock-gateway.service; /var is mounted without programs and devices",
    problems: [
      ...["UMask=0077", "StateDirectoryMode=0700"].filter((line) => !hasLine(root, "paddock-gateway.service", line)),
      ...(/^Options=.*nosuid.*nodev.*noexec/mu.test(root.get("etc/systemd/system/var.mount")?.text ?? "")
        ? []
        : ["var.mount"]),
    ].map((line) => `${line} is not as it has to be`),
  }),
  "no-setuid": ({ root }) => ({
    evidence: "permission bits of every file of the root file system",
    problems: [...root]
      .filter(([, { mode }]) => (mode & 0o6000) !== 0)
      .map(([path]) => `/${path} runs with the rights of another`),
  }),
  "encrypted-data": encryptedData,
  "factory-reset": ({ root }) => ({
    evidence: "unit paddock-factory-reset.service, which destroys the key of the data partition before that is opened",
    problems: [/^ExecStart=.* factory-reset --erase /mu, /^Before=.*paddock-open-data\.service/mu].every((line) =>
      line.test(root.get("etc/systemd/system/paddock-factory-reset.service")?.text ?? ""),
    )
      ? []
      : ["no unit erases the data partition"],
  }),
} satisfies Readonly<Record<string, Control>>;

export type ControlName = keyof typeof CONTROLS;

function hasLine(root: Evidence["root"], unit: string, line: string): boolean {
  return root.get(`etc/systemd/system/${unit}`)?.text.split("\n").includes(line) === true;
}

function billOfMaterials(documents: Evidence["documents"], imageSha256: string, root: Evidence["root"]): Seen {
  const [name, text] = [...documents].find(([file]) => file.endsWith(".cdx.json")) ?? [];
  if (text === undefined) return { evidence: "bill of materials beside the image", problems: ["there is none"] };
  const bill = JSON.parse(text) as {
    metadata: { component: { hashes: { content: string }[] } };
    components: { evidence?: { occurrences: { location: string }[] } }[];
  };
  const named = new Set(
    bill.components.flatMap(({ evidence }) => evidence?.occurrences.map(({ location }) => location) ?? []),
  );
  const unnamed = [...root.keys()].filter((path) => isOfOthers(path) && !named.has(path));
  return {
    evidence: `${name}: ${bill.components.length} components, every program and library of the image among their files`,
    problems: [
      ...(bill.metadata.component.hashes[0]?.content === imageSha256 ? [] : ["it is of another image"]),
      ...unnamed.map((path) => `/${path} is in no component`),
    ],
  };
}

/** Whether somebody else made the file: ours lies in /opt, /etc and /usr/lib/paddock, and Node is a component by itself. */
function isOfOthers(path: string): boolean {
  const isOurs = path.startsWith("usr/lib/paddock/") || path === "usr/bin/node" || path === "usr/lib/os-release";
  return path.startsWith("usr/") && !isOurs;
}
