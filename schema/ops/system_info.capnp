@0xd2a1f07c5e8b3405;
# What this system is and how it is doing.

using import "../annotations.capnp".idempotent;

interface SystemInfo @0xb0f4a6e0d91c4b05 {
  # Facts for people: names, versions and figures.

  describe @0 () -> (
      hostname :Text, version :Text, kernelVersion :Text, processors :UInt32, memoryBytes :UInt64, freeBytes :UInt64,
      processes :UInt32, uptimeSeconds :UInt64) $idempotent;
  # The system at this moment.

  motd @1 () -> (text :Text) $idempotent;
  # The message of the day.

  observe @2 (seconds :UInt32 = 5) -> (samples :UInt32, leastFreeBytes :UInt64, mostProcesses :UInt32) $idempotent;
  # Looks once a second for so many seconds (at most 3600) and gives the extremes.
}
