@0xd2a1f07c5e8b3308;
# Monotonic time, and the date.

interface Clock @0xb0f4a6e0d91c4a0a {
  # The machine's monotonic clock. It also knows the date that the machine was started with.

  now @0 () -> (nanoseconds :UInt64);
  # Nanoseconds since the kernel started.

  date @1 () -> (nanoseconds :UInt64);
  # Nanoseconds since the start of 1970 (UTC), by what the machine's clock showed when the kernel started. Nobody corrects it.
  # A machine that does not know the date refuses.
}
