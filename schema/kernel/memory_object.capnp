@0xd2a1f07c5e8b3305;
# Memory that several processes can map.

interface MemoryReader @0xb0f4a6e0d91c4a05 {
  # Memory that the holder can map for reading or execution.

  size @0 () -> (bytes :UInt64);
  # Bytes of content; the last page may have a zero tail behind them.
}

interface MemoryObject @0xb0f4a6e0d91c4a06 extends(MemoryReader) {
  # Memory that the holder can also map for writing.

  reader @0 () -> (reader :MemoryReader);
  # The read-only facet.

  seal @1 ();
  # Nobody can write the memory from now on, whatever they hold. Refused while somebody who may write has it mapped.
}
