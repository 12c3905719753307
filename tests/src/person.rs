//! What a person does at the console.

use crate::Running;

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

    /// Enters a command at the prompt and returns what the shell answers, up to the next prompt.
    #[track_caller]
    pub fn shell(&mut self, command: &str) -> String {
        self.send(&format!("{command}\n"));
        let echoed = self.expect(PROMPT);
        echoed.split_once('\n').map(|(_, answer)| answer.to_string()).unwrap_or(echoed)
    }
}
