#!/usr/bin/env node
import { runMain } from "@paddock/base/cli.ts";
import { flashCommand } from "./flash-command.ts";

runMain(flashCommand);
