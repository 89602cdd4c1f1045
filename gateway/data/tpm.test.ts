import { expect, test } from "vitest";
import { Tpm } from "./tpm.ts";

const PARENT = 0x8000_0000;
const CHILD = 0x8000_0001;
const SECRET = Buffer.alloc(64, 0x42);
const PUBLIC = Buffer.from("0003aabbcc", "hex");
const PRIVATE = Buffer.from("0002ddee", "hex");

const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const answer = (body: Buffer, code = 0) =>
  Buffer.concat([Buffer.from("8002", "hex"), u32(10 + body.length), u32(code), body]);
/** Parameters with their length, and the empty session that a TPM puts behind them. */
const parameters = (...parts: Buffer[]) =>
  Buffer.concat([u32(parts.reduce((sum, { length }) => sum + length, 0)), ...parts, Buffer.from("0000010000", "hex")]);

/** A TPM that answers each command as it is told to, and notes what it was asked. */
function scripted(answers: Readonly<Record<number, Buffer>>) {
  const asked: { code: number; command: Buffer }[] = [];
  const tpm = new Tpm((command) => {
    const code = command.readUInt32BE(6);
    asked.push({ code, command });
    expect(command.readUInt32BE(2)).toBe(command.length);
    return Promise.resolve(answers[code] ?? answer(Buffer.alloc(0)));
  });
  return { tpm, asked };
}

const ANSWERS = {
  0x131: answer(Buffer.concat([u32(PARENT), parameters(PUBLIC)])),
  0x153: answer(parameters(PRIVATE, PUBLIC)),
  0x157: answer(Buffer.concat([u32(CHILD), parameters(PUBLIC)])),
  0x15e: answer(parameters(Buffer.concat([Buffer.from([0, 64]), SECRET]))),
};

test("a secret is sealed below the storage key, and nothing stays in the TPM", async () => {
  const { tpm, asked } = scripted(ANSWERS);
  expect(await tpm.seal(SECRET)).toEqual({ publicArea: PUBLIC, privateArea: PRIVATE });
  expect(asked.map(({ code }) => code)).toEqual([0x131, 0x153, 0x165]);
  expect(asked[1]!.command.readUInt32BE(10)).toBe(PARENT);
  expect(asked[1]!.command.includes(SECRET)).toBe(true);
  expect(asked[2]!.command.readUInt32BE(10)).toBe(PARENT);
});

test("what was sealed is loaded and given back, and nothing stays in the TPM", async () => {
  const { tpm, asked } = scripted(ANSWERS);
  expect(await tpm.unseal({ publicArea: PUBLIC, privateArea: PRIVATE })).toEqual(SECRET);
  expect(asked.map(({ code }) => code)).toEqual([0x131, 0x157, 0x15e, 0x165, 0x165]);
  expect(asked[1]!.command.includes(Buffer.concat([PRIVATE, PUBLIC]))).toBe(true);
  expect(asked.slice(3).map(({ command }) => command.readUInt32BE(10))).toEqual([CHILD, PARENT]);
});

test("clearing asks with the lockout authority", async () => {
  const { tpm, asked } = scripted({});
  await tpm.clear();
  expect(asked.map(({ command }) => command.toString("hex"))).toEqual([
    "80020000001b000001264000000a00000009400000090000000000",
  ]);
});

test("what another TPM sealed is told from what the TPM refuses", async () => {
  const sealed = { publicArea: PUBLIC, privateArea: PRIVATE };
  const moved = scripted({ ...ANSWERS, 0x157: answer(Buffer.alloc(0), 0x1df) });
  await expect(moved.tpm.unseal(sealed)).rejects.toMatchObject({
    code: "TPM_REFUSED",
    message: expect.stringMatching(/TPM2_Load: another TPM sealed it.*0x1df/u) as string,
  });
  expect(moved.asked.at(-1)!.code).toBe(0x165);
  const owned = scripted({ 0x131: answer(Buffer.alloc(0), 0x9a2) });
  await expect(owned.tpm.seal(SECRET)).rejects.toMatchObject({
    message: expect.stringMatching(/CreatePrimary: refused \(0x9a2\)/u) as string,
  });
});

test("an answer that is cut anywhere is refused, or all that is needed is there", async () => {
  const sealed = { publicArea: PUBLIC, privateArea: PRIVATE };
  let refused = 0;
  for (const [code, whole] of Object.entries(ANSWERS))
    for (let length = 0; length < whole.length; length++)
      for (const saysItIsWhole of [false, true]) {
        const cut = Buffer.from(whole.subarray(0, length));
        if (saysItIsWhole && length >= 10) cut.writeUInt32BE(length, 2);
        const { tpm } = scripted({ ...ANSWERS, [code]: cut });
        const outcomes = await Promise.allSettled([tpm.seal(SECRET), tpm.unseal(sealed)]);
        for (const [index, outcome] of outcomes.entries())
          if (outcome.status === "fulfilled") expect(outcome.value).toEqual([sealed, SECRET][index]);
          else {
            expect(outcome.reason).toMatchObject({ code: "TPM_REFUSED" });
            refused++;
          }
      }
  expect(refused).toBeGreaterThan(200);
});
