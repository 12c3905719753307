@0xd2a1f07c5e8b330d;
# The machine as a whole.

interface SystemStatus @0xb0f4a6e0d91c4a11 {
  # Facts about the running machine.

  describe @0 () -> (
      processors :UInt32, totalFrames :UInt64, freeFrames :UInt64, uptime :UInt64, processes :UInt32, kernelVersion :Text);
  # Processors running, frames of 4096 bytes, nanoseconds since the kernel started, processes alive.
}

interface SystemControl @0xb0f4a6e0d91c4a12 extends(SystemStatus) {
  # The power switch.

  shutdown @0 (code :UInt8);
  # Ends the machine. Under an emulator with a debug-exit device, `code` reaches its exit status.

  reboot @1 ();
  # Resets the machine.

  status @2 () -> (status :SystemStatus);
  # The read-only facet.
}
