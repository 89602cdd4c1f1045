import { describe, expect, test } from "vitest";
import { readOptions } from "./options.ts";

const TODAY = new Date("2026-11-28");

describe("the command line of the image builder", () => {
  test("needs a version and a folder, and has a default for everything else", () => {
    expect(readOptions(["--version", "0.1.0", "--out", "out"], TODAY)).toMatchObject({
      version: "0.1.0",
      out: "out",
      supportUntil: "2031-12-31",
      contact: undefined,
      url: "",
      compression: "zstd,level=6",
      architecture: { name: "x86-64" },
      lock: expect.stringMatching(/nix\/image\/packages\.lock\.json$/u) as string,
      renew: false,
      secureBoot: undefined,
    });
    expect(() => readOptions(["--out", "out"])).toThrow("--version is missing");
    expect(() => readOptions(["--version", "0.1.0"])).toThrow("--out is missing");
    expect(() => readOptions(["--versoin", "0.1.0"])).toThrow("--versoin");
  });

  test.each(["1.0.0", "0.1.0", "10.20.30", "1.0.0~rc1"])("takes the version %s", (version) => {
    expect(readOptions(["--version", version, "--out", "out"])).toMatchObject({ version });
  });

  test.each([
    "1.0",
    "01.0.0",
    "1.0.0-rc.1",
    "1.0.0+build",
    "1.0.0~rc0",
    "1.0.0~rc1x",
    "v1.0.0",
    "100000000.200000000.3000",
  ])("refuses the version %s, which systemd would sort wrongly or a partition has no room for", (version) => {
    expect(() => readOptions(["--version", version, "--out", "out"])).toThrow(`--version ${version}: expected X.Y.Z`);
  });

  test("takes a contact and an address of the release in the form that security.txt and Imager need", () => {
    const common = ["--version", "1.0.0", "--out", "out"];
    expect(
      readOptions([...common, "--contact", "mailto:security@maker.example", "--url", "https://maker.example/1.0.0"]),
    ).toMatchObject({ contact: "mailto:security@maker.example", url: "https://maker.example/1.0.0/" });
    expect(() => readOptions([...common, "--contact", "security@maker.example"])).toThrow("expected mailto:");
    expect(() => readOptions([...common, "--url", "maker.example"])).toThrow("expected https://");
  });

  test.each(["arm64", "aarch64"])("takes --arch %s, and the lock of its packages", (arch) => {
    expect(readOptions(["--version", "1.0.0", "--out", "out", "--arch", arch])).toMatchObject({
      architecture: { name: "arm64" },
      lock: expect.stringMatching(/nix\/image\/packages\.arm64\.lock\.json$/u) as string,
    });
  });

  test("refuses an architecture that nothing is built for, and names those that there are", () => {
    expect(() => readOptions(["--version", "1.0.0", "--out", "out", "--arch", "armv6l"])).toThrow(
      "--arch armv6l: expected x86-64 or arm64",
    );
  });

  test("keys for Secure Boot come in pairs", () => {
    const common = ["--version", "1.0.0", "--out", "out"];
    expect(() => readOptions([...common, "--secure-boot-key", "a"])).toThrow("together");
    expect(readOptions([...common, "--secure-boot-key", "a", "--secure-boot-cert", "b"])).toMatchObject({
      secureBoot: { key: "a", certificate: "b" },
    });
  });
});
