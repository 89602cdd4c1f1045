Feature: Alarms and budgets

  Scenario: alarms leave over two disjoint uplinks at once: they do not wait until BFD has found that one is cut
    Given BFD watches every uplink at 300 ms x3
    And fibre and lte would fail together
    And alarms leave over two uplinks at once
    And sensors send 2000 frames and 100 alarms per second
    And the standby is radio
    When the active uplink is cut
    Then traffic goes on over radio
    And 2000 more frames leave
    And every frame is answered 2.04 and is in the ledger exactly once
    And alarms arrived before BFD had found the fault

  Scenario: a metered standby is watched slowly until it is needed
    Given BFD watches every uplink at 300 ms x3
    And lte is paid by volume, 100000 kB a month
    And sensors send 2000 frames per second
    And lte is watched slowly
    When fibre is cut
    Then traffic goes on over lte
    And lte is watched as configured
    And every frame is answered 2.04 and is in the ledger exactly once

  Scenario: the budget of the only uplink left is used up: alarms go over it, telemetry waits
    Given BFD watches every uplink at 300 ms x3
    And lte is paid by volume, 0 kB a month
    And sensors send 2000 frames and 100 alarms per second
    When fibre is cut
    And radio is cut
    Then alarms arrive over lte while telemetry waits
    And every frame is answered 2.04 and is in the ledger exactly once
    And only alarms went over lte
