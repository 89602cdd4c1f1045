Feature: Programs that end in the middle of it

  Scenario Outline: the collector <end> and comes back: the gateway keeps what it misses
    Given nothing watches the uplinks
    And sensors send 2000 frames per second
    When the collector <end>
    Then the gateway buffers more than a second's worth of frames
    When the collector comes back
    Then the backlog is gone
    And every frame is answered 2.04 and is in the ledger exactly once

    Examples:
      | end                 |
      | stops in good order |
      | is killed           |

  Scenario: the gateway is killed under load and starts again: every frame answered 2.04 is in the ledger once
    Given nothing watches the uplinks
    And sensors number their frames
    And sensors send 2000 frames per second
    When the gateway is killed and starts again 3 times
    Then every frame answered 2.04 is in the ledger exactly once

  Scenario: the BFD speaker is killed under load: traffic stays, and a cut after it is back is found
    Given BFD watches every uplink at 300 ms x3
    And sensors send 2000 frames per second
    When the BFD speaker is killed
    Then BFD says nothing about any uplink
    And traffic goes on over that uplink
    And the BFD speaker is back, and every uplink is up
    And traffic has moved 0 times
    When that uplink is cut
    Then traffic goes on over another uplink
    And BFD has called that uplink down
    And every frame is answered 2.04 and is in the ledger exactly once
