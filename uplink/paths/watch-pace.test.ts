import { describe, expect, test } from "vitest";
import { STANDINGS } from "./path-state.ts";
import { watchPaces, type PacedPath } from "./watch-pace.ts";

const path = (name: string, role: PacedPath["role"], rest: Partial<PacedPath> = {}): PacedPath => ({
  name,
  role,
  standing: "healthy",
  liveness: "up",
  watched: true,
  metered: name.startsWith("lte"),
  ...rest,
});
const pacesOf = (...paths: PacedPath[]) => Object.fromEntries(watchPaces(paths));

describe("the pace of a watcher", () => {
  test("a metered path that carries nothing is watched slowly", () => {
    expect(pacesOf(path("fibre", "active"), path("lte", "standby"), path("lte2", "idle"), path("dsl", "idle"))).toEqual(
      { fibre: "configured", lte: "slow", lte2: "slow", dsl: "configured" },
    );
  });

  test("the one that carries the traffic never is", () => {
    expect(pacesOf(path("lte", "active"), path("fibre", "standby"))).toEqual({
      lte: "configured",
      fibre: "configured",
    });
  });

  test.each(STANDINGS)("the active one %s", (standing) => {
    const trusted = standing === "healthy" || standing === "over-budget";
    expect(pacesOf(path("fibre", "active", { standing }), path("lte", "standby"))["lte"]).toBe(
      trusted ? "slow" : "configured",
    );
  });

  test("an active path that its watcher does not call up is in doubt", () => {
    for (const liveness of ["unknown", "down"] as const) {
      expect(pacesOf(path("fibre", "active", { liveness }), path("lte", "standby"))["lte"]).toBe("configured");
    }
  });

  test("an active path that nobody watches is trusted as long as its standing is good", () => {
    const fibre = path("fibre", "active", { liveness: "unknown", watched: false });
    expect(pacesOf(fibre, path("lte", "standby"))).toEqual({ lte: "slow" });
  });

  test("without an active path every path is watched as configured", () => {
    expect(pacesOf(path("fibre", "idle"), path("lte", "idle"))).toEqual({ fibre: "configured", lte: "configured" });
  });
});
