@0xd2a1f07c5e8b3602;
# A service that hands out objects, keeps some, and breaks on request.

using MemoryObject = import "../kernel/memory_object.capnp".MemoryObject;
using Notification = import "../kernel/notification.capnp".Notification;

using import "../annotations.capnp".idempotent;

interface Workshop @0xb0f4a6e0d91c4c02 {
  # For tests of communication: objects in both directions, waiting, failing, dying.

  open @0 (start :UInt64) -> (counter :Counter);
  # A new counter. It ends with its last capability.

  counters @1 () -> (alive :UInt32) $idempotent;
  # How many counters exist.

  use @2 (counter :Counter, times :UInt32) -> (value :UInt64);
  # Adds 1 to the caller's counter so many times.

  wait @3 () -> () $idempotent;
  # Never answers.

  waiting @4 () -> (calls :UInt32) $idempotent;
  # Calls of `wait`, and of `hold` of its counters, that are not cancelled.

  fail @5 (message :Text) -> ();
  # Fails with this message.

  repeat @6 (text :Text, times :UInt32) -> (text :Text) $idempotent;
  # The text, so many times.

  crash @7 () -> ();
  # The process ends without an answer.

  consume @8 (memory :MemoryObject, bell :Notification, entries :UInt32, count :UInt64) -> (sum :UInt64);
  # Takes so many entries of one word out of a queue, and adds them up.

  caller @9 () -> (first :UInt64, second :UInt64, disclosed :UInt32) $idempotent;
  # What the kernel says of the caller's session.

  same @10 (counter :Counter) -> (counter :Counter, own :Bool);
  # Gives a counter back, and says whether it is one of the workshop's own.

  live @11 (first :UInt64, second :UInt64) -> (live :Bool) $idempotent;
  # Whether the session lasts that the kernel told by these words.
}

interface Counter @0xb0f4a6e0d91c4c03 {
  # A number that grows.

  add @0 (amount :UInt64) -> (value :UInt64);
  # Adds to it.

  hold @1 () -> ();
  # Never answers.
}
