# Every setting of the text that nix/lib makes, with its default and its check. `paddock` settings of a NixOS module and
# of an image are the same ones.
let
  check = import ./check.nix;
  text = import ./text.nix;
  inherit (check) section listOf bool int string stringOrNull intOrNull;

  path = default: about: string { inherit default about; holds = text.isPath; expected = "a whole path, such as /etc/paddock/gateway.json"; };
  command = default: about: string {
    inherit default about;
    holds = text.isCommand;
    expected = "a whole path of a program and its arguments, without quotes";
  };
  port = about: int { default = null; min = 1; max = 65535; unit = "port"; inherit about; };
  ports = default: about: listOf { inherit default about; of = port about; };
  interfaces = about: listOf { inherit about; of = interface about; };
  interface = about: string { required = true; inherit about; holds = text.isInterface; expected = "the name of an interface, such as wan0"; };
  addresses = about: listOf {
    inherit about;
    of = string { required = true; inherit about; holds = text.isIPv6Prefix; expected = "an IPv6 address with its length, such as 2001:db8:a::2/64"; };
  };
  prefixes = about: listOf {
    inherit about;
    of = string { required = true; inherit about; holds = text.isIPv6Prefix; expected = "an IPv6 prefix, such as 2001:db8:a::/48"; };
  };
  macAddress = stringOrNull {
    holds = text.isMacAddress;
    expected = "a MAC address, such as 02:00:00:00:00:01";
    about = "The interface with this address gets the name; null: it has it already.";
  };

  uplink = section "A way out. Routes come from router advertisements unless `router` is given." {
    interface = interface "Name of the interface.";
    inherit macAddress;
    prefixes = prefixes "Prefixes of the provider: packets from them leave by this uplink only. Two uplinks need them.";
    addresses = addresses "Fixed addresses, beside those of router advertisements.";
    router = stringOrNull {
      holds = text.isIPv6;
      expected = "an IPv6 address";
      about = "Fixed router; null: those that advertise themselves, in the order of their own preference (RFC 4191).";
    };
    metric = int {
      default = 1024;
      min = 1;
      max = 4294967295;
      unit = "points";
      about = "Lower is preferred for what has no source of its own. Equal ones leave it to the preference that routers advertise.";
    };
  };

  sensorLink = section "A link with sensors: never a way out." {
    interface = interface "Name of the interface.";
    inherit macAddress;
    addresses = addresses "Fixed addresses of the gateway there.";
    advertise = prefixes "Prefixes that are advertised there, so that sensors get addresses; the gateway does not offer itself as a router.";
  };
in
section "What a machine with Paddock is made of." {
  users = section "Numbers of the users; fixed, so that a data partition keeps its owner from image to image." {
    gateway = int { default = 800; min = 1; max = 65533; unit = "uid"; about = "The user `paddock`: gateway and BFD."; };
    collector = int { default = 801; min = 1; max = 65533; unit = "uid"; about = "The user `paddock-collector`."; };
  };

  tools = section "Programs of others that units start." {
    kill = path "/bin/kill" "kill(1).";
    nft = path "/usr/sbin/nft" "nft(8).";
    path = stringOrNull {
      holds = value: builtins.match "/[A-Za-z0-9_./:+~-]*" value != null;
      expected = "directories with colons between them";
      about = "PATH of the programs; null: what systemd gives.";
    };
  };

  gateway = section "The gateway." {
    enable = bool true "Make its unit.";
    command = command "/opt/paddock/paddock gateway" "What starts a command of the gateway when its name is put behind.";
    config = stringOrNull {
      holds = text.isPath;
      expected = "a whole path";
      about = "Its document; null: /run/paddock/gateway.json with `provision`, else /etc/paddock/gateway.json.";
    };
    coapPorts = ports [ 5683 ] "UDP ports of `listen`.";
    plainPorts = ports [ ] "UDP ports of `plainListen`.";
    metricsPort = intOrNull { min = 1; max = 65535; unit = "port"; about = "TCP port of `metrics.listen`, to let it in; null: it stays shut."; };
    discovery = bool true "Let multicast DNS in and out.";
    memoryMaxMiB = intOrNull { min = 32; max = 1048576; unit = "MiB"; about = "Most memory before it is ended and started anew; null: no limit."; };
  };

  provision = section "What an image makes of its CONFIG partition." {
    enable = bool false "The gateway runs with the document that `paddock gateway provision` made of it.";
  };

  image = section "A machine that is an image of nix/image." {
    enable = bool false "Confine the image's own helpers.";
  };

  bfd = section "The BFD speaker." {
    enable = bool true "Make its unit and its packet filter.";
    last = bool false "Start it once the gateway runs, and not before it.";
    command = command "/opt/paddock/paddock bfd" "What starts the speaker.";
    socket = path "/run/paddock/bfd.sock" "Socket that `bfd.socket` of the gateway names.";
    priority = int { default = 50; min = 1; max = 99; unit = "points"; about = "Real-time priority (SCHED_FIFO)."; };
    multihopHopLimitMin = int {
      default = 250;
      min = 1;
      max = 255;
      unit = "hops";
      about = "Lowest hop limit of a multihop packet, that is 255 less the most routers on the way. Peers that send less than 255 need a lower one: BIRD sends 64.";
    };
  };

  collector = section "The collector." {
    enable = bool false "Make its unit.";
    command = command "/opt/paddock/paddock collector" "What starts a command of the collector when its name is put behind.";
    config = path "/etc/paddock/collector.json" "Its document.";
    ports = ports [ 8443 ] "TCP ports of `listen`.";
    metricsPort = intOrNull { min = 1; max = 65535; unit = "port"; about = "TCP port of `metrics.listen`, to let it in; null: it stays shut."; };
    seamlessPort = intOrNull { min = 1; max = 65535; unit = "port"; about = "UDP port that answers seamless BFD, to let it in; null: shut."; };
    memoryMaxMiB = intOrNull { min = 32; max = 1048576; unit = "MiB"; about = "Most memory before it is ended and started anew; null: no limit."; };
  };

  network = section "The network, for systemd-networkd." {
    enable = bool false "Make .network files. Without it the machine has its network from elsewhere.";
    uplinks = listOf { about = "Ways out, the preferred one first. None: every wired interface takes what is advertised."; of = uplink; };
    sensorLinks = listOf { about = "Links with sensors."; of = sensorLink; };
  };

  firewall = section "The packet filter. BFD has one of its own, with or without this." {
    enable = bool false "Drop what comes in, but for what the settings let in.";
    sensorInterfaces = interfaces "Interfaces that frames, discovery and metrics are taken from; none named: all.";
    tcpPorts = ports [ ] "Further TCP ports to let in, such as 22.";
    udpPorts = ports [ ] "Further UDP ports to let in.";
    sensorPacketsPerS = int {
      default = 5000;
      min = 0;
      max = 1000000;
      unit = "packets/s";
      about = "Packets per second that one address may send to the gateway's ports, with bursts of as many; 0: no limit.";
    };
  };

  kernel = section "Settings of the kernel." {
    receiveBufferBytes = int {
      default = 4194304;
      min = 212992;
      max = 1073741824;
      unit = "bytes";
      about = "Largest receive buffer; the gateway asks for 4 MiB, some 11,000 small datagrams.";
    };
  };
}
