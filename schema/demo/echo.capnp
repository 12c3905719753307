@0xd2a1f07c5e8b3601;
# A service that gives back what it gets.

using import "../annotations.capnp".idempotent;

interface Echo @0xb0f4a6e0d91c4c01 {
  # For measurements and tests of communication itself.

  words @0 (a :UInt64, b :UInt64, c :UInt64, d :UInt64, e :UInt64, f :UInt64)
      -> (a :UInt64, b :UInt64, c :UInt64, d :UInt64, e :UInt64, f :UInt64) $idempotent;
  # Gives back six words.

  text @1 (text :Text) -> (text :Text) $idempotent;
  # Gives back a text.
}
