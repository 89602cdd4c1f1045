# What may come in, where the packet filter is ours. The kernel drops all else.
settings:
let
  text = import ./text.nix;
  inherit (text) linesOf when;
  inherit (settings) firewall gateway bfd collector;

  # nft takes a set of one, but none of none.
  setOf = values: "{ ${builtins.concatStringsSep ", " (map toString values)} }";
  quoted = map (name: ''"${name}"'');
  inFrom = if firewall.sensorInterfaces == [ ] then "" else "iifname ${setOf (quoted firewall.sensorInterfaces)} ";

  framePorts = if gateway.enable then gateway.coapPorts ++ gateway.plainPorts else [ ];
  hasFrames = framePorts != [ ];
  limited = hasFrames && firewall.sensorPacketsPerS > 0;
  rate = toString firewall.sensorPacketsPerS;

  # Where no port is named, nft would have an empty set.
  letIn = condition: protocol: ports: when (condition && ports != [ ]) [ "\t\t${protocol} dport ${setOf ports} accept" ];
  metrics = when (gateway.enable && gateway.metricsPort != null)
    [ "\t\t${inFrom}tcp dport ${toString gateway.metricsPort} accept" ];
  collectorMetrics = when (collector.enable && collector.metricsPort != null)
    [ "\t\ttcp dport ${toString collector.metricsPort} accept" ];
  seamless = when (collector.enable && collector.seamlessPort != null)
    [ "\t\tudp dport ${toString collector.seamlessPort} accept" ];
in
text.filesWhen firewall.enable {
  "etc/paddock/firewall.nft" = linesOf [
    "#!${settings.tools.nft} -f"
    "# What may come in. Loading it again replaces it; nothing else is touched."
    ""
    "table inet paddock"
    "delete table inet paddock"
    ""
    "table inet paddock {"
    (when limited [
      "\tcounter too_fast { }"
      ""
      "\t# Who sent lately, and how much it may still send."
      "\tset senders {"
      "\t\ttype ipv6_addr"
      "\t\tsize 65535"
      "\t\tflags dynamic,timeout"
      "\t\ttimeout 1m"
      "\t}"
      ""
    ])
    (when hasFrames [
      "\t# Frames are no connections: many senders must not fill the kernel's table of those."
      "\tchain untracked_in {"
      "\t\ttype filter hook prerouting priority raw; policy accept;"
      ""
      "\t\tudp dport ${setOf framePorts} notrack"
      "\t}"
      ""
      "\tchain untracked_out {"
      "\t\ttype filter hook output priority raw; policy accept;"
      ""
      "\t\tudp sport ${setOf framePorts} notrack"
      "\t}"
      ""
    ])
    "\tchain in {"
    "\t\ttype filter hook input priority filter; policy drop;"
    ""
    "\t\tiif lo accept"
    "\t\tct state { established, related } accept"
    "\t\t# 58 is ICMPv6: by name it would need /etc/protocols."
    "\t\tmeta l4proto { 1, 58 } accept"
    "\t\t# DHCPv6 (RFC 8415 §7.2)."
    "\t\tip6 saddr fe80::/10 udp sport 547 udp dport 546 accept"
    (when limited [
      "\t\t${inFrom}udp dport ${setOf framePorts} update @senders { ip6 saddr limit rate over ${rate}/second burst ${rate} packets } counter name too_fast drop"
    ])
    (when hasFrames [ "\t\t${inFrom}udp dport ${setOf framePorts} accept" ])
    (when (gateway.enable && gateway.discovery) [ "\t\t${inFrom}udp dport 5353 accept" ])
    metrics
    (when bfd.enable [
      "\t\t# Hop limits are checked by the filter of BFD, which comes before this one."
      "\t\tudp dport { 3784, 3785, 4784 } accept"
    ])
    (letIn collector.enable "tcp" collector.ports)
    collectorMetrics
    seamless
    (letIn true "tcp" firewall.tcpPorts)
    (letIn true "udp" firewall.udpPorts)
    "\t}"
    "}"
  ];
}
