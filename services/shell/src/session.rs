//! The session: reads a line, runs the command, until the person leaves.
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::commands::{self, Command};
use crate::complete::complete;
use crate::held::Held;
use crate::history::History;
use crate::host::{Host, Input, Lost};
use crate::{run, show};

/// Stands before every command line.
pub const PROMPT: &str = "capos> ";

/// Choices of a completion in one row at most.
const CHOICES_A_ROW: usize = 6;

/// A person's session.
pub struct Session<H> {
    /// The system around it.
    pub host: H,
    /// What the person holds.
    pub held: RefCell<Held>,
    pub(crate) history: RefCell<History>,
    pub(crate) jobs: Cell<u32>,
}

/// Whether the session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The next line comes.
    Continue,
    /// The person has left.
    Logout,
}

impl<H: Host> Session<H> {
    /// A session that holds these capabilities.
    pub fn new(host: H, held: Held) -> Rc<Self> {
        Rc::new(Self { host, held: RefCell::new(held), history: RefCell::default(), jobs: Cell::new(0) })
    }

    /// Runs commands until the person leaves.
    pub async fn run(self: Rc<Self>) -> Result<(), Lost> {
        loop {
            let Some(line) = self.read_line().await? else { return Ok(()) };
            if self.clone().execute(&line).await? == Flow::Logout {
                return Ok(());
            }
        }
    }

    /// Runs the command on a line; what is wrong with it is shown.
    pub async fn execute(self: Rc<Self>, line: &str) -> Result<Flow, Lost> {
        let outcome = match commands::read(line) {
            Ok(Command::Logout) => return Ok(Flow::Logout),
            Ok(command) => run::command(self.clone(), command).await,
            Err(problem) => Err(problem),
        };
        match outcome {
            Ok(text) => self.host.write(&text).await?,
            Err(problem) => self.host.write(&format!("error: {problem}\n")).await?,
        }
        Ok(Flow::Continue)
    }

    /// A line, after completion and history have had their say. `None`: the person leaves.
    async fn read_line(&self) -> Result<Option<String>, Lost> {
        let mut initial = String::new();
        loop {
            initial = match self.host.read_line(PROMPT, &initial).await? {
                Input::Line(line) => {
                    self.history.borrow_mut().push(&line);
                    return Ok(Some(line));
                }
                Input::Closed => return Ok(None),
                Input::Interrupted => String::new(),
                Input::Previous(line) => self.history.borrow_mut().previous(&line),
                Input::Next(line) => self.history.borrow_mut().next(&line),
                Input::Complete(line, cursor) => {
                    let completion = complete(&line, cursor, &self.held.borrow());
                    if !completion.choices.is_empty() {
                        let rows: Vec<_> = completion.choices.chunks(CHOICES_A_ROW).map(<[String]>::to_vec).collect();
                        self.host.write(&show::aligned(&rows)).await?;
                    }
                    completion.line
                }
            };
        }
    }
}
