#!/usr/bin/env node
import { runMain } from "@paddock/base/cli.ts";
import { main } from "./cli/commands.ts";

runMain(main);
