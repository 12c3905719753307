@0xd2a1f07c5e8b330c;
# Random bytes.

interface Entropy @0xb0f4a6e0d91c4a10 {
  # Bytes from the processor's entropy source. A machine without one refuses: nothing falls back to the clock.

  fill @0 (bytes :UInt32) -> (data :Data);
  # That many (at most 1024) random bytes.
}
