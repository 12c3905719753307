@0xd2a1f07c5e8b3306;
# Where calls to a user-space server wait.

interface EndpointServer @0xb0f4a6e0d91c4a07 {
  # The serving side, lent to the process that serves: it may RECV, and mint objects that end with it.

  mint @0 (interfaceId :UInt64, key :UInt64) -> (object :Capability);
  # An object of this endpoint. The returned capability is its origin: capabilities copied from it are its children, and
  # an `unreferenced` completion comes when the last of them is gone. Calls on it are stale once the process has died.

  sessionState @1 (first :UInt64, second :UInt64) -> (state :State);
  # Whether the session lasts to which this endpoint's calls refer by these two words.

  identify @2 (object :Capability) -> (minter :Minter, interfaceId :UInt64, key :UInt64);
  # Whether the calling process minted this object here, and as what: of a capability that comes home, such as a completion
  # with the flag `OWN_OBJECT` brings.

  enum State {
    live @0;
    ended @1;
    # Also if there never was one.
  }

  enum Minter {
    other @0;
    # Or of another endpoint, or the object is none that is served.
    caller @1;
  }
}

interface Endpoint @0xb0f4a6e0d91c4a08 extends(EndpointServer) {
  # The owner's side, held by whoever supervises the server.

  mintDurable @0 (interfaceId :UInt64, key :UInt64) -> (object :Capability);
  # An object that outlives the serving process: calls on it wait for the next one.

  server @1 () -> (server :EndpointServer);
  # The facet to lend to a server.
}
