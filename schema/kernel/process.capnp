@0xd2a1f07c5e8b3302;
# A process: an address space, a handle table, threads and the ledger that pays for them.

using Session = import "session.capnp".Session;

interface Process @0xb0f4a6e0d91c4a02 {
  # Control of one process.

  grant @0 (capability :Capability, reach :Reach, disclosable :UInt8 = 7) -> (handle :UInt64);
  # Gives the process a copy of the capability; `handle` is the process's handle of it. Calls through it disclose no other
  # attributes of the caller's session than `disclosable` (1 principal, 2 strength, 4 profile) and those that the grant allows
  # from which it was copied.

  start @1 ();
  # Lets the threads run. A process starts once.

  kill @2 ();
  # Ends all its threads at once. Killing a process that has ended does nothing.

  exit @3 (code :Int32);
  # Ends all its threads, with this exit code. For the process itself.

  wait @4 () -> (outcome :Outcome, code :Int32, fault :Fault, address :UInt64, instruction :UInt64);
  # Answers when the process has ended. `code` is its exit code if it exited; the last three are set if it faulted.

  inspect @5 () -> (id :UInt64, state :State, threads :UInt32, handles :UInt32, name :Text);
  # What it is doing.

  setSession @6 (session :Session);
  # Before the process starts: the session that it acts in. Without this, that of the process that made it.

  suspend @7 ();
  # Stops its threads wherever they are, until `resume`: answers when all stand still. Calls to it wait meanwhile, and deadlines
  # pass. It can be killed.

  resume @8 ();
  # Lets the threads of a suspended process go on.

  crash @9 () -> (fault :Fault, thread :UInt32, address :UInt64, instruction :UInt64, words :Data);
  # The record of the fault that the process ended by; `none` if it did not. `words` has 8 bytes for each of the registers rax,
  # rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8 to r15, rflags and fs base, then up to 64 words of the stack from rsp on.

  handleFaults @10 () -> (handler :FaultHandler);
  # The faults of its threads, for who wants to answer them. A process has one handler at a time.

  grantAll @11 (grants :List(Grant)) -> (handles :List(UInt64));
  # As `grant`, for several capabilities (at most 15): all are given or none; `handles` come in the same order.

  struct Grant {
    capability @0 :Capability;
    reach @1 :Reach;
    disclosable @2 :UInt8 = 7;
  }

  enum Reach {
    open @0;
    session @1;
    # The capability and its copies stay in the session of the process.
  }

  enum State {
    created @0;
    running @1;
    ended @2;
    suspended @3;
  }

  enum Outcome {
    exited @0;
    killed @1;
    faulted @2;
  }

  enum Fault {
    none @0;
    read @1;
    write @2;
    execute @3;
    divide @4;
    invalidInstruction @5;
    protection @6;
    breakpoint @7;
    alignment @8;
    floatingPoint @9;
    other @10;
  }
}

interface FaultHandler @0xb0f4a6e0d91c4a18 {
  # The faults of one process. A thread that faults stops until it is answered. When the last capability to the handler is gone, the
  # process ends by a fault that was not answered, and later faults end it again.

  next @0 () -> (thread :UInt32, fault :Process.Fault, address :UInt64, instruction :UInt64);
  # Answers when a thread has faulted, once for each fault.

  registers @1 (thread :UInt32) -> (words :Data);
  # Registers and stack of a thread that has faulted and was not answered, as in `Process.crash`.

  resume @2 (thread :UInt32, instruction :UInt64 = 0);
  # The thread goes on where it faulted, or at `instruction` if that is not 0.

  fail @3 (thread :UInt32);
  # The process ends by this thread's fault.
}
