# A gateway as it is before anybody sets anything: takes frames, keeps them, and waits to be told of its collector.
{
  system.stateVersion = "26.05";
  networking.hostName = "paddock";
  networking.useDHCP = false;
  services.paddock.bfd.enable = true;
  services.paddock.gateway = {
    enable = true;
    settings = {
      dataDir = "/var/lib/paddock";
      bfd.socket = "/run/paddock/bfd.sock";
    };
  };
  services.paddock.machine = {
    network.enable = true;
    firewall.enable = true;
  };
}
