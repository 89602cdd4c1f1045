import { PaddockError } from "@paddock/base/errors.ts";
import type { Command } from "./options.ts";

const ACTIONS = ["status", "check", "apply", "rollback", "stick", "hold", "gate"] as const;

export const updateCommand: Command = {
  summary: "Install, confirm or take back a release of the image",
  help: `paddock gateway update status                    what runs, what waits, what came of the last updates
paddock gateway update check --url U [--version V]   whether there is a newer one, and what it would transfer
paddock gateway update apply --file F | --url U [--version V]
  --url U            of a .update file, or of the folder (with / at its end) that releases are in
  --allow-downgrade  also install an older release
  --key FILE         believe this key (PEM) instead of those of the image
  --reboot           start it when it is written; the gateway runs on until then
  --request FILE     what the gateway asks for on its collector's behalf; nothing but the release's signature is believed
paddock gateway update rollback [--reboot]           go back to the other release, and hold updates
paddock gateway update stick --folder DIR [--reboot] for the image: does once what a mounted stick asks for
paddock gateway update hold [--until TIME] [--reason TEXT] | hold --release
  TIME: 2h, 3d, or 2027-01-31T12:00:00Z
paddock gateway update gate [--within 5min]          for the image: judges a new release after its start
  All with --json. For images, as root; a running gateway is never stopped by anything but --reboot.
  Exit code: 0 done or up to date, 1 a newer release is there (check) or this one is given up (gate), 2 refused or failed,
  3 a request failed for a reason that may pass.
`,
  async run(args) {
    const [name, ...rest] = args;
    const action = ACTIONS.find((one) => one === name);
    if (action === undefined)
      throw new PaddockError("USAGE", `update ${name ?? ""}: expected one of ${ACTIONS.join(", ")}.`);
    const { updateActions } = await import("../update/commands.ts");
    return updateActions[action](rest);
  },
};
