import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { NAMES_TEXT } from "./names-text.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "paddock-names-"));
  writeFileSync(join(directory, "names.sh"), NAMES_TEXT["usr/lib/paddock/names.sh"]!);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const place = (name: string): string => join(directory, name);

/** What the script says of this state of systemd-networkd. */
function follow(state: string): string {
  writeFileSync(place("state"), state);
  return execFileSync("/bin/sh", [place("names.sh"), place("state"), place("resolv.conf")]).toString();
}

const asked = () => readFileSync(place("resolv.conf"), "utf8");

test("the name servers of all networks are asked, at most three, and others once they change", () => {
  expect(follow("OPER_STATE=routable\nDNS=2001:db8::53 fe80::1%eth0\nNTP=\n")).toBe(
    "names are asked of: 2001:db8::53 fe80::1%eth0\n",
  );
  expect(asked()).toBe("nameserver 2001:db8::53\nnameserver fe80::1%eth0\n");
  follow("DNS=::1 ::2 ::3 ::4\n");
  expect(asked()).toBe("nameserver ::1\nnameserver ::2\nnameserver ::3\n");
  follow("OPER_STATE=off\n");
  expect(asked()).toBe("");
});

test("what did not change is not written again; where nothing is known yet nothing is made", () => {
  follow("DNS=2001:db8::53\n");
  const { ino, mtimeMs } = statSync(place("resolv.conf"));
  expect(follow("DNS=2001:db8::53\nOPER_STATE=routable\n")).toBe("");
  expect(statSync(place("resolv.conf"))).toMatchObject({ ino, mtimeMs });
  rmSync(place("resolv.conf"));
  execFileSync("/bin/sh", [place("names.sh"), place("nothing"), place("resolv.conf")]);
  expect(existsSync(place("resolv.conf"))).toBe(false);
});
