# Raspberry Pi 4 and 5, started by U-Boot from extlinux.conf.
{
  boot.loader.grub.enable = false;
  boot.loader.generic-extlinux-compatible.enable = true;
  boot.kernelParams = [ "console=ttyAMA0,115200" "panic=10" ];
  fileSystems."/" = { device = "/dev/disk/by-label/NIXOS_SD"; fsType = "ext4"; };
}
