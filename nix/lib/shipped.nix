# The files of this repository that nix/lib makes, by path below nix/: for machines without Nix, and for images, which are built
# without it. `node nix/generate.ts` writes them.
let
  lib = import ./.;
  files = lib.filesOf { collector.enable = true; };
  systemd = "etc/systemd/system";
  bundled = program: "/usr/bin/node /opt/paddock/paddock-${program}.mjs";
  image = lib.filesOf {
    gateway.command = bundled "gateway";
    bfd = { command = bundled "bfd"; last = true; };
    provision.enable = true;
    network.enable = true;
    image.enable = true;
  };
  below = folder: all: builtins.listToAttrs (map
    (path: { name = "${folder}/${path}"; value = all.${path}; })
    (builtins.attrNames all));
in
{
  "units/paddock-gateway.service" = files."${systemd}/paddock-gateway.service";
  "units/paddock-bfd.service" = files."${systemd}/paddock-bfd.service";
  "units/paddock-collector.service" = files."${systemd}/paddock-collector.service";
  "units/paddock.sysusers" = files."usr/lib/sysusers.d/paddock.conf";
  "bfd.nft" = files."etc/paddock/bfd.nft";
} // below "image/files" image
