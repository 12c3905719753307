@0xd2a1f07c5e8b3308;
# Monotonic time.

interface Clock @0xb0f4a6e0d91c4a0a {
  # The machine's monotonic clock. It says nothing of the date.

  now @0 () -> (nanoseconds :UInt64);
  # Nanoseconds since the kernel started.
}
