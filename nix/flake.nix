{
  description = "Paddock: gateways, collectors and their machines";

  # flake.lock is written by hand, of type tarball: it names one release by its hash.
  inputs.nixpkgs.url = "https://releases.nixos.org/nixos/26.05/nixos-26.05.4193.a50de1b7d8a5/nixexprs.tar.xz";

  outputs = { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      systems = [ "x86_64-linux" "aarch64-linux" ];
      forEach = valueOf: lib.genAttrs systems (system: valueOf system (nixpkgs.legacyPackages.${system}));

      overlay = final: _: { paddock = final.callPackage ./package.nix { }; };

      modules = {
        gateway = import ./modules/gateway.nix;
        collector = import ./modules/collector.nix;
        bfd = import ./modules/bfd.nix;
      };

      machine = platform: board: lib.nixosSystem {
        modules = builtins.attrValues modules ++ [
          board
          ./machines/gateway.nix
          { nixpkgs.hostPlatform = platform; nixpkgs.overlays = [ overlay ]; }
        ];
      };
    in
    {
      overlays.default = overlay;
      nixosModules = modules // { default = { imports = builtins.attrValues modules; }; };

      nixosConfigurations = {
        gateway-x86_64 = machine "x86_64-linux" ./machines/uefi.nix;
        gateway-aarch64 = machine "aarch64-linux" ./machines/uefi.nix;
        gateway-raspberry-pi = machine "aarch64-linux" ./machines/raspberry-pi.nix;
      };

      packages = forEach (_: pkgs: rec {
        paddock = pkgs.callPackage ./package.nix { };
        default = paddock;
      });

      # The text that nix/lib makes is the text that this repository ships.
      checks = forEach (_: pkgs: {
        shipped = pkgs.runCommand "paddock-shipped" { } (
          let
            made = import ./lib/shipped.nix;
            stale = builtins.filter (path: builtins.readFile (./. + "/${path}") != made.${path}) (builtins.attrNames made);
          in
          if stale == [ ] then "touch $out" else throw "nix/${builtins.head stale} is not what nix/lib makes: node nix/generate.ts"
        );
      });

      devShells = forEach (_: pkgs: {
        default = pkgs.mkShell { packages = [ pkgs.nodejs_24 pkgs.nftables pkgs.iproute2 pkgs.openssl ]; };
      });
    };
}
