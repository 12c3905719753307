@0xd2a1f07c5e8b3304;
# The address space of a process.

using MemoryReader = import "memory_object.capnp".MemoryReader;

interface VirtualMemory @0xb0f4a6e0d91c4a04 {
  # Addresses and sizes are multiples of the page size (4096 bytes). Nothing is ever writable and executable.

  reserve @0 (bytes :UInt64, address :UInt64 = 0) -> (address :UInt64);
  # Reserves addresses, at `address` if it is not 0. Reserved addresses cannot be accessed.

  commit @1 (address :UInt64, bytes :UInt64, access :Access, guardBytes :UInt64 = 0) -> (address :UInt64);
  # Backs free or reserved addresses with zeroed memory, at `address` if it is not 0; charged now, filled at first touch. The
  # `guardBytes` in front of it become reserved if they are free.

  decommit @2 (address :UInt64, bytes :UInt64);
  # Gives committed memory back; the addresses stay reserved.

  protect @3 (address :UInt64, bytes :UInt64, access :Access);
  # Changes the access of committed or mapped memory. Mapped memory cannot get more access than its object allows.

  map @4 (object :MemoryReader, offset :UInt64, bytes :UInt64, address :UInt64 = 0, access :Access) -> (address :UInt64);
  # Maps a part of a memory object, at the free or reserved `address` if it is not 0. Write access needs a `MemoryObject`.

  unmap @5 (address :UInt64, bytes :UInt64);
  # Frees whole ranges made by `reserve` or `map`, whatever is committed in them.

  hold @6 (address :UInt64, bytes :UInt64);
  # Keeps mapped memory: whatever becomes of its object and of the capability that it was mapped with, these pages stay until
  # `unmap`. This process's ledger is charged for the whole object, once, however many mappings of it are held.

  write @7 (address :UInt64, words :List(UInt64));
  # Puts words (at most 256) into memory that the process may write, from `address` on, a multiple of 8.

  enum Access {
    none @0;
    read @1;
    readWrite @2;
    readExecute @3;
  }
}
