settings: {
  "etc/sysctl.d/50-paddock.conf" = "net.core.rmem_max=${toString settings.kernel.receiveBufferBytes}\n";
}
