# The files of this repository that nix/lib makes, by path below nix/: for machines without Nix. `node nix/generate.ts` writes
# them.
let
  lib = import ./.;
  files = lib.filesOf { collector.enable = true; };
  systemd = "etc/systemd/system";
in
{
  "units/paddock-gateway.service" = files."${systemd}/paddock-gateway.service";
  "units/paddock-bfd.service" = files."${systemd}/paddock-bfd.service";
  "units/paddock-collector.service" = files."${systemd}/paddock-collector.service";
  "units/paddock.sysusers" = files."usr/lib/sysusers.d/paddock.conf";
  "bfd.nft" = files."etc/paddock/bfd.nft";
}
