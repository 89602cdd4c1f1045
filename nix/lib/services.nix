# Units of the three programs.
settings:
let
  text = import ./text.nix;
  inherit (text) linesOf when;
  hardening = import ./hardening.nix;
  inherit (settings) tools gateway bfd collector provision;

  configOfGateway =
    if gateway.config != null then gateway.config
    else if provision.enable then "/run/paddock/gateway.json" else "/etc/paddock/gateway.json";

  noMemoryDeny = "No MemoryDenyWriteExecute: V8 compiles while it runs.";
  lowPorts = "For `listen` below port 1024; nothing else needs it.";
  path = when (tools.path != null) [ "Environment=PATH=${tools.path}" ];
  memory = most: when (most != null) [ "# Ended and started anew before it takes the memory of others." "MemoryMax=${toString most}M" ];
  again = [
    "Restart=on-failure"
    "RestartSec=2"
    "# 2: a configuration that starting again does not mend."
    "RestartPreventExitStatus=2"
  ];
  install = [ "" "[Install]" "WantedBy=multi-user.target" ];

  gatewayUnit = linesOf [
    "[Unit]"
    "Description=Paddock gateway: takes frames from sensors, keeps them in a hash chain, forwards them"
    "Documentation=https://www.rfc-editor.org/rfc/rfc7252 https://www.rfc-editor.org/rfc/rfc8428"
    "After=network.target${if bfd.enable && !bfd.last then " paddock-bfd.service" else ""}"
    (when bfd.enable [ "Wants=paddock-bfd.service" ])
    "# Never gives up: a gateway that is not started again takes no readings."
    "StartLimitIntervalSec=0"
    ""
    "[Service]"
    "Type=exec"
    "ExecStart=${gateway.command} run --config ${configOfGateway}"
    "ExecReload=${tools.kill} -HUP $MAINPID"
    "User=paddock"
    "Group=paddock"
    "StateDirectory=paddock"
    "StateDirectoryMode=0700"
    "UMask=0077"
    again
    "# forward.drainMs is part of this."
    "TimeoutStopSec=30"
    "# One arena instead of one per thread: 19 MB less at 10,000 frames/s."
    "Environment=MALLOC_ARENA_MAX=1"
    path
    (memory gateway.memoryMaxMiB)
    "LimitNOFILE=65536"
    (text.linesWithin (hardening {
      capabilities = "CAP_NET_BIND_SERVICE";
      capabilitiesWhy = lowPorts;
      families = "AF_UNIX AF_INET AF_INET6 AF_NETLINK";
      familiesWhy = "Netlink: `ip` and the list of interfaces. ${noMemoryDeny}";
      systemCallsToo = "capset";
      systemCallsWhy = "`ip` gives its rights away at its start, and ends without a word where it may not.";
    }))
    install
  ];

  bfdUnit = linesOf [
    "[Unit]"
    "Description=Paddock BFD speaker: watches the paths of the gateway"
    "Documentation=https://www.rfc-editor.org/rfc/rfc5880"
    "After=network.target"
    (if bfd.last then [
      "# Real time comes before all else, and starting takes long: first the gateway that takes frames."
      "After=paddock-gateway.service"
    ] else "Before=paddock-gateway.service")
    "# Never gives up: without it receipts alone tell that a path is gone."
    "StartLimitIntervalSec=0"
    ""
    "[Service]"
    "Type=exec"
    "ExecStart=${bfd.command} --socket ${bfd.socket}"
    "User=paddock"
    "Group=paddock"
    "RuntimeDirectory=paddock"
    "RuntimeDirectoryMode=0700"
    "UMask=0077"
    again
    "TimeoutStopSec=5"
    "# A verdict must not wait for the processor: before all that is not real time."
    "CPUSchedulingPolicy=fifo"
    "CPUSchedulingPriority=${toString bfd.priority}"
    "# One arena instead of one per thread."
    "Environment=MALLOC_ARENA_MAX=1"
    path
    "LimitNOFILE=65536"
    (text.linesWithin (hardening {
      realtime = true;
      families = "AF_UNIX AF_INET AF_INET6";
      familiesWhy = noMemoryDeny;
    }))
    install
  ];

  collectorUnit = linesOf [
    "[Unit]"
    "Description=Paddock collector: receives from gateways, keeps the ledger, replays and proves"
    "Documentation=https://www.rfc-editor.org/rfc/rfc9113"
    "After=network.target"
    "# Never gives up: gateways keep what they have until it is back, as long as they have room."
    "StartLimitIntervalSec=0"
    ""
    "[Service]"
    "Type=exec"
    "ExecStart=${collector.command} run --config ${collector.config}"
    "User=paddock-collector"
    "Group=paddock-collector"
    "StateDirectory=paddock-collector"
    "StateDirectoryMode=0700"
    "UMask=0077"
    again
    "# limits.drainMs is part of this."
    "TimeoutStopSec=30"
    "# One arena instead of one per thread."
    "Environment=MALLOC_ARENA_MAX=1"
    path
    (memory collector.memoryMaxMiB)
    "LimitNOFILE=65536"
    (text.linesWithin (hardening {
      capabilities = "CAP_NET_BIND_SERVICE";
      capabilitiesWhy = lowPorts;
      families = "AF_UNIX AF_INET AF_INET6 AF_NETLINK";
      familiesWhy = "Netlink: the list of interfaces. ${noMemoryDeny}";
      systemCallsToo = "setpriority";
      systemCallsWhy = "The process of the sinks steps back behind the ledger.";
    }))
    install
  ];

  user = name: number: about: home: "u ${text.padded 17 name} ${toString number} ${text.padded 27 about} ${home}";
in
text.filesWhen gateway.enable { "etc/systemd/system/paddock-gateway.service" = gatewayUnit; }
// text.filesWhen bfd.enable { "etc/systemd/system/paddock-bfd.service" = bfdUnit; }
// text.filesWhen collector.enable { "etc/systemd/system/paddock-collector.service" = collectorUnit; }
// {
  "usr/lib/sysusers.d/paddock.conf" = linesOf [
    "# /usr/lib/sysusers.d/paddock.conf: the users of the units. `systemd-sysusers FILE` makes them at once."
    "# Where a number is taken already, it finds another one."
    (user "paddock" settings.users.gateway ''"Paddock gateway and BFD"'' "/var/lib/paddock")
    (user "paddock-collector" settings.users.collector ''"Paddock collector"'' "/var/lib/paddock-collector")
  ];
}
