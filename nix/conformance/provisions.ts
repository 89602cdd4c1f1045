import type { ControlName } from "./controls.ts";

/** A statement rests on controls that are looked at in the image, on tests, on pages, or does not apply. */
export interface Provision {
  readonly id: string;
  /** What it is about, in our words. */
  readonly about: string;
  readonly controls?: readonly ControlName[];
  /** "FILE: NAME" of tests that have to pass. */
  readonly tests?: readonly string[];
  /** "PAGE: heading" that has to be there. */
  readonly pages?: readonly string[];
  /** Why nothing has to be shown. */
  readonly notApplicable?: string;
  /** What is not done, which makes it red, whatever else is shown. */
  readonly open?: string;
}

const UPDATE = "gateway/update/apply.test.ts";
const MANIFEST = "wire/release/manifest.test.ts";
const PAGE = "docs/images.md";
const ENCRYPTION = [
  "wire/key-slot.test.ts",
  "gateway/data/open-data.test.ts: the first start makes the partition",
  "gateway/data/open-data.test.ts: in another machine, or after the TPM was cleared",
  "gateway/data/tpm.test.ts",
  "hil-tests/boot/data-script.test.ts",
];
const DELETION = ["gateway/data/destroy-key.test.ts", "gateway/reset/erase.test.ts"];
const NO_PASSWORDS = "the product has no passwords and no users to log in";
const NO_PERSONAL_DATA = "the gateway processes none of consumers; see the list of data";

/**
 * ETSI EN 303 645: the list of provisions with their conditions is table B.1 of V3.1.3; V2.1.1 has the same numbers without the
 * letters, and ends 6 at 6-5.
 */
