@0xd2a1f07c5e8b3605;
# A chain of calls.

interface Relay @0xb0f4a6e0d91c4c06 {
  # For tests of calls that cause calls.

  pass @0 (depth :UInt32, next :Relay) -> (length :UInt32);
  # Calls the next one with a depth that is less by one, until it is 0; how many calls that made. `next` takes the place of the one
  # that the relay knows, and is passed on.
}
