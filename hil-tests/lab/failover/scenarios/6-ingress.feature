Feature: An ingress in front of the collector

  nginx, configured as docs/operations.md says, ends TLS (`collector.ca`) and speaks HTTP/1.1 to the collector. The gateway
  gets in by its claim code, proves its key by the collector's challenge, and believes no receipt but the collector's own.

  Scenario: nginx ends each HTTP/2 session after 20 requests: traffic stays where it is, and nothing is held against the uplink
    Given nginx ends TLS in front of the collector, speaks HTTP/2 and ends each session after 20 requests
    And nothing watches the uplinks
    And sensors send 300 frames per second
    When 5 sessions end in order
    Then 600 more frames go over the active uplink
    And traffic has moved 0 times
    And no session has ended
    And no uplink has a penalty
    And every frame is answered 2.04 and is in the ledger exactly once

  Scenario: nginx speaks HTTP/1.1 alone and ends each connection after 20 requests: traffic stays where it is
    Given nginx ends TLS in front of the collector, speaks HTTP/1.1 and ends each session after 20 requests
    And nothing watches the uplinks
    And sensors send 300 frames per second
    When 10 more connections reach nginx
    Then 600 more frames go over the active uplink
    And traffic has moved 0 times
    And no session has ended
    And no uplink has a penalty
    And every frame is answered 2.04 and is in the ledger exactly once

  Scenario: nginx is reloaded under load: traffic stays where it is
    Given nginx ends TLS in front of the collector, speaks HTTP/2 and ends each session after 100000 requests
    And nothing watches the uplinks
    And sensors send 300 frames per second
    When nginx is reloaded
    Then 3 sessions end in order
    And every session is open again
    And 600 more frames go over the active uplink
    And traffic has moved 0 times
    And no session has ended
    And no uplink has a penalty
    And every frame is answered 2.04 and is in the ledger exactly once

  Scenario: nginx is restarted under load: every session is lost, and no frame
    Given nginx ends TLS in front of the collector, speaks HTTP/2 and ends each session after 100000 requests
    And nothing watches the uplinks
    And sensors send 300 frames per second
    When nginx is restarted
    Then sessions were lost
    And every session is open again
    And 600 more frames leave
    And every frame is answered 2.04 and is in the ledger exactly once
