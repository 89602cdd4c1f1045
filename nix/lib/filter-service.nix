# Loads the packet filters before the first network comes up.
settings:
let
  text = import ./text.nix;
  inherit (text) linesOf when;
  load = file: "ExecStart=${settings.tools.nft} -f /etc/paddock/${file}";
in
text.filesWhen (settings.bfd.enable || settings.firewall.enable) {
  "etc/systemd/system/paddock-nft.service" = linesOf [
    "[Unit]"
    "Description=Paddock: the packet filter"
    "DefaultDependencies=no"
    "Before=network-pre.target paddock-bfd.service"
    "Wants=network-pre.target"
    ""
    "[Service]"
    "Type=oneshot"
    "RemainAfterExit=yes"
    (when settings.bfd.enable [ (load "bfd.nft") ])
    (when settings.firewall.enable [ (load "firewall.nft") ])
    "UMask=0077"
    (text.linesWithin (import ./hardening.nix {
      capabilities = "CAP_NET_ADMIN";
      families = "AF_NETLINK";
      asRoot = true;
      compiles = false;
    }))
    "IPAddressDeny=any"
    ""
    "[Install]"
    "WantedBy=multi-user.target"
  ];
}
