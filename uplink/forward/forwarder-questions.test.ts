import { beforeEach, expect, test } from "vitest";
import { VirtualClock } from "@paddock/base/clock.ts";
import { accept, refuse } from "@paddock/base/outcome.ts";
import { until } from "@paddock/base/testing/until.ts";
import { generateIdentity } from "@paddock/wire/identity.ts";
import type { Receipt } from "@paddock/wire/receipt.ts";
import type { ForwardReport } from "./forward-state.ts";
import { Forwarder, type ForwarderOptions } from "./forwarder.ts";
import type { EnrolmentAnswer, LinkFailure, LinkOutcome, OpenedLink, VerifiedReceipt } from "./ports.ts";
import { MemorySource } from "./testing/memory-source.ts";
import { ToldLink } from "./testing/told-link.ts";

/* What is asked of the collector besides taking batches: what it holds already, and to know this gateway. */

const FRAME = Buffer.alloc(10);
const chain = { lane: 1, epoch: 0 } as const;

let clock: VirtualClock;
let source: MemorySource;
let reports: ForwardReport[];
/** What was asked for, in order. */
let asked: string[];

beforeEach(() => {
  clock = new VirtualClock();
  source = new MemorySource(generateIdentity());
  reports = [];
  asked = [];
});

interface Answers {
  readonly receipt?: LinkOutcome<VerifiedReceipt>;
  readonly enrol?: readonly LinkOutcome<EnrolmentAnswer>[];
}

function forward({ receipt, enrol = [] }: Answers, more: Partial<ForwarderOptions> = {}): Forwarder {
  const answers = [...enrol];
  const link = new ToldLink();
  Object.assign(link, {
    receipt: async ({ lane, epoch }: typeof chain) => {
      asked.push(`receipt ${lane}/${epoch}`);
      return receipt ?? refuse("refused", "no receipt");
    },
    enrol: async (request: Uint8Array) => {
      asked.push(`enrol ${Buffer.from(request).toString()}`);
      return answers.shift() ?? refuse("refused", "asked too often");
    },
    upload: async (to: typeof chain, _body: Uint8Array) => {
      const [pending] = source.backlog().find(({ lane }) => lane === to.lane)!.pending;
      asked.push(`upload ${to.lane}/${to.epoch} from ${pending![0]}`);
      return refuse("not-enrolled", "403: who are you");
    },
  });
  const forwarder = new Forwarder({
    source,
    clock,
    paths: [{ name: "fibre", endpoint: "https://[::1]:1", preference: 1 }],
    openLink: async () => accept<OpenedLink>({ link, handshakeMs: 1 }),
    onEvent: (report) => reports.push(report),
    ...more,
  });
  forwarder.start();
  return forwarder;
}

const held = (...seqs: number[]): LinkOutcome<VerifiedReceipt> => {
  const receipt = { ...chain, held: seqs.map((seq) => [seq, seq]), bare: [] } as unknown as Receipt;
  return { ok: true, value: { receipt, encoded: Buffer.of(1) } };
};
const said = (state: EnrolmentAnswer["state"]): LinkOutcome<EnrolmentAnswer> => accept({ state, claimNotTaken: false });

test("after a start the collector is asked what it holds of the backlog, and only the rest is sent", async () => {
  source.seal(1, [FRAME]);
  source.seal(1, [FRAME]);
  forward({ receipt: held(0) });
  await until(() => asked.length >= 2);
  expect(asked.slice(0, 2)).toEqual(["receipt 1/0", "upload 1/0 from 1"]);
});

test("a backlog that the collector holds whole is not sent at all", async () => {
  source.seal(1, [FRAME]);
  const forwarder = forward({ receipt: held(0) });
  await until(() => source.pendingCount() === 0);
  expect(asked).toEqual(["receipt 1/0"]);
  expect(forwarder.status().chains).toEqual([expect.objectContaining({ pendingBatches: 0, stoppedWhy: undefined })]);
});

test.each<[string, LinkOutcome<VerifiedReceipt>]>([
  ["has no receipt", refuse<LinkFailure>("refused", "404: no such chain")],
  ["cannot be heard for once", refuse<LinkFailure>("unreachable", "reset")],
])("a backlog of which the collector %s goes out whole", async (_, receipt) => {
  source.seal(1, [FRAME]);
  forward({ receipt });
  await until(() => asked.length >= 2);
  expect(asked.slice(0, 2)).toEqual(["receipt 1/0", "upload 1/0 from 0"]);
});

test("a receipt that could not be made durable is none: what it names goes out", async () => {
  source.seal(1, [FRAME]);
  source.acknowledge = () => Promise.reject(new Error("EIO"));
  forward({ receipt: held(0) });
  await until(() => asked.length >= 2);
  expect(asked.slice(0, 2)).toEqual(["receipt 1/0", "upload 1/0 from 0"]);
});

test("a gateway that has to be known first asks for that, again until it is, and sends nothing before", async () => {
  source.seal(1, [FRAME]);
  const forwarder = forward(
    { receipt: held(0), enrol: [said("pending"), refuse<LinkFailure>("unreachable", "reset"), said("approved")] },
    { enrolment: () => Buffer.from(`request ${asked.length}`) },
  );
  await until(() => asked.length === 1);
  await until(() => forwarder.status().enrolment === "pending");
  expect(asked).toEqual(["enrol request 0"]);
  await until(() => {
    clock.advance(1000);
    return source.pendingCount() === 0;
  });
  expect(asked).toEqual(["enrol request 0", "enrol request 1", "enrol request 2", "receipt 1/0"]);
  expect(forwarder.status().enrolment).toBe("approved");
  expect(reports.flatMap((report) => (report.event === "enrolment" ? [report.state] : []))).toEqual([
    "pending",
    "approved",
  ]);
});

test("a gateway without an enrolment request says so when the collector does not know it, and goes on trying", async () => {
  source.seal(1, [FRAME]);
  forward({ receipt: held() });
  await until(() => {
    clock.advance(1000);
    return asked.length > 2;
  });
  expect(asked.filter((what) => what.startsWith("enrol"))).toEqual([]);
  expect(reports).toContainEqual({
    event: "enrolment",
    state: "assumed",
    detail: "this gateway has no enrolment request",
  });
});
