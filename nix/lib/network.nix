# Files of systemd-networkd. A packet leaves by the uplink that its source address is of: the provider of the other one would
# drop it (RFC 8678 §3).
settings:
let
  text = import ./text.nix;
  inherit (text) linesOf when;
  inherit (settings) network;

  # By priority: what the main table knows but for its default routes; the uplink of the source, and no other; the rest, in
  # the order of the uplinks.
  MAIN = 900;
  BY_SOURCE = 1000;
  NO_OTHER = 1100;
  REST = 2000;
  firstTable = 101;

  linkFile = { interface, macAddress, ... }: text.filesWhen (macAddress != null) {
    "etc/systemd/network/10-${interface}.link" = linesOf [
      "[Match]"
      "Type=ether"
      "PermanentMACAddress=${macAddress}"
      ""
      "[Link]"
      "Name=${interface}"
    ];
  };

  ruleOf = lines: [ "" "[RoutingPolicyRule]" ] ++ lines;

  uplinkFile = { index, value }:
    let
      inherit (value) interface prefixes addresses router metric;
      own = prefixes != [ ];
      table = toString (firstTable + index);
      priority = number: "Priority=${toString number}";
    in
    linkFile value // {
      "etc/systemd/network/20-${interface}.network" = linesOf [
        "[Match]"
        "Name=${interface}"
        ""
        "[Network]"
        "LinkLocalAddressing=ipv6"
        "IPv6AcceptRA=${if router == null then "yes" else "no"}"
        "# The other end and its firewall know the gateway by its address."
        "IPv6PrivacyExtensions=no"
        "# An address outlives networkd, which is started anew by updates."
        "KeepConfiguration=static"
        (map (address: "Address=${address}") addresses)
        (when (router == null) [
          ""
          "[IPv6AcceptRA]"
          (if own then "RouteTable=${table}" else "RouteMetric=${toString metric}")
        ])
        (when (router != null) [
          ""
          "[Route]"
          "Gateway=${router}"
          (if own then "Table=${table}" else "Metric=${toString metric}")
        ])
        (when own (
          ruleOf [ "Family=ipv6" "Table=main" "SuppressPrefixLength=0" (priority MAIN) ]
          ++ builtins.concatMap
            (prefix: ruleOf [ "From=${prefix}" "Table=${table}" (priority BY_SOURCE) ]
              ++ ruleOf [ "From=${prefix}" "Type=unreachable" (priority NO_OTHER) ])
            prefixes
          ++ ruleOf [ "Family=ipv6" "Table=${table}" (priority (REST + index)) ]
        ))
      ];
    };

  sensorFile = { interface, addresses, advertise, ... }@link: linkFile link // {
    "etc/systemd/network/30-${interface}.network" = linesOf [
      "[Match]"
      "Name=${interface}"
      ""
      "[Link]"
      "# A sensor that is unplugged holds up no start."
      "RequiredForOnline=no"
      ""
      "[Network]"
      "LinkLocalAddressing=ipv6"
      "IPv6AcceptRA=no"
      "# The gateway listens there before the first sensor is plugged in."
      "ConfigureWithoutCarrier=yes"
      (map (address: "Address=${address}") addresses)
      (when (advertise != [ ]) [
        "IPv6SendRA=yes"
        ""
        "[IPv6SendRA]"
        "RouterLifetimeSec=0"
        "EmitDNS=no"
        "EmitDomains=no"
      ])
      (map (prefix: [ "" "[IPv6Prefix]" "Prefix=${prefix}" ]) advertise)
    ];
  };

  anyWired = {
    "etc/systemd/network/80-wired.network" = linesOf [
      "[Match]"
      "Type=ether"
      "[Network]"
      "IPv6AcceptRA=yes"
      "LinkLocalAddressing=ipv6"
    ];
  };

  names = map (link: link.interface) (network.uplinks ++ network.sensorLinks);
  doubled = builtins.filter (name: builtins.length (builtins.filter (other: other == name) names) > 1) names;
  bare = builtins.filter (uplink: uplink.prefixes == [ ]) network.uplinks;
  files =
    if doubled != [ ] then
      throw "settings.network: the interface ${builtins.head doubled} is named more than once; a link is an uplink or has sensors, once."
    else if builtins.length network.uplinks > 1 && bare != [ ] then
      throw "settings.network.uplinks: ${(builtins.head bare).interface} has no prefixes; with more than one uplink each needs those of its provider, or packets leave by the wrong one."
    else
      text.joined (map uplinkFile (text.indexed network.uplinks))
      // text.joined (map sensorFile network.sensorLinks)
      // text.filesWhen (network.uplinks == [ ]) anyWired;
in
if network.enable then files else { }
