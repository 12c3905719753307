@0xd2a1f07c5e8b3401;
# A serial line.

interface SerialPort @0xb0f4a6e0d91c4b01 {
  # Bytes in both directions. One reader at a time gets each byte; several writers are served in order.

  read @0 (maxBytes :UInt32 = 1024) -> (data :Data, lost :UInt32);
  # Waits until something has arrived and gives up to `maxBytes` of it. `lost` counts the bytes that came since the last
  # `read` and found no space.

  write @1 (data :Data);
  # Sends at most 2048 bytes. Answers once they are in the driver's buffer, which waits for the line when it is full.
}
