import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runInProcess } from "@paddock/base/testing/in-process.ts";
import { manifestHash } from "@paddock/wire/release/manifest.ts";
import { gatewayCommand } from "../cli/gateway-command.ts";
import { makeDevice, nextRelease, type TestDevice } from "./testing/test-device.ts";

interface Said {
  readonly code: number;
  readonly json: Record<string, unknown>;
  readonly stderr: string;
}

/** Runs `paddock gateway update ... --json` for a machine in a folder. */
async function update({ paths }: TestDevice, ...words: string[]): Promise<Said> {
  const places = ["--boot-dir", paths.bootDir, "--entries", paths.entries, "--state-dir", paths.stateDir];
  const more = ["--key", paths.keys, "--board-file", paths.board, "--json"];
  const { code, stdout, stderr } = await runInProcess(gatewayCommand, ["update", ...words, ...places, ...more]);
  return { code, json: stdout === "" ? {} : (JSON.parse(stdout) as Record<string, unknown>), stderr };
}

test("check, hold, apply by request, status: as a person and as units call them", async () => {
  const device = await makeDevice();
  try {
    const next = await nextRelease(device);
    const file = await device.put(next);
    const checked = await update(device, "check", "--file", file);
    expect(checked).toMatchObject({ code: 1, json: { version: "1.1.0", running: "1.0.0", objection: null } });
    expect(checked.json["fetchBytes"]).toBeLessThan(next.update.length / 2);

    expect(await update(device, "hold", "--until", "2h", "--reason", "harvest")).toMatchObject({ code: 0 });
    const held = await update(device, "apply", "--file", file);
    expect(held.code).toBe(2);
    expect(JSON.parse(held.stderr)).toMatchObject({
      code: "UPDATE_REFUSED",
      message: expect.stringContaining("harvest"),
    });
    expect(await update(device, "hold", "--release")).toMatchObject({ code: 0, json: { hold: null } });

    const request = join(device.directory, "update-request.json");
    const manifestSha256 = manifestHash(next.encoded);
    const asked = { id: "r1", kind: "release", url: "http://[::1]:1/", version: "1.1.0", manifestSha256 };
    await writeFile(request, JSON.stringify({ ...asked, url: "ftp://[::1]/" }));
    expect(await update(device, "apply", "--request", request)).toMatchObject({ code: 2 });
    expect(await update(device, "apply", "--request", request, "--file", file)).toMatchObject({ code: 2 });

    expect(await update(device, "apply", "--file", file)).toMatchObject({ code: 0, json: { outcome: "installed" } });
    const status = await update(device, "status");
    expect(status).toMatchObject({
      code: 0,
      json: {
        running: "1.0.0",
        pending: { version: "1.1.0", written: true },
        releases: expect.arrayContaining([
          { version: "1.0.0", state: "confirmed" },
          { version: "1.1.0", state: "on trial" },
        ]),
      },
    });
    expect(await update(device, "gate", "--within", "soon")).toMatchObject({ code: 2 });
    expect(await update(device, "dance")).toMatchObject({ code: 2 });
  } finally {
    await device.remove();
  }
});
