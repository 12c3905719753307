@0xd2a1f07c5e8b3303;
# A thread of a process.

interface Thread @0xb0f4a6e0d91c4a03 {
  # Control of one thread. SIGNAL on this capability sets bits of the thread's own notification.

  join @0 () -> (code :Int32);
  # Answers when the thread has ended, with its exit code.
}
