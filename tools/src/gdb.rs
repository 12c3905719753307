//! The script with which gdb follows a machine that waits for it: symbols of the kernel and of programs.

use crate::artifacts;
use std::fmt::Write;

/// Where QEMU listens.
pub const ADDRESS: &str = "localhost:1234";

/// The script; the symbols of these programs are loaded at once, those of others by its command `program NAME`. All programs
/// lie at the same addresses, so that name what is being looked at.
pub fn script(programs: &[String]) -> String {
    let mut text = format!(
        "set confirm off
file {}
define program
  add-symbol-file {}/$arg0
end
document program
program NAME: loads the symbols of a program. All programs lie at the same addresses.
end
",
        artifacts::kernel().display(),
        artifacts::programs().display(),
    );
    for program in programs {
        writeln!(text, "add-symbol-file {}", artifacts::program(program).display()).expect("a string takes everything");
    }
    text
}

#[cfg(test)]
mod test {
    use super::script;

    #[test]
    fn the_script_names_what_is_looked_at() {
        let text = script(&["init".into()]);
        assert!(
            text.contains("build/kernel\n") && text.contains("add-symbol-file") && text.contains("programs/init\n")
        );
    }
}
