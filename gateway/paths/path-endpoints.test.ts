import { expect, test, vi } from "vitest";
import { silentLog } from "@paddock/base/log.ts";
import { accept, refuse } from "@paddock/base/outcome.ts";
import type { OpenedLink, OpenLink } from "@paddock/uplink/forward/ports.ts";
import type { PathConfig } from "@paddock/uplink/paths/path-config.ts";
import { PathEndpoints } from "./path-endpoints.ts";

const [A, B, C] = ["https://[::a]:1", "https://[::b]:1", "https://[::c]:1"] as const;
const FIBRE: PathConfig = { name: "fibre", endpoint: A, preference: 1 };
const OPENED = accept({ handshakeMs: 1 } as OpenedLink);

function rig(fallbackEndpoints: readonly string[]) {
  const log = { ...silentLog, warn: vi.fn<(event: string, fields?: object) => void>() };
  const endpoints = new PathEndpoints([{ name: "fibre", endpoint: A, fallbackEndpoints }], log);
  const moved = vi.fn<PathEndpoints["onMoved"]>();
  endpoints.onMoved = moved;
  const reachable = new Set<string>();
  const asked: string[] = [];
  const open: OpenLink = endpoints.inTurn(async ({ endpoint }) => {
    asked.push(endpoint);
    return reachable.has(endpoint) ? OPENED : refuse("unreachable", "connect ECONNREFUSED");
  });
  return { endpoints, moved, reachable, asked, log, open: () => open(FIBRE, new AbortController().signal) };
}

test("what does not answer gives its turn to the next, and what answered is asked first again", async () => {
  const { endpoints, moved, reachable, asked, log, open } = rig([B, C]);
  reachable.add(C);
  for (let attempt = 0; attempt < 4; attempt++) await open();
  expect(asked).toEqual([A, B, C, C]);
  expect(moved.mock.calls).toEqual([["fibre", C]]);
  expect(endpoints.current("fibre")).toBe(C);
  reachable.delete(C);
  reachable.add(A);
  await open();
  await open();
  expect(asked.slice(4)).toEqual([C, A]);
  expect(moved.mock.calls.at(-1)).toEqual(["fibre", A]);
  expect(log.warn).toHaveBeenCalledTimes(2);
});

test("with one endpoint there is nothing to turn to", async () => {
  const { endpoints, moved, reachable, asked, open } = rig([]);
  await open();
  reachable.add(A);
  await open();
  expect(asked).toEqual([A, A]);
  expect(moved).not.toHaveBeenCalled();
  expect(endpoints.current("fibre")).toBe(A);
});

test("an attempt that was called off is nobody's failure", async () => {
  const endpoints = new PathEndpoints([{ name: "fibre", endpoint: A, fallbackEndpoints: [B] }], silentLog);
  const asked: string[] = [];
  const open = endpoints.inTurn(async ({ endpoint }) => {
    asked.push(endpoint);
    return refuse("unreachable", "aborted");
  });
  await open(FIBRE, AbortSignal.abort());
  await open(FIBRE, new AbortController().signal);
  expect(asked).toEqual([A, A]);
});

test("a path that was found dead goes to its next endpoint, and one that came back to the one it had", async () => {
  const { endpoints, reachable, asked, open } = rig([B, C]);
  reachable.add(A).add(B);
  await open();
  expect(endpoints.passTurn("fibre")).toBe(true);
  endpoints.keepTurn("fibre");
  await open();
  expect(asked).toEqual([A, A]);
  endpoints.passTurn("fibre");
  await open();
  expect(asked.at(-1)).toBe(B);
  reachable.clear();
  endpoints.passTurn("fibre");
  await open();
  await open();
  expect(asked.slice(3)).toEqual([C, A]);
  expect(new PathEndpoints([{ name: "one", endpoint: A, fallbackEndpoints: [] }], silentLog).passTurn("one")).toBe(
    false,
  );
});
