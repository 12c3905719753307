@0xd2a1f07c5e8b3603;
# The other side of a game, which falls now and then.

using import "../annotations.capnp".idempotent;

interface Pong @0xb0f4a6e0d91c4c04 {
  # For the demo of a service that faults and comes back.

  play @0 (ball :UInt64) -> (ball :UInt64) $idempotent;
  # Gives the ball back.

  score @1 (points :UInt32) -> (total :UInt32);
  # Adds points. Twice is not once.
}
