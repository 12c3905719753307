@0xd2a1f07c5e8b3404;
# Who may log in.

using import "../annotations.capnp".idempotent;

interface Credentials @0xb0f4a6e0d91c4b04 {
  # Keeps the operator's account as a salted argon2id hash. No answer and no log ever contains a password.

  state @0 () -> (setUp :Bool, durable :Bool, minPasswordBytes :UInt32) $idempotent;
  # Whether the operator exists, and whether the account survives a restart.

  setUp @1 (name :Text, password :Text) -> (outcome :SetUp);
  # Creates the operator's account, once.

  verify @2 (name :Text, password :Text) -> (verdict :Verdict, waitSeconds :UInt32);
  # Checks a name and password. After several failures it answers `wait` for a while, whatever is given.

  enum SetUp {
    done @0;
    alreadySetUp @1;
    nameRefused @2;
    # A name has 1 to 32 characters: lower-case letters, digits, "-", "_"; it starts with a letter.
    passwordTooShort @3;
    passwordTooLong @4;
  }

  enum Verdict {
    refused @0;
    accepted @1;
    wait @2;
  }
}
