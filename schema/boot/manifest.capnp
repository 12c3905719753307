@0xd2a1f07c5e8b3501;
# The system as init reads it: entry 0 of the boot package, a framed message. `capos package` compiles it from system.cue;
# every name is resolved, so that init looks nothing up but what the kernel gave it.

struct Manifest {
  programs @0 :List(Program);
  # In starting order: a program stands behind those whose offers it uses.
}

struct Program {
  name @0 :Text;
  binary @1 :Text;
  # Name of its entry in the boot package.
  arguments @2 :List(Text);
  # Without the program's name.
  quota @3 :Quota;
  offers @4 :List(Offer);
  grants @5 :List(Grant);
  # Exactly what it is given, besides its own process, ledger, memory, thread and, if it offers anything, endpoint.
  restart @6 :Restart;
}

struct Quota {
  # Limits of a program's ledger.
  frames @0 :UInt64;
  handles @1 :UInt64;
  objects @2 :UInt64;
  threads @3 :UInt64;
}

struct Offer {
  # An object of the program's endpoint. Its key is the index of the offer.
  name @0 :Text;
  interfaceId @1 :UInt64;
}

struct Grant {
  # A capability that a program finds in the slot `slot`.
  slot @0 :Text;
  interfaceId @1 :UInt64;
  source :union {
    offer @2 :OfferReference;
    binary @3 :Text;
    # A `MemoryReader` of this entry of the boot package.
    clock @4 :Void;
    entropy @5 :Void;
    null @6 :Void;
    log @7 :Void;
    # Append-only.
    kernelLog @8 :Void;
    ports @9 :PortRange;
    interrupt @10 :UInt8;
    # Number of the ISA line.
    systemControl @11 :Void;
    systemStatus @12 :Void;
    supervisor @13 :Void;
    # Served by init itself.
    sessions @14 :Void;
    scheduling @15 :Void;
  }
}

struct OfferReference {
  # An offer of a program that stands before.
  program @0 :UInt16;
  # Index in `Manifest.programs`.
  offer @1 :UInt16;
}

struct PortRange {
  first @0 :UInt16;
  count @1 :UInt16;
}

struct Restart {
  when @0 :When;
  backOffMilliseconds @1 :UInt32;
  # Doubled with each restart, up to the longest.
  longestBackOffMilliseconds @2 :UInt32;
  limit @3 :UInt32;
  # So many restarts within `withinSeconds`, and init gives up.
  withinSeconds @4 :UInt32;

  enum When {
    never @0;
    onFailure @1;
    # After a fault, a kill from outside or an exit code other than 0.
    always @2;
  }
}
