import { afterAll, test } from "vitest";
import { endDemos, expectPass } from "./testing/start-demo.ts";

afterAll(endDemos);

test("proves that nothing is lost with all that the sensors send", () => expectPass("--seconds", "5", "--seed", "3"));
