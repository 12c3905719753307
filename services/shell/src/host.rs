//! What the shell needs of the system that it runs on.
use std::future::Future;
use std::pin::Pin;

use crate::held::Capability;

/// A failure that ends the session: the terminal is gone.
pub type Lost = String;

/// Work that goes on by itself.
pub type Job = Pin<Box<dyn Future<Output = ()>>>;

/// How reading a line ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Enter.
    Line(String),
    /// ^C.
    Interrupted,
    /// ^D.
    Closed,
    /// Tab, with the line so far and the cursor's byte position.
    Complete(String, usize),
    /// Arrow up, with the line so far.
    Previous(String),
    /// Arrow down, with the line so far.
    Next(String),
}

/// A program to start, with exactly these capabilities.
pub struct Program {
    /// The process's name.
    pub name: String,
    /// The program file.
    pub binary: Capability,
    /// Its arguments, without the name.
    pub arguments: Vec<String>,
    /// What it is given, by the names that it will find.
    pub grants: Vec<(String, Capability)>,
}

/// The terminal, processes, and a place for background jobs.
pub trait Host: 'static {
    /// Shows text.
    fn write(&self, text: &str) -> impl Future<Output = Result<(), Lost>>;
    /// Reads a line that starts as `initial`; Tab and arrows come back as input.
    fn read_line(&self, prompt: &str, initial: &str) -> impl Future<Output = Result<Input, Lost>>;
    /// Waits for ^C while no line is read.
    fn interrupted(&self) -> impl Future<Output = Result<(), Lost>>;
    /// Starts a program; gives its process.
    fn spawn(&self, program: Program) -> impl Future<Output = Result<Capability, String>>;
    /// Runs a job beside the session.
    fn detach(&self, job: Job);
}
