@0xd2a1f07c5e8b330e;
# An object that does nothing, for measurement.

interface Null @0xb0f4a6e0d91c4a13 {
  # Nothing at all.

  call @0 ();
  # Completes.
}
