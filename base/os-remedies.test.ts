import { expect, test } from "vitest";
import { ERROR_TABLE, PaddockError } from "./errors.ts";

const failure = (code: string): Error => Object.assign(new Error(code), { code });

test.each([
  ["LISTEN_FAILED", "EACCES", /CAP_NET_BIND_SERVICE/],
  ["LISTEN_FAILED", "EADDRINUSE", /ss -lnptu/],
  ["LISTEN_FAILED", "EADDRNOTAVAIL", /not on this machine/],
  ["LISTEN_FAILED", "EINVAL", /fe80::1%eth0/],
  ["STATUS_UNREACHABLE", "EACCES", /as the user that runs the program/],
] as const)("%s for %s has a remedy of its own", (code, errno, remedy) => {
  expect(new PaddockError(code, "It failed.", { cause: failure(errno) }).explain()).toMatch(remedy);
});

test("any other cause leaves the table's remedy, and who throws knows best", () => {
  const table = ERROR_TABLE.LISTEN_FAILED.remedy;
  expect(new PaddockError("LISTEN_FAILED", "x.").remedy).toBe(table);
  expect(new PaddockError("LISTEN_FAILED", "x.", { cause: failure("EMFILE") }).remedy).toBe(table);
  expect(new PaddockError("CONFIG_INVALID", "x.", { cause: failure("EACCES") }).remedy).toBe(
    ERROR_TABLE.CONFIG_INVALID.remedy,
  );
  expect(new PaddockError("LISTEN_FAILED", "x.", { cause: failure("EACCES"), remedy: "Ask." }).remedy).toBe("Ask.");
});
