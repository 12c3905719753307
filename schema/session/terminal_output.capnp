@0xd2a1f07c5e8b3402;
# The writing half of a terminal.

interface TerminalOutput @0xb0f4a6e0d91c4b02 {
  # A place for text that a person reads. Give this to a program that only has something to say.

  write @0 (text :Text);
  # Shows the text; a line end is "\n". A line that is being edited moves below it. Answers once the text was accepted.
}
