@0xd2a1f07c5e8b3330;
# On whose behalf a process acts. Every process has one session, which never changes.

using Ledger = import "ledger.capnp".Ledger;

interface Session @0xb0f4a6e0d91c4a30 {
  # A session to start processes in (`Process.setSession`).

  inspect @0 () -> (state :State, principal :Principal, strength :Strength, profile :UInt8);
  # Whether it lasts, and its attributes.

  enum State {
    live @0;
    ended @1;
  }

  enum Principal {
    # For whom the session is.
    system @0;
    person @1;
    service @2;
    anonymous @3;
  }

  enum Strength {
    # How that was made sure.
    none @0;
    password @1;
    key @2;
    severalFactors @3;
  }
}

interface SessionControl @0xb0f4a6e0d91c4a31 extends(Session) {
  # The side of whoever opened the session. It lasts as long as somebody holds this.

  session @0 () -> (session :Session);
  # The facet to hand out.

  end @1 () -> (progress :Progress);
  # Ends the session for good: its calls of served objects end and new ones are refused, its references are stale. From the
  # first call on nothing new succeeds; call again until `done`, then nothing is left in flight.

  enum Progress {
    more @0;
    done @1;
  }
}

interface SessionAuthority @0xb0f4a6e0d91c4a32 {
  # The right to say who somebody is.

  open @0 (ledger :Ledger, principal :Session.Principal, strength :Session.Strength, profile :UInt8) ->
      (control :SessionControl);
  # A new session with these attributes, which `ledger` pays for. `profile` is a number that login and services agree on.
}
