import * as v from "valibot";
import { readAuthorities } from "@paddock/base/authorities.ts";
import { readTokenFile } from "@paddock/base/bearer-token.ts";

const describe = v.description;
const text = (min: number, max: number) => v.pipe(v.string(), v.minLength(min), v.maxLength(max));

const Otlp = v.pipe(
  v.strictObject({
    endpoint: v.pipe(
      text(1, 2048),
      v.check(
        (endpoint) => endpointProblem(endpoint) === undefined,
        ({ input }) => endpointProblem(input) ?? "",
      ),
      describe("The receiver's whole URL for metrics, such as https://otel.example.org:4318/v1/metrics"),
    ),
    intervalMs: v.pipe(
      v.optional(
        v.pipe(v.number(), v.integer("must be a whole number of ms"), v.minValue(1000), v.maxValue(3_600_000)),
        60_000,
      ),
      describe("From one push to the next"),
    ),
    ca: v.pipe(
      v.optional(v.nullable(text(1, 4096)), null),
      describe("PEM file of the authorities that vouch for its certificate, read at each push; null: the public ones"),
    ),
    tokenFile: v.pipe(
      v.optional(v.nullable(text(1, 4096)), null),
      describe("File with the token that is shown to it (authorization: Bearer TOKEN), read at each push; null: none"),
    ),
  }),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed || dataset.value.tokenFile === null || keepsSecrets(dataset.value.endpoint)) return;
    const input = dataset.value;
    addIssue({
      message:
        "expected an endpoint of https: whoever is on the way reads the token otherwise (this machine, [::1], needs none)",
      path: [{ type: "object", origin: "value", input, key: "tokenFile", value: input.tokenFile }],
      input: input.tokenFile,
    });
  }),
);

export const OtlpSchema = v.pipe(
  v.optional(v.nullable(Otlp), null),
  describe("Pushes the metrics by OTLP/HTTP; null: nothing is pushed"),
);

export type OtlpConfig = v.InferOutput<typeof Otlp>;

function endpointProblem(endpoint: string): string | undefined {
  const url = URL.parse(endpoint);
  if (url === null || !/^https?:$/u.test(url.protocol)) return "must be a URL of http or https";
  if (url.username !== "" || url.password !== "") return "must have no user or password: name a tokenFile";
  if (url.hash !== "") return "must have no #fragment";
  if (url.pathname === "/") return "must be the whole URL: receivers take metrics at the path /v1/metrics";
  return undefined;
}

function keepsSecrets(endpoint: string): boolean {
  const url = URL.parse(endpoint);
  return url === null || url.protocol === "https:" || /^(?:\[::1\]|127(?:\.\d+){3}|localhost)$/u.test(url.hostname);
}

/** Reads the files that the section names. Throws CONFIG_UNREADABLE or CONFIG_INVALID, naming the key at fault. */
export async function readOtlpFiles({
  ca,
  tokenFile,
}: OtlpConfig): Promise<{ readonly ca: string | undefined; readonly token: string | undefined }> {
  return {
    ca: ca === null ? undefined : await readAuthorities("otlp.ca", ca),
    token: tokenFile === null ? undefined : await readTokenFile("otlp.tokenFile", tokenFile),
  };
}
