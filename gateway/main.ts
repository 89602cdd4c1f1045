#!/usr/bin/env node
import { runMain } from "@paddock/base/cli.ts";
import { gatewayCommand } from "./cli/gateway-command.ts";

runMain(gatewayCommand);
