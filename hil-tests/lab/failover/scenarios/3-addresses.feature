Feature: Addresses that come and go

  The source of a path follows the kernel when the configuration names an interface or the provider's block instead of an
  address. The lab changes addresses, source rules and routes as whatever configures the gateway's network would.

  Scenario Outline: a provider renumbers the only uplink left, its path being configured by <naming>: the session moves at once
    Given BFD watches every uplink at 300 ms x3
    And the paths are configured by <naming>
    And sensors send 2000 frames per second
    When every uplink but the active one is cut
    Then BFD has called every uplink but the active one down
    When the provider of the active uplink hands out a new prefix and deprecates the old one
    Then that uplink sends from its new address
    And traffic goes on over that uplink
    When the provider of that uplink withdraws the old prefix
    Then 2000 more frames go over that uplink
    And every frame is answered 2.04 and is in the ledger exactly once
    And the report tells how soon frames arrived from the new address

    Examples:
      | naming    |
      | interface |
      | prefix    |

  Scenario: a provider renumbers the active uplink while others are there: traffic steps aside for the handshake and comes back
    Given BFD watches every uplink at 300 ms x3
    And the paths are configured by interface
    And sensors send 2000 frames per second
    When the provider of the active uplink hands out a new prefix and deprecates the old one
    Then that uplink sends from its new address
    And traffic goes on over that uplink
    When the provider of that uplink withdraws the old prefix
    Then 2000 more frames go over that uplink
    And that uplink is usable again
    And traffic has moved 2 times
    And every frame is answered 2.04 and is in the ledger exactly once

  Scenario: the active uplink loses its address and gets it back: traffic leaves it at once
    Given BFD watches every uplink at 300 ms x3
    And the paths are configured by interface
    And sensors send 2000 frames per second
    When the active uplink loses its address
    Then traffic goes on over another uplink
    When that uplink gets its address back
    Then that uplink is usable again
    And every frame is answered 2.04 and is in the ledger exactly once
