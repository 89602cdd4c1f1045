import { expect, test } from "vitest";
import { RateWindow } from "./rate-window.ts";

test("the rate is that of the window, not of the whole life", () => {
  const rates = new RateWindow<"frames">(10_000);
  expect(rates.perSecond("frames")).toBe(0);
  for (let second = 0; second <= 20; second++) {
    const frames = second <= 10 ? second * 1000 : 10_000 + (second - 10) * 50;
    rates.sample(second * 1000, { frames });
    if (second === 10) expect(rates.perSecond("frames")).toBe(1000);
  }
  expect(rates.perSecond("frames")).toBe(50);
});
