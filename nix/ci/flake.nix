{
  description = "As much of nixpkgs as our flake needs to be evaluated; nothing in it can be built";

  outputs = _:
    let
      lib = import ./minilib.nix;
      stub = system: name: derivation { inherit name system; builder = "/bin/sh"; };
      pkgsOf = system: {
        nodejs_24 = stub system "nodejs";
        nftables = stub system "nftables";
        iproute2 = stub system "iproute2";
        bash = stub system "bash";
        coreutils = stub system "coreutils";
        openssl = stub system "openssl";
        paddock = stub system "paddock";
        callPackage = file: _: builtins.seq (builtins.functionArgs (import file)) (stub system "package");
        mkShell = { packages }: builtins.deepSeq (map (one: one.name) packages) (stub system "shell");
        runCommand = name: _: script: builtins.seq script (stub system name);
      };
    in
    {
      lib = lib // {
        nixosSystem = { modules }:
          let
            # Options of programs that do not run need no values.
            # nixpkgs takes the platform from the configuration; here its packages must be known before.
            system = lib.evalModules { modules = [ ./stubs.nix ] ++ modules; specialArgs.pkgs = pkgsOf "x86_64-linux"; };
            evaluated = builtins.deepSeq (removeAttrs system.config [ "nixpkgs" "services" ]) (stub "x86_64-linux" "toplevel");
          in
          system // { config = system.config // { system.build.toplevel = evaluated; }; };
      };
      legacyPackages = lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] pkgsOf;
    };
}
