@0xd2a1f07c5e8b3406;
# The service graph as it runs.

using import "../annotations.capnp".idempotent;
using ServiceStatus = import "service.capnp".ServiceStatus;

interface Supervisor @0xb0f4a6e0d91c4b06 {
  # Control of the services that `init` started. Holding it means to be trusted with all of them.

  list @0 () -> (services :List(Service)) $idempotent;
  # Every service of the manifest.

  kill @1 (name :Text);
  # Ends the service at once; its restart policy then applies as after a crash. An unknown name is refused.

  status @2 (name :Text) -> (status :ServiceStatus) $idempotent;
  # The figures of a service, of whichever instance runs. A program that offers nothing has none.

  restart @3 (name :Text, patienceMilliseconds :UInt32 = 2000);
  # Has the service finish what is in flight and refuse new calls, ends it when its patience is over, and starts it again at
  # once. Answers when the old instance has ended.

  shutdown @4 (code :UInt8 = 0, patienceMilliseconds :UInt32 = 2000);
  # Stops every service so, those that use others first, and then the machine. Answers when that has begun.

  struct Service {
    name @0 :Text;
    state @1 :State;
    restarts @2 :UInt32;
    lastEnd @3 :Text;
    # How it last ended, in words; empty if it never did.
    ready @4 :Bool;
    # Whether the running instance has said that it serves. One that offers nothing is ready when it runs.
  }

  enum State {
    waiting @0;
    # For its dependencies or for its back-off to pass.
    running @1;
    ended @2;
    # Without a restart to come.
  }
}
