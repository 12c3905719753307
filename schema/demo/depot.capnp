@0xd2a1f07c5e8b3604;
# Keeps what it is given.

using Notification = import "../kernel/notification.capnp".Notification;

interface Depot @0xb0f4a6e0d91c4c05 {
  # For tests of the transfer of capabilities: many at once, in both directions.

  keep @0 (bells :List(Notification), note :Text) -> ();
  # Keeps them. The note only makes the message longer.

  ring @1 (bits :UInt64) -> (rung :UInt32);
  # Signals these bits to all that are kept; how many of them took it.

  give @2 (how :How) -> (bells :List(Notification));
  # All that are kept.

  clear @3 () -> (cleared :UInt32);
  # Gives up all that are kept; how many those were.

  enum How {
    copied @0;
    moved @1;
    # Nothing is kept then.
    movedTwice @2;
    # The last is moved and sent once more; so it cannot go, nor is it kept.
    confined @3;
    # The last is one that may not leave the depot's session.
    stale @4;
    # The last is one that was revoked.
  }
}
