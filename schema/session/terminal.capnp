@0xd2a1f07c5e8b3403;
# A person at a keyboard and a screen.

using TerminalOutput = import "terminal_output.capnp".TerminalOutput;

using import "../annotations.capnp".idempotent;

interface Terminal @0xb0f4a6e0d91c4b03 extends(TerminalOutput) {
  # Reads lines and keys and shows text. What is typed while nobody reads waits for the next reader.

  readLine @0 (prompt :Text, initial :Text, echo :Bool = true, hooks :Bool = false)
      -> (line :Text, cursor :UInt32, ending :Ending);
  # Shows the prompt and lets the person edit a line that starts as `initial`. Without `echo` the line stays invisible, as
  # a password should. With `hooks`, Tab and the up and down arrows end the call too: the caller then completes the line
  # or looks into its history, and calls again with the new line as `initial`; the terminal redraws it in place.
  # `cursor` is the byte position in the line.
  # Keys: left, right, Home, End, ^A, ^E move; Backspace, Delete, ^U, ^K, ^W erase; ^L clears the screen.

  readKeys @1 (maxBytes :UInt32 = 256) -> (data :Data);
  # Raw mode: waits for keys and gives their bytes as they came, neither shown nor interpreted.

  interrupted @2 ();
  # Answers when ^C is typed while nobody reads.

  output @3 () -> (output :TerminalOutput) $idempotent;
  # The writing half.

  enum Ending {
    entered @0;
    # Enter.
    interrupted @1;
    # ^C.
    closed @2;
    # ^D on an empty line.
    complete @3;
    # Tab.
    previous @4;
    # Up arrow.
    next @5;
    # Down arrow.
  }
}
