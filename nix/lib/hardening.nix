# What systemd takes away from a service. `capabilities` is what it may keep, `families` what it may open sockets of.
# `devices` are those that it opens, as DeviceAllow= takes them; null: none, and it does not see them.
{ capabilities ? "", families ? "", realtime ? false, familiesWhy ? null, capabilitiesWhy ? null
, systemCallsToo ? null, systemCallsWhy ? null
, asRoot ? false, devices ? null, mayTuneKernel ? false, mayNameHost ? false, offline ? false, compiles ? true, ownProcesses ? false, beforeVar ? false }:
let
  text = import ./text.nix;
  note = line: if line == null then null else "# ${line}";
  unless = condition: line: if condition then null else line;
in
text.linesOf [
  (note capabilitiesWhy)
  (unless (asRoot || capabilities == "") "AmbientCapabilities=${capabilities}")
  "CapabilityBoundingSet=${capabilities}"
  "NoNewPrivileges=yes"
  "RemoveIPC=yes"
  "ProtectSystem=strict"
  "ProtectHome=yes"
  "ProtectProc=invisible"
  (unless (!ownProcesses) "ProcSubset=pid")
  # Its /var/tmp is in what /var has to be mounted for.
  (unless beforeVar "PrivateTmp=yes")
  (if devices == null then "PrivateDevices=yes" else [ "DevicePolicy=closed" (map (device: "DeviceAllow=${device}") devices) ])
  "PrivateMounts=yes"
  (unless mayTuneKernel "ProtectKernelTunables=yes")
  "ProtectKernelModules=yes"
  "ProtectKernelLogs=yes"
  "ProtectControlGroups=yes"
  (unless mayNameHost "ProtectHostname=yes")
  "ProtectClock=yes"
  "RestrictSUIDSGID=yes"
  (unless realtime "RestrictRealtime=yes")
  "RestrictNamespaces=yes"
  "LockPersonality=yes"
  (note familiesWhy)
  "RestrictAddressFamilies=${if families == "" then "none" else families}"
  (unless (!offline) "PrivateNetwork=yes")
  (unless compiles "MemoryDenyWriteExecute=yes")
  "SystemCallArchitectures=native"
  "SystemCallFilter=@system-service"
  "SystemCallFilter=~@privileged @resources"
  (note systemCallsWhy)
  (if systemCallsToo == null then null else "SystemCallFilter=${systemCallsToo}")
  "SystemCallErrorNumber=EPERM"
]
