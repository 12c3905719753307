@0xd2a1f07c5e8b3307;
# Sticky bits to wait for.

interface Notification @0xb0f4a6e0d91c4a09 {
  # 64 bits that stay set until taken. SIGNAL sets, WAIT takes.

  signal @0 (bits :UInt64);
  # Sets bits, like the ring operation SIGNAL.
}
