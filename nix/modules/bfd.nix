{ config, lib, ... }:
{
  imports = [ ./machine.nix ];

  options.services.paddock.bfd.enable = lib.mkEnableOption "the BFD speaker of the Paddock gateway, and its packet filter";

  config = lib.mkIf config.services.paddock.bfd.enable { services.paddock.parts = [ "bfd" ]; };
}