export const ETSI: readonly Provision[] = [
  { id: "5.0-1", about: "a record of what is implemented", controls: ["signed-sums"] },
  { id: "5.1-1", about: "no passwords that units share", controls: ["no-default-credentials"] },
  { id: "5.1-2", about: "how passwords made in the factory are drawn", notApplicable: NO_PASSWORDS },
  { id: "5.1-2A", about: "no passwords made in the factory", notApplicable: NO_PASSWORDS },
  {
    id: "5.1-3",
    about: "authentication by present-day cryptography",
    tests: ["uplink/forward/collector-link.test.ts: signed by the collector's key"],
  },
  { id: "5.1-4", about: "changing what authenticates", notApplicable: NO_PASSWORDS },
  {
    id: "5.1-5",
    about: "no guessing over the network",
    tests: ["gateway/ingest/replay-guard.test.ts", "gateway/ingest/bounds.test.ts"],
  },
  { id: "5.2-1", about: "where and how weaknesses are reported", controls: ["contact"] },
  {
    id: "5.2-2",
    about: "acting on reports in time",
    notApplicable: "a duty of whoever makes the images, not of a file in them",
  },
  { id: "5.2-3", about: "watching for weaknesses in what it is made of", controls: ["bill-of-materials"] },
  { id: "5.3-1", about: "all software can be updated", controls: ["update-key"] },
  {
    id: "5.3-2",
    about: "updates are installed securely",
    tests: [`${UPDATE}: an older one, also when its candidate is meant`],
  },
  { id: "5.3-3", about: "updating is simple", pages: [`${PAGE}: Update`] },
  {
    id: "5.3-4A",
    about: "updates come by themselves",
    notApplicable: "the operator rolls releases out in rings; a gateway decides nothing by itself",
  },
  { id: "5.3-4B", about: "automatic updates for security", notApplicable: "as 5.3-4A" },
  { id: "5.3-5", about: "asking for updates", tests: ["gateway/update/http-source.test.ts"] },
  { id: "5.3-6A", about: "automatic updates can be put off", tests: [`${UPDATE}: while updates are held`] },
  { id: "5.3-6B", about: "notices of updates can be put off", notApplicable: "there are none" },
  {
    id: "5.3-7",
    about: "updates protected by present-day cryptography",
    tests: [`${MANIFEST}: with any bit changed is refused`],
  },
  { id: "5.3-8", about: "security updates in time", notApplicable: "a duty of whoever makes the images" },
  { id: "5.3-9", about: "updates are genuine and whole", tests: [`${UPDATE}: a file whose last bytes are other ones`] },
  {
    id: "5.3-10",
    about: "updates over a network are trusted by a key",
    tests: [`${UPDATE}: a release of somebody else`],
  },
  {
    id: "5.3-11",
    about: "telling people that an update is needed",
    notApplicable: "the operator's collector shows versions; there is no user at the device",
  },
  {
    id: "5.3-12",
    about: "telling people when an update interrupts",
    notApplicable: "as 5.3-11; readings wait in the sensors and in the buffer",
  },
  { id: "5.3-13", about: "until when there are updates", controls: ["support-date"] },
  { id: "5.3-14", about: "devices that cannot be updated", notApplicable: "it can" },
  { id: "5.3-15A", about: "isolating devices that cannot be updated", notApplicable: "it can" },
  { id: "5.3-15B", about: "replacing devices that cannot be updated", notApplicable: "it can" },
  { id: "5.3-16", about: "the model can be told", controls: ["version-shown"] },
  {
    id: "5.4-1",
    about: "secrets are stored securely",
    controls: ["private-state", "encrypted-data"],
    tests: ENCRYPTION,
  },
  {
    id: "5.4-2",
    about: "identities fixed in hardware resist tampering",
    notApplicable: "no identity is fixed: it is made at the first start",
  },
  { id: "5.4-3", about: "no critical secrets in the software", controls: ["no-built-in-keys"] },
  { id: "5.4-4", about: "critical secrets differ from unit to unit", controls: ["unique-identity"] },
  { id: "5.5-1", about: "communication by present-day cryptography", tests: ["uplink/forward/collector-link.test.ts"] },
  { id: "5.5-2", about: "reviewed implementations of it", controls: ["bill-of-materials"] },
  { id: "5.5-3", about: "cryptography can be updated", controls: ["update-key"] },
  { id: "5.5-4", about: "authentication before functions are reached", tests: ["gateway/ingest/sensors.test.ts"] },
  {
    id: "5.5-5",
    about: "authentication before settings change over the network",
    notApplicable: "settings come from the CONFIG partition or signed by the collector",
  },
  { id: "5.5-6", about: "secrets are encrypted on the way", notApplicable: "no secret leaves the device" },
  { id: "5.5-7", about: "secrets are confidential on the way", notApplicable: "no secret leaves the device" },
  { id: "5.5-8", about: "how secrets are handled", pages: [`${PAGE}: For buyers`] },
  { id: "5.6-1", about: "interfaces that are not used are off", controls: ["open-ports"] },
  {
    id: "5.6-2",
    about: "little is told to strangers",
    tests: ["gateway/discovery.test.ts: the TXT record tells how much is wrong"],
  },
  { id: "5.6-3", about: "no physical interface without need", notApplicable: "hardware is not part of an image" },
  { id: "5.6-4A", about: "debug interfaces are off", controls: ["no-debug-interface"] },
  {
    id: "5.6-4B",
    about: "physical debug ports are off",
    notApplicable: "hardware is not part of an image; the serial console shows messages and takes none",
  },
  { id: "5.6-5", about: "only services that are needed", controls: ["open-ports"] },
  { id: "5.6-6", about: "little code", controls: ["bill-of-materials"] },
  { id: "5.6-7", about: "least privilege", controls: ["least-privilege"] },
  { id: "5.6-8", about: "memory is protected by hardware", controls: ["no-setuid"] },
  { id: "5.6-9", about: "secure development", pages: ["docs/testing.md: "] },
  { id: "5.7-1", about: "the software is verified when it starts", controls: ["verified-root"] },
  { id: "5.7-2", about: "a change of the software is told", controls: ["verified-root"] },
  { id: "5.8-1", about: "personal data is protected on the way", notApplicable: NO_PERSONAL_DATA },
  { id: "5.8-2", about: "sensitive personal data is protected on the way", notApplicable: NO_PERSONAL_DATA },
  { id: "5.8-3", about: "what is sensed is said", pages: [`${PAGE}: What is kept, and about whom`] },
  { id: "5.9-1", about: "outages of network and power are reckoned with", tests: ["gateway/kill.trial.test.ts"] },
  { id: "5.9-2", about: "works without a network, recovers after a loss of power", tests: ["gateway/start.test.ts"] },
  { id: "5.9-3", about: "reconnects in an orderly way", tests: ["uplink/forward/retry-schedule.test.ts"] },
  { id: "5.10-1", about: "telemetry is examined", tests: ["gateway/divergence-told.test.ts"] },
  { id: "5.11-1", about: "data can be erased on the device", controls: ["factory-reset"] },
  { id: "5.11-2", about: "data can be erased in services", notApplicable: "the collector is the operator's own" },
  { id: "5.11-3", about: "how to erase it", pages: [`${PAGE}: Reset and hand over`] },
  { id: "5.11-4", about: "that it is erased is confirmed", tests: DELETION },
  { id: "5.12-1", about: "few decisions when it is set up", tests: ["gateway/provision/plan.test.ts"] },
  { id: "5.12-2", about: "how to set it up securely", pages: [`${PAGE}: Flash one`] },
  { id: "5.12-3", about: "how to check that it is", pages: [`${PAGE}: For buyers`] },
  { id: "5.13-1A", about: "input from people and programs is checked", tests: ["wire/totality.test.ts"] },
  { id: "5.13-1B", about: "input from networks is checked", tests: ["uplink/bfd/speaker.fuzz.test.ts"] },
  { id: "6-1", about: "what personal data is processed", pages: [`${PAGE}: What is kept, and about whom`] },
  { id: "6-2", about: "consent", notApplicable: NO_PERSONAL_DATA },
  { id: "6-3A", about: "withdrawing consent", notApplicable: NO_PERSONAL_DATA },
  { id: "6-3B", about: "withdrawing consent", notApplicable: NO_PERSONAL_DATA },
  { id: "6-4", about: "telemetry without needless personal data", pages: [`${PAGE}: What is kept, and about whom`] },
  { id: "6-5", about: "what telemetry is collected", pages: [`${PAGE}: What is kept, and about whom`] },
  { id: "6-6", about: "personal data (V3)", notApplicable: NO_PERSONAL_DATA },
  { id: "6-7", about: "aggregates (V3)", notApplicable: NO_PERSONAL_DATA },
  { id: "6-8", about: "personal data (V3)", notApplicable: NO_PERSONAL_DATA },
];

