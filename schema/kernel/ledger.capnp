@0xd2a1f07c5e8b3301;
# What a program may use up: frames, handles, objects, threads; every kernel object is made by the ledger that pays.

using VirtualMemory = import "virtual_memory.capnp".VirtualMemory;
using MemoryObject = import "memory_object.capnp".MemoryObject;
using Process = import "process.capnp".Process;
using Thread = import "thread.capnp".Thread;
using HandleManager = import "handle_manager.capnp".HandleManager;
using Endpoint = import "endpoint.capnp".Endpoint;
using Notification = import "notification.capnp".Notification;

interface Ledger @0xb0f4a6e0d91c4a01 {
  # Limits and charges of one account. Ledgers form a tree: what a child may use was taken from its parent.

  const kernelBytesPerFrame :UInt64 = 32;
  const kernelBytesPerHandle :UInt64 = 240;
  const kernelBytesPerObject :UInt64 = 1536;
  const kernelBytesPerThread :UInt64 = 8192;
  # Bytes of the kernel's own memory that come with each unit of a limit; those of a ledger are one sum, whatever they are used for.
  # A frame's are for address maps and lists of pages, a handle's for its slot, an object's for its record and lists of those who wait,
  # a thread's for its record and those of its pending operations.

  createLedger @0 (frames :UInt64, handles :UInt64, objects :UInt64, threads :UInt64) -> (ledger :Ledger);
  # A child with these limits, reserved from this ledger until the child is gone.

  createProcess @1 (name :Text) -> (process :Process, memory :VirtualMemory, handles :HandleManager);
  # An empty process that this ledger pays for: no threads, no capabilities, nothing mapped. `name` has at most 32 bytes.

  createThread @2 (
      process :Process, entry :UInt64, stackPointer :UInt64, threadPointer :UInt64, argument :UInt64,
      ringBytes :UInt32 = 65536) -> (thread :Thread, ringAddress :UInt64);
  # A thread of `process` that starts at `entry` once the process is started. Its ring area of `ringBytes` (a power of two,
  # 16 KiB to 2 MiB) is mapped at `ringAddress`.

  createEndpoint @3 (maxMessageBytes :UInt32 = 4096, maxLargeBytes :UInt64 = 4194304) -> (endpoint :Endpoint);
  # An endpoint without server. Messages that are longer travel as sealed memory; calls and results whose memory is larger
  # than `maxLargeBytes` are refused.

  createMemoryObject @4 (bytes :UInt64) -> (memory :MemoryObject);
  # Zero-filled memory, rounded up to whole pages; its frames are charged now.

  createNotification @5 () -> (notification :Notification);
  # A notification with no bit set.

  inspect @6 () -> (
      framesUsed :UInt64, framesLimit :UInt64, handlesUsed :UInt64, handlesLimit :UInt64,
      objectsUsed :UInt64, objectsLimit :UInt64, threadsUsed :UInt64, threadsLimit :UInt64, number :UInt32,
      kernelBytesUsed :UInt64, kernelBytesLimit :UInt64);
  # What is charged and what may be; and the number by which refusals name this ledger. A ledger that is gone leaves its number to
  # another one.

  reclaim @7 () -> (progress :Progress);
  # Ends everything that this ledger and those below it pay for: processes, memory, endpoints, notifications, and the ledgers
  # below. Capabilities to what has ended are stale, mappings of memory that has ended are gone. Works in bounded steps: call
  # again until `done`. Nothing can be charged meanwhile; afterwards the ledger is empty and can be used again.

  enum Progress {
    more @0;
    done @1;
  }
}
