@0xd2a1f07c5e8b3311;
# Processor time: who runs before whom, for how long, and on which processors.

using Ledger = import "ledger.capnp".Ledger;
using Thread = import "thread.capnp".Thread;

interface SchedulingContext @0xb0f4a6e0d91c4a16 {
  # A right to processor time. A thread that is bound to it runs by its numbers instead of the ordinary ones.

  bind @0 (thread :Thread);
  # From now on the thread runs on this context, which is bound to no other thread.

  unbind @1 ();
  # The thread goes back to the ordinary numbers. So it does when the last capability to this context is gone.

  inspect @2 () -> (weight :UInt32, slice :UInt64, budget :UInt64, period :UInt64, processors :UInt64, consumed :UInt64);
  # The numbers that it was made with, and the nanoseconds that were run on it.
}

interface SchedulingAuthority @0xb0f4a6e0d91c4a17 {
  # Who holds this says how processor time is shared.

  create @0 (
      ledger :Ledger, weight :UInt32 = 100, slice :UInt64 = 5000000, budget :UInt64 = 0, period :UInt64 = 0,
      processors :UInt64 = 0xffffffffffffffff) -> (context :SchedulingContext);
  # A context that `ledger` pays for. Two threads that both want to run share a processor as their `weight`s (1 to 10000;
  # ordinary: 100) stand to each other. `slice` is the latency class: nanoseconds (100000 to 100000000; ordinary: 5000000) that
  # the thread runs at a time; the shorter, the sooner it runs when it wakes. With a `budget` the thread runs for at most so many
  # nanoseconds in each `period` of nanoseconds (at least 1000000). It runs on the `processors` whose bits are set.
}
