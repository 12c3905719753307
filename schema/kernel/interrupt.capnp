@0xd2a1f07c5e8b3309;
# Device interrupts.

using Notification = import "notification.capnp".Notification;

interface InterruptLines @0xb0f4a6e0d91c4a0b {
  # Authority over the legacy interrupt lines.

  open @0 (line :UInt8) -> (interrupt :Interrupt);
  # The interrupt of ISA line `line` (0 to 15). A line has one holder at a time.
}

interface Interrupt @0xb0f4a6e0d91c4a0c {
  # One interrupt. It is masked when it fires, until acknowledged.

  bind @0 (notification :Notification, bits :UInt64);
  # Sets these bits when it fires, and unmasks it.

  acknowledge @1 ();
  # Unmasks it.
}
