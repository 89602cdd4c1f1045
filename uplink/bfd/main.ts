import { runMain } from "@paddock/base/cli.ts";
import { bfdCommand } from "./bfd-command.ts";

runMain(bfdCommand);
