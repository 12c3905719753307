//! What a person does at the console.

use crate::{Exit, Running};

/// A password that the system accepts.
pub const PASSWORD: &str = "correct horse battery";

/// The shell's prompt.
pub const PROMPT: &str = "capos> ";

impl Running {
    /// Creates the operator's account, as the first boot asks for it.
    #[track_caller]
    pub fn set_up(&mut self, name: &str, password: &str) {
        self.expect("operator name: ");
        self.send(&format!("{name}\n"));
        self.expect("new password");
        self.expect(": ");
        self.send(&format!("{password}\n"));
        self.expect("repeat password: ");
        self.send(&format!("{password}\n"));
        self.expect(&format!("Operator \"{name}\" is set up."));
    }

    /// Enters name and password.
    #[track_caller]
    pub fn log_in(&mut self, name: &str, password: &str) {
        self.expect("login: ");
        self.send(&format!("{name}\n"));
        self.expect("password: ");
        self.send(&format!("{password}\n"));
    }

    /// Goes all the way from the first boot to the shell's prompt.
    #[track_caller]
    pub fn enter(&mut self) {
        self.set_up("operator", PASSWORD);
        self.log_in("operator", PASSWORD);
        self.expect(PROMPT);
    }

    /// Enters a command at the prompt and waits for the next prompt. The shell's answer must contain all `words`.
    #[track_caller]
    pub fn shell(&mut self, command: &str, words: &[&str]) {
        self.send(&format!("{command}\n"));
        let answer = self.expect(PROMPT);
        if let Some(missing) = words.iter().find(|word| !answer.contains(**word)) {
            self.fail(&format!("{missing:?} is not in the answer:\n{answer}"));
        }
    }

    /// Turns the machine off from the shell, with this code, and waits for its end. Returns everything that it said.
    #[track_caller]
    pub fn shut_down(mut self, code: u8) -> String {
        self.send(&format!("shutdown {code}\n"));
        self.ends_with(Exit::Shutdown(code))
    }
}
