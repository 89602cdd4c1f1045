import { expect, test } from "vitest";
import { securityText, securityTextProblem } from "./security-text.ts";

const NOW = new Date("2026-11-28");

test("security.txt holds for less than a year from the day of the sources", () => {
  const text = securityText("mailto:security@maker.example", "2026-11-28");
  expect(text).toBe(
    "Contact: mailto:security@maker.example\nExpires: 2027-11-23T00:00:00.000Z\nPreferred-Languages: en\n",
  );
  expect(securityTextProblem(text, NOW)).toBeUndefined();
  expect(securityTextProblem(text, new Date("2027-11-24"))).toContain("expired");
});

test.each([
  ["", "no Contact"],
  ["Contact: somebody\nExpires: 2027-01-01T00:00:00Z\n", "no Contact"],
  ["Contact: mailto:a@b.example\n", "exactly one Expires"],
  ["Contact: mailto:a@b.example\nExpires: soon\n", "expired"],
  ["Contact: mailto:a@b.example\nhello\n", "no field"],
])("refuses %j", (text, problem) => {
  expect(securityTextProblem(text, NOW)).toContain(problem);
});
