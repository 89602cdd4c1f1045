import { PNG } from "pngjs";
import * as v from "valibot";
import { expect, test } from "vitest";
import { fence } from "./icon.ts";
import { osList } from "./os-list.ts";

const hash = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
/** What Raspberry Pi Imager's schema asks of an entry (doc/json-schema/os-list-schema.json), and what it checks while writing. */
const OsListSchema = v.strictObject({
  os_list: v.array(
    v.looseObject({
      name: v.string(),
      description: v.string(),
      icon: v.string(),
      url: v.string(),
      extract_size: v.pipe(v.number(), v.integer()),
      extract_sha256: hash,
      image_download_size: v.pipe(v.number(), v.integer()),
      image_download_sha256: hash,
      release_date: v.pipe(v.string(), v.isoDate()),
      init_format: v.string(),
    }),
  ),
});

test("the list for Raspberry Pi Imager has what its schema asks for", () => {
  const text = osList({
    version: "1.2.3",
    architecture: "x86-64",
    supportUntil: "2031-12-31",
    url: "https://images.example/1.2.3/",
    file: "paddock_1.2.3_x86-64.raw.xz",
    downloadSize: 10,
    downloadSha256: "ab".repeat(32),
    size: 20,
    sha256: "cd".repeat(32),
    date: "2026-11-28",
  });
  const { os_list: list } = v.parse(OsListSchema, JSON.parse(text));
  expect(list).toMatchObject([
    {
      url: "https://images.example/1.2.3/paddock_1.2.3_x86-64.raw.xz",
      icon: "https://images.example/1.2.3/paddock.png",
      extract_size: 20,
      extract_sha256: "cd".repeat(32),
      init_format: "none",
    },
  ]);
});

test("the picture can be read, and is the same each time", () => {
  expect(PNG.sync.read(fence())).toMatchObject({ width: 40, height: 40 });
  expect(fence()).toEqual(fence());
});
