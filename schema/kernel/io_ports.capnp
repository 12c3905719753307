@0xd2a1f07c5e8b330a;
# x86 port input and output.

interface IoPorts @0xb0f4a6e0d91c4a0d {
  # A range of byte-wide I/O ports. Ports are numbered from the start of the range.

  narrow @0 (first :UInt16, count :UInt16) -> (ports :IoPorts);
  # A part of this range. Taking the ports of the kernel's console hands the console over: from then on the kernel writes
  # to `KernelLog` only.

  read @1 (port :UInt16) -> (value :UInt8);
  # One byte from the port.

  write @2 (port :UInt16, bytes :Data);
  # These bytes (at most 64), one after the other, to the port.
}
