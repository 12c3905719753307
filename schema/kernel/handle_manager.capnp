@0xd2a1f07c5e8b3310;
# Control of what a process has given away.

interface HandleManager @0xb0f4a6e0d91c4a15 {
  # A process's own handle table.

  revoke @0 (handle :UInt64) -> (progress :Progress);
  # Takes back everything derived from this handle, in every process: copies and copies of copies, the calls, receives and
  # waits that use them, the mappings made with them. The handle itself stays. Works in bounded steps: call again until
  # `done`; after that nothing derived from the handle succeeds.

  inspect @1 (handle :UInt64) -> (interface :UInt64, derived :Derived);
  # The interface granted, and whether anything is derived from it.

  enum Progress {
    more @0;
    done @1;
  }

  enum Derived {
    nothing @0;
    something @1;
  }
}
