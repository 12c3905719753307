@0xd2a1f07c5e8b3406;
# The service graph as it runs.

using import "../annotations.capnp".idempotent;

interface Supervisor @0xb0f4a6e0d91c4b06 {
  # Control of the services that `init` started. Holding it means to be trusted with all of them.

  list @0 () -> (services :List(Service)) $idempotent;
  # Every service of the manifest.

  kill @1 (name :Text);
  # Ends the service at once; its restart policy then applies as after a crash. An unknown name is refused.

  struct Service {
    name @0 :Text;
    state @1 :State;
    restarts @2 :UInt32;
    lastEnd @3 :Text;
    # How it last ended, in words; empty if it never did.
  }

  enum State {
    waiting @0;
    # For its dependencies or for its back-off to pass.
    running @1;
    ended @2;
    # Without a restart to come.
  }
}
