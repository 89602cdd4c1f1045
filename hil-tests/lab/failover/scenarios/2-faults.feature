Feature: What happens to uplinks besides being cut

  Sensors send all the while, and wait for the answer to each frame.

  Scenario: the active uplink swallows TCP and UDP but answers pings: traffic leaves it
    Given BFD watches every uplink at 300 ms x3
    And sensors send 2000 frames per second
    When the active uplink swallows TCP and UDP but answers pings
    Then traffic goes on over another uplink
    And 2000 more frames leave
    And the collector answers pings over that uplink
    And every frame is answered 2.04 and is in the ledger exactly once

  Scenario: without BFD, the active uplink swallows TCP and UDP: missing receipts alone move the traffic
    Given nothing watches the uplinks
    And sensors send 2000 frames per second
    When the active uplink swallows TCP and UDP but answers pings
    Then traffic goes on over another uplink
    And 2000 more frames leave
    And the collector answers pings over that uplink
    And every frame is answered 2.04 and is in the ledger exactly once

  Scenario Outline: one direction of the active uplink is dead (<direction>): traffic leaves it
    Given BFD watches every uplink at 300 ms x3
    And sensors send 2000 frames per second
    When the active uplink loses everything on the way <direction>
    Then traffic goes on over another uplink
    And 2000 more frames leave
    And every frame is answered 2.04 and is in the ledger exactly once

    Examples:
      | direction        |
      | to the collector |
      | to the gateway   |

  Scenario: 5 % of all packets are lost on every uplink: sent again, and complete
    Given BFD watches every uplink at 300 ms x3
    And sensors send 2000 frames per second
    When every uplink loses 5 % of all packets
    Then 6000 more frames leave
    And every frame is answered 2.04 and is in the ledger exactly once
    And what the fault took from the gateway's connections was sent again

  Scenario Outline: the active uplink loses <percent> % of all TCP packets and BFD sees nothing: receipts move the traffic
    Given BFD watches every uplink at 300 ms x3
    And sensors send 2000 frames per second
    When the active uplink loses <percent> % of all TCP packets
    Then traffic goes on over another uplink
    And 2000 more frames leave
    And BFD has not called that uplink down
    And every frame is answered 2.04 and is in the ledger exactly once

    Examples:
      | percent |
      | 60      |
      | 100     |

  Scenario: the MTU of every uplink falls to 1280: sessions go on
    Given BFD watches every uplink at 300 ms x3
    And sensors send 2000 frames per second
    When the MTU of every uplink falls to 1280 bytes
    Then 2000 more frames go over the active uplink
    And traffic has moved 0 times
    And no session has ended
    And every frame is answered 2.04 and is in the ledger exactly once

  Scenario: the active uplink flaps: traffic leaves it once and does not come back at each flap
    Given BFD watches every uplink at 300 ms x3
    And sensors send 2000 frames per second
    When the active uplink is cut
    Then traffic goes on over another uplink
    When that uplink comes back and fails again 3 times
    Then traffic has moved 1 time
    And every frame is answered 2.04 and is in the ledger exactly once

  Scenario: round trips over the active uplink take 200 ms longer: no false alarm, nothing lost
    Given BFD watches every uplink at 300 ms x3
    And packets can be held back on every uplink
    And sensors send 2000 frames per second
    When round trips over the active uplink take 200 ms longer
    Then the gateway says that round trips over that uplink take 150 ms or more
    And 2000 more frames go over that uplink
    And traffic has moved 0 times
    And BFD has called no uplink down
    And every frame is answered 2.04 and is in the ledger exactly once

  Scenario: round trips over the active uplink vary by more than BFD can wait: traffic leaves it
    Given BFD watches every uplink at 300 ms x3
    And packets can be held back on every uplink
    And sensors send 2000 frames per second
    When round trips over the active uplink take 2000 ms longer, give or take 2000 ms
    Then BFD has called that uplink down
    And traffic goes on over another uplink
    And 2000 more frames leave
    And every frame is answered 2.04 and is in the ledger exactly once

  Scenario Outline: the gateway's own end of the active uplink fails (<what>): traffic leaves it, and it is usable afterwards
    Given BFD watches every uplink at 300 ms x3
    And sensors send 2000 frames per second
    When the gateway's <what>
    Then traffic goes on over another uplink
    When that uplink comes back and fails again 2 times
    Then traffic has moved 1 time
    When that uplink is whole again
    Then that uplink is usable again
    And every frame is answered 2.04 and is in the ledger exactly once

    Examples:
      | what                                             |
      | interface to the active uplink is switched off   |
      | cable to the active uplink is pulled             |
