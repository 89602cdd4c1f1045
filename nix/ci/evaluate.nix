# A system of our modules, evaluated with Nix alone: `import ./ci/evaluate.nix module`.
module:
let
  lib = import ./minilib.nix;
  place = name: "/nix/store/${name}";
  pkgs = {
    coreutils = place "coreutils";
    nftables = place "nftables";
    iproute2 = place "iproute2";
    bash = place "bash";
    nodejs_24 = place "nodejs";
    paddock = place "paddock";
  };
  system = lib.evalModules {
    specialArgs = { inherit pkgs; };
    modules = [ ./stubs.nix ../modules/gateway.nix ../modules/collector.nix ../modules/bfd.nix module ];
  };
in
system.config
