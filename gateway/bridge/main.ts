#!/usr/bin/env node
import { runMain } from "@paddock/base/cli.ts";
import { bridgeCommand } from "./bridge-command.ts";

runMain(bridgeCommand);
