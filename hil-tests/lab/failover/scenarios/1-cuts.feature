Feature: The active uplink is cut under full load

  Cut after cut, as fast as another uplink is there to take over. FRR watches the same uplinks with sessions of its own,
  so that every cut hits both. BFD at 50 ms x3 runs at real-time priority, ours as FRR's.

  Scenario Outline: the active uplink is cut again and again at 10000 frames/s, BFD at <pace>: nothing lost, nothing twice
    Given BFD watches every uplink at <pace>
    And FRR watches every uplink as well
    And sensors send 10000 frames per second
    When the active uplink is cut 25 times, each time until another one has taken over
    Then every frame is answered 2.04 and is in the ledger exactly once
    And the report tells how soon each cut was found and bridged

    Examples:
      | pace      |
      | 50 ms x3  |
      | 300 ms x3 |
