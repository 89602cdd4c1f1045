import { describe, expect, test } from "vitest";
import { filterLinks, formatLinks, type Link } from "./link-format.ts";

const links: readonly Link[] = [
  { href: "/i", rt: ["paddock.frame", "core.s"], if: ["core.b"], ct: [112, 113, 17] },
  { href: "/i/alarm", rt: ["paddock.frame"], ct: [112] },
  { href: "/dp", title: "LwM2M Send" },
];
const hrefs = (...queries: string[]) => filterLinks(links, queries).map((link) => link.href);

describe("link format (RFC 6690)", () => {
  test("writes links as the RFC has them", () => {
    expect(formatLinks(links)).toBe(
      '</i>;rt="paddock.frame core.s";if="core.b";ct="112 113 17",</i/alarm>;rt="paddock.frame";ct=112,</dp>;title="LwM2M Send"',
    );
    expect(formatLinks([])).toBe("");
  });

  test("refuses what would need quoting", () => {
    expect(() => formatLinks([{ href: "/a>" }])).toThrow(RangeError);
    expect(() => formatLinks([{ href: "a" }])).toThrow(RangeError);
    expect(() => formatLinks([{ href: "/a", title: 'say "a"' }])).toThrow(RangeError);
  });

  test.each([
    [[], ["/i", "/i/alarm", "/dp"]],
    [["rt=paddock.frame"], ["/i", "/i/alarm"]],
    [["rt=core.s"], ["/i"]],
    [["rt=core"], []],
    [["rt=core*"], ["/i"]],
    [["rt=*"], ["/i", "/i/alarm"]],
    [["href=/i"], ["/i"]],
    [["href=/i*"], ["/i", "/i/alarm"]],
    [["ct=112"], ["/i", "/i/alarm"]],
    [["ct=17"], ["/i"]],
    [["if=core.b"], ["/i"]],
    [["title=LwM2M*"], ["/dp"]],
    [["rt=paddock.frame", "ct=17"], ["/i"]],
    [["sz=1"], []],
    [["rt"], []],
  ])("filter %j leaves %j", (queries, expected) => {
    expect(hrefs(...queries)).toEqual(expected);
  });
});
