import { runMain } from "@paddock/base/cli.ts";
import { collectorCommand } from "./commands/collector-command.ts";

runMain(collectorCommand);
