# What systemd takes away from a service. `capabilities` is what it may keep, `families` what it may open sockets of.
{ capabilities ? "", families ? "", realtime ? false, familiesWhy ? null, capabilitiesWhy ? null
, systemCallsToo ? null, systemCallsWhy ? null }:
let
  text = import ./text.nix;
  note = line: if line == null then null else "# ${line}";
in
text.linesOf [
  (note capabilitiesWhy)
  (if capabilities == "" then null else "AmbientCapabilities=${capabilities}")
  "CapabilityBoundingSet=${capabilities}"
  "NoNewPrivileges=yes"
  "RemoveIPC=yes"
  "ProtectSystem=strict"
  "ProtectHome=yes"
  "ProtectProc=invisible"
  "PrivateTmp=yes"
  "PrivateDevices=yes"
  "PrivateMounts=yes"
  "ProtectKernelTunables=yes"
  "ProtectKernelModules=yes"
  "ProtectKernelLogs=yes"
  "ProtectControlGroups=yes"
  "ProtectHostname=yes"
  "ProtectClock=yes"
  "RestrictSUIDSGID=yes"
  (if realtime then null else "RestrictRealtime=yes")
  "RestrictNamespaces=yes"
  "LockPersonality=yes"
  (note familiesWhy)
  "RestrictAddressFamilies=${families}"
  "SystemCallArchitectures=native"
  "SystemCallFilter=@system-service"
  "SystemCallFilter=~@privileged @resources"
  (note systemCallsWhy)
  (if systemCallsToo == null then null else "SystemCallFilter=${systemCallsToo}")
  "SystemCallErrorNumber=EPERM"
]
