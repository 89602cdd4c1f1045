# Any machine with UEFI.
{
  boot.loader.systemd-boot.enable = true;
  boot.kernelParams = [ "panic=10" ];
  fileSystems."/" = { device = "/dev/disk/by-partlabel/root"; fsType = "ext4"; };
  fileSystems."/boot" = { device = "/dev/disk/by-partlabel/esp"; fsType = "vfat"; };
}