/** EN 18031-1 and -2: the mechanisms by their short names. */
export const MECHANISMS: readonly Provision[] = [
  { id: "ACM", about: "access control", controls: ["least-privilege"] },
  { id: "AUM", about: "authentication", controls: ["no-default-credentials"] },
  {
    id: "SUM",
    about: "secure update",
    controls: ["update-key"],
    tests: [`${UPDATE}: a release of somebody else`, `${UPDATE}: an older one`],
  },
  { id: "SSM", about: "secure storage", controls: ["private-state", "encrypted-data"], tests: ENCRYPTION },
  { id: "SCM", about: "secure communication", tests: ["uplink/forward/collector-link.test.ts"] },
  { id: "RLM", about: "resilience", tests: ["gateway/kill.trial.test.ts", "gateway/ingest/bounds.test.ts"] },
  { id: "NMM", about: "network monitoring", notApplicable: "for equipment that forwards the traffic of others" },
  { id: "TCM", about: "traffic control", notApplicable: "for equipment that forwards the traffic of others" },
  { id: "CCK", about: "confidential cryptographic keys", controls: ["no-built-in-keys", "unique-identity"] },
  {
    id: "GEC",
    about: "general capabilities: known weaknesses, services, interfaces, input",
    controls: ["bill-of-materials", "open-ports"],
  },
  { id: "CRY", about: "present-day cryptography", tests: [MANIFEST] },
  { id: "LGM", about: "logging", tests: ["gateway/divergence-told.test.ts"] },
  { id: "DLM", about: "deletion", controls: ["factory-reset"], tests: DELETION },
  { id: "UNM", about: "telling the user", pages: [`${PAGE}: When something is wrong`] },
];

/** What of the standards was read, for whoever takes the numbers for more than they are. */
export const TEXTS = {
  etsi:
    "The text of ETSI EN 303 645 was not at hand. Numbers and conditions are from a public copy of table B.1 (V3.1.3), compared with " +
    "V2.1.1 as an Internet-Draft cites it; what a provision is about is said in our own words and has to be compared with the standard.",
  en18031:
    "The text of EN 18031 was not at hand. Short names and subjects of the mechanisms are from memory; requirements below them are not looked at.",
} as const;
