import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";

test("node:http serves and asks without a second client in memory", () => {
  const program = `
    import { nodeHttp } from ${JSON.stringify(new URL("node-http.ts", import.meta.url).href)};
    const { createServer, request } = nodeHttp();
    console.log(typeof createServer, typeof request, process.moduleLoadList.some((name) => name.includes("undici/undici")));
  `;
  const said = execFileSync(process.execPath, ["--input-type=module", "--eval", program], { encoding: "utf8" });
  expect(said).toBe("function function false\n");
});
