import { describe, expect, test } from "vitest";
import { sqlFailure } from "./failure.ts";

const OPTIONS = { host: "db.example", user: "bridge", database: "farm" };

function failed(errno: number | undefined, code?: string, message = "what the server says") {
  return sqlFailure(Object.assign(new Error(message), { errno, code }), OPTIONS);
}

describe("what passes by itself is waited for", () => {
  test.each([1020, 1205, 1213, 1040, 1053, 1114, 1290, 1927, 2013])("error %d", (errno) => {
    expect(failed(errno)).toMatchObject({ code: "SINK_UNAVAILABLE", disposition: "retry" });
  });

  test.each([
    ["ECONNREFUSED", -111],
    ["ENOENT", -2],
    ["ETIMEDOUT", undefined],
    ["PROTOCOL_CONNECTION_LOST", undefined],
    ["PROTOCOL_SEQUENCE_TIMEOUT", undefined],
  ])("%s", (code, errno) => {
    const error = failed(errno, code);
    expect(error).toMatchObject({ code: "SINK_UNAVAILABLE" });
    expect(error.message).toContain("farm at db.example:3306");
  });
});

describe("what somebody has to change is told with what helps", () => {
  test.each([
    [1045, "bridge"],
    [1698, "passwordFile"],
    [1044, "GRANT SELECT, INSERT"],
    [1142, "ON `farm`.* TO"],
    [1049, "CREATE DATABASE `farm`"],
    [1146, "paddock_*"],
    [1153, "max_allowed_packet"],
    [9999, "Change what the server says"],
  ])("error %d: %s", (errno, remedy) => {
    const error = failed(errno);
    expect(error).toMatchObject({ code: "SINK_REFUSED" });
    expect(error.remedy).toContain(remedy);
    expect(error.message).toContain(`(error ${errno})`);
  });

  test("a certificate that does not hold", () => {
    expect(failed(undefined, "HANDSHAKE_SSL_ERROR")).toMatchObject({ code: "SINK_REFUSED" });
  });
});
