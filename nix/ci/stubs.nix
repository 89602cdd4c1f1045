# The options of NixOS that our modules set, and no more: a slip in one of them is an error here as well.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
  sub = options: types.attrsOf (types.submodule { inherit options; });
in
{
  options = {
    systemd.units = option (sub {
      text = option (types.nullOr types.lines) null;
      wantedBy = option (types.listOf types.str) [ ];
    }) { };
    systemd.network.enable = option types.bool false;
    networking.useDHCP = option types.bool true;
    networking.hostName = option types.str "nixos";
    environment.etc = option (sub { text = option (types.nullOr types.lines) null; }) { };
    users.users = option (sub {
      isSystemUser = option types.bool false;
      uid = option (types.nullOr types.int) null;
      group = option types.str "";
      home = option types.str "/var/empty";
    }) { };
    users.groups = option (sub { gid = option (types.nullOr types.int) null; }) { };
    nixpkgs.overlays = option (types.listOf types.anything) [ ];
    nixpkgs.hostPlatform = option (types.nullOr types.str) null;
    system.stateVersion = option (types.nullOr types.str) null;
    boot.loader.systemd-boot.enable = option types.bool false;
    boot.loader.generic-extlinux-compatible.enable = option types.bool false;
    boot.loader.grub.enable = option types.bool true;
    boot.kernelParams = option (types.listOf types.str) [ ];
    fileSystems = option (sub {
      device = option types.str "";
      fsType = option types.str "auto";
    }) { };
  };
}
