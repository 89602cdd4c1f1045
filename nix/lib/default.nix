# Settings in, files out: { "etc/systemd/system/paddock-gateway.service" = "[Unit]…"; … }. Needs nothing but builtins.
#
#     nix-instantiate --eval --strict --json -E '(import ./nix/lib).filesOf { collector.enable = true; }'
let
  check = import ./check.nix;
  description = import ./settings.nix;
  parts = [
    ./services.nix
    ./bfd-filter.nix
    ./filter-service.nix
    ./firewall.nix
    ./network.nix
    ./kernel.nix
    ./image.nix
  ];
in
rec {
  # Throws what is wrong of them, with the name of the setting and what was expected.
  checked = given: check.checkSection "settings" description given;

  filesOf = given:
    let settings = checked given;
    # A slip is refused even where nothing reads the setting.
    in builtins.deepSeq settings builtins.foldl' (files: part: files // import part settings) { } parts;

  inherit description;
}
