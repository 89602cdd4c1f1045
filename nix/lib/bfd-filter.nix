# The packet filter that BFD needs. nft 1.0.6 wants a line's end before a closing brace.
settings:
let
  text = import ./text.nix;
in
text.filesWhen settings.bfd.enable {
  "etc/paddock/bfd.nft" = ''
    #!${settings.tools.nft} -f
    # What BFD needs from the packet filter (docs/bfd.md). Loading it again replaces it; nothing else is touched.
    #
    #     nft -f bfd.nft
    #     nft -j list counters table inet bfd
    #
    # Each counter counts packets that were dropped.

    # The lowest hop limit of a multihop packet, that is 255 less the most routers on the way. Peers that send less than 255
    # need a lower one: BIRD sends 64.
    define multihop_hop_limit_min = ${toString settings.bfd.multihopHopLimitMin}

    table inet bfd
    delete table inet bfd

    table inet bfd {
    	# 3784, RFC 5881 §5: every router takes one off 255, so only a neighbour's packet has it.
    	counter single_hop_hop_limit { }
    	# 3785, RFC 9747 §3: our own echo, sent with 255 and back from one router.
    	counter echo_hop_limit { }
    	# 4784, RFC 5883 §4.
    	counter multihop_hop_limit { }
    	# RFC 5881 §4: who speaks BFD sends from 49152 to 65535.
    	counter source_port { }

    	chain in {
    		type filter hook input priority filter - 10; policy accept;

    		udp dport 3784 ip6 hoplimit != 255 counter name single_hop_hop_limit drop
    		udp dport 3784 ip ttl != 255 counter name single_hop_hop_limit drop
    		udp dport 3785 ip6 hoplimit != 254 counter name echo_hop_limit drop
    		udp dport 3785 ip ttl != 254 counter name echo_hop_limit drop
    		udp dport 4784 ip6 hoplimit < $multihop_hop_limit_min counter name multihop_hop_limit drop
    		udp dport 4784 ip ttl < $multihop_hop_limit_min counter name multihop_hop_limit drop
    		udp dport { 3784, 4784 } udp sport < 49152 counter name source_port drop
    	}

    	chain out {
    		type filter hook output priority mangle; policy accept;

    		# Network control: the last to wait in a queue. The answers of the seamless reflector come from its port.
    		udp dport { 3784, 3785, 4784, 7784 } ip6 dscp set cs6
    		udp dport { 3784, 3785, 4784, 7784 } ip dscp set cs6
    		udp sport 7784 ip6 dscp set cs6
    		udp sport 7784 ip dscp set cs6
    	}
    }
  '';
}
