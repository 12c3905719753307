@0xd2a1f07c5e8b3407;
# What every service tells of itself, and what whoever supervises it may ask of it.

using import "../annotations.capnp".idempotent;

interface ServiceStatus @0xb0f4a6e0d91c4b07 {
  # The figures of one instance of a service, served by the framework in it.

  figures @0 () -> (figures :Figures) $idempotent;
  # What it has done since it was started, and what it is doing.

  struct Figures {
    calls @0 :UInt64;
    # Calls that were delivered, refused ones included.
    inFlight @1 :UInt32;
    # Of these, those that are not answered; the one that asks is among them.
    highestInFlight @2 :UInt32;
    limit @3 :UInt32;
    # Calls in flight beyond which it refuses; 0: none.
    bytesReceived @4 :UInt64;
    bytesSent @5 :UInt64;
    # Of messages, without what travels in memory of its own.
    errors @6 :Errors;
  }

  struct Errors {
    # Calls that it answered with an error, by kind.
    failed @0 :UInt64;
    invalidArgument @1 :UInt64;
    overloaded @2 :UInt64;
    disconnected @3 :UInt64;
    unimplemented @4 :UInt64;
  }
}

interface ServiceControl @0xb0f4a6e0d91c4b08 extends(ServiceStatus) {
  # The side of whoever supervises the service.

  ready @0 () $idempotent;
  # Answers as soon as the service serves.

  stop @1 () $idempotent;
  # Has it refuse new calls, finish those in flight, and end.
}
