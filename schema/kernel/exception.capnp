@0xd2a1f07c5e8b330f;
# How a server says that a call failed.

struct Exception @0xb0f4a6e0d91c4a14 {
  # The payload of an `EXCEPTION` completion; the kinds are those of capnp RPC.

  kind @0 :Kind;
  message @1 :Text;

  enum Kind {
    failed @0;
    overloaded @1;
    disconnected @2;
    unimplemented @3;
    invalidArgument @4;
  }
}
