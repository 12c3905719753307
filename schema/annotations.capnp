@0xd2a1f07c5e8b3701;
# What schema files say about methods beyond their types.

annotation idempotent @0xb0f4a6e0d91c4d01 (method) :Void;
# Calling twice does what calling once does, and the second answer is as good as the first. A client may therefore call again when
# the server has died and nobody knows whether the call was executed. Kernel objects do not die; their methods need it not.
