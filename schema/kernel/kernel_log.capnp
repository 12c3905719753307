@0xd2a1f07c5e8b330b;
# The log that exists before any service does.

interface LogSink @0xb0f4a6e0d91c4a0e {
  # Append-only access to a log.

  write @0 (text :Text);
  # Appends lines; the log adds the time and the writing process's name.
}

interface KernelLog @0xb0f4a6e0d91c4a0f extends(LogSink) {
  # The kernel's log: a ring buffer of text in memory.

  read @0 (position :UInt64) -> (next :UInt64, text :Text);
  # Up to 2 KiB of text from `position` (0 = the oldest kept) and the position behind it. No text: nothing new.

  sink @1 () -> (sink :LogSink);
  # The append-only facet.
}
