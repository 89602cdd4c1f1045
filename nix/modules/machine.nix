# What nix/lib makes of `services.paddock.machine`, put where NixOS wants it.
{ config, lib, pkgs, ... }:
let
  system = import ../lib;
  given = config.services.paddock.machine;
  parts = config.services.paddock.parts;
  documents = config.services.paddock.documents;
  isOn = part: builtins.elem part parts;
  # What NixOS knows better than the defaults of nix/lib; what is set wins.
  settings = given // {
    tools = {
      kill = "${pkgs.coreutils}/bin/kill";
      nft = "${pkgs.nftables}/bin/nft";
      path = "${pkgs.iproute2}/bin:${pkgs.bash}/bin:${pkgs.coreutils}/bin";
    } // (given.tools or { });
  } // lib.genAttrs [ "gateway" "bfd" "collector" ] (part:
    { command = "${pkgs.paddock}/bin/paddock ${part}"; }
    // (if documents ? ${part} then { config = documents.${part}; } else { })
    // (given.${part} or { })
    // { enable = isOn part; });
  files = system.filesOf settings;
  inherit (system.checked settings) users;

  systemd = "etc/systemd/system/";
  startsWith = prefix: path: builtins.substring 0 (builtins.stringLength prefix) path == prefix;
  cut = prefix: path: builtins.substring (builtins.stringLength prefix) (builtins.stringLength path) path;
  pick = wanted: prefix: valueOf: builtins.listToAttrs (map
    (path: { name = cut prefix path; value = valueOf files.${path}; })
    (builtins.filter wanted (builtins.attrNames files)));
  isUnit = startsWith systemd;

  user = name: uid: {
    users.users.${name} = { isSystemUser = true; inherit uid; group = name; home = "/var/lib/${name}"; };
    users.groups.${name}.gid = uid;
  };
in
{
  options.services.paddock = {
    machine = lib.mkOption {
      type = lib.types.attrsOf lib.types.anything;
      default = { };
      description = "Settings of nix/lib: network, firewall, users and more; nix/lib/settings.nix has them all, and checks them.";
    };
    parts = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      internal = true;
      description = "Programs of Paddock that run here.";
    };
    documents = lib.mkOption {
      type = lib.types.attrsOf lib.types.str;
      default = { };
      internal = true;
      description = "Where the programs find their documents.";
    };
  };

  config = lib.mkMerge [
    (lib.mkIf (parts != [ ]) {
      systemd.units = pick isUnit systemd (text: { text = lib.mkBefore text; wantedBy = [ "multi-user.target" ]; });
      environment.etc = pick (path: startsWith "etc/" path && !(isUnit path)) "etc/" (text: { inherit text; });
      systemd.network.enable = lib.mkIf ((given.network or { }).enable or false) true;
    })
    (lib.mkIf (isOn "gateway" || isOn "bfd") (user "paddock" users.gateway))
    (lib.mkIf (isOn "collector") (user "paddock-collector" users.collector))
  ];
}
