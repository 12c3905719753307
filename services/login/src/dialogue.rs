//! The conversation: set-up of the operator at the first boot, then name and password until they are right.
use std::future::Future;

use zeroize::Zeroizing;

/// Who sits at the terminal.
pub trait Person {
    /// Why the terminal failed.
    type Error;
    /// Shows text.
    fn say(&self, text: &str) -> impl Future<Output = Result<(), Self::Error>>;
    /// Asks for a line, shown while it is typed or not. `None`: the person gave up (^C, ^D).
    fn ask(&self, prompt: &str, shown: bool) -> impl Future<Output = Result<Option<Zeroizing<String>>, Self::Error>>;
}

/// The accounts, as `Credentials` has them.
pub trait Accounts {
    /// Why the accounts could not be asked.
    type Error;
    /// What is known before anybody enters.
    fn state(&self) -> impl Future<Output = Result<State, Self::Error>>;
    /// Creates the operator.
    fn set_up(&self, name: &str, password: &str) -> impl Future<Output = Result<SetUp, Self::Error>>;
    /// Checks name and password.
    fn verify(&self, name: &str, password: &str) -> impl Future<Output = Result<Verdict, Self::Error>>;
}

/// What `Credentials.state` says.
#[derive(Clone, Copy, Debug)]
pub struct State {
    /// The operator exists.
    pub set_up: bool,
    /// The account survives a restart.
    pub durable: bool,
    /// Bytes of a password at least.
    pub min_password_bytes: u32,
}

/// What became of a set-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetUp {
    /// The operator exists, by this set-up or another.
    Done,
    /// The name is not one.
    NameRefused,
    /// The password is too short.
    PasswordTooShort,
    /// The password is too long.
    PasswordTooLong,
}

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Wrong.
    Refused,
    /// Right.
    Accepted,
    /// Not checked; wait so many seconds.
    Wait(u32),
}

/// Talks to the person until somebody may enter; gives the name.
pub async fn admit<P, A>(person: &P, accounts: &A) -> Result<String, P::Error>
where
    P: Person,
    A: Accounts<Error = P::Error>,
{
    let state = accounts.state().await?;
    if !state.set_up {
        set_up_operator(person, accounts, state).await?;
    }
    loop {
        let Some(name) = person.ask("login: ", true).await? else { continue };
        let name = name.trim();
        if name.is_empty() {
            continue;
        }
        let Some(password) = person.ask("password: ", false).await? else { continue };
        match accounts.verify(name, &password).await? {
            Verdict::Accepted => return Ok(name.to_owned()),
            Verdict::Refused => person.say("Wrong name or password.\n\n").await?,
            Verdict::Wait(seconds) => {
                person.say(&format!("Too many wrong attempts. Try again in {seconds} s.\n\n")).await?;
            }
        }
    }
}

async fn set_up_operator<P, A>(person: &P, accounts: &A, state: State) -> Result<(), P::Error>
where
    P: Person,
    A: Accounts<Error = P::Error>,
{
    person.say("First boot: no operator exists yet. Choose a name and a password.\n").await?;
    if !state.durable {
        person.say("The account is kept in memory only: after a restart you choose again.\n").await?;
    }
    loop {
        let Some(name) = person.ask("operator name: ", true).await? else { continue };
        let Some(password) = choose_password(person, state.min_password_bytes).await? else { continue };
        let problem = match accounts.set_up(name.trim(), &password).await? {
            SetUp::Done => {
                return person.say(&format!("Operator \"{}\" is set up. Log in now.\n\n", name.trim())).await;
            }
            SetUp::NameRefused => {
                "A name has 1 to 32 lower-case letters, digits, \"-\" or \"_\", and starts with a letter.\n"
            }
            SetUp::PasswordTooShort => "That password is too short.\n",
            SetUp::PasswordTooLong => "That password is too long.\n",
        };
        person.say(problem).await?;
    }
}

/// A password typed twice alike; `None` if the person gave up.
async fn choose_password<P: Person>(person: &P, min_bytes: u32) -> Result<Option<Zeroizing<String>>, P::Error> {
    let prompt = format!("new password (at least {min_bytes} characters): ");
    loop {
        let Some(password) = person.ask(&prompt, false).await? else { return Ok(None) };
        if password.len() < min_bytes as usize {
            person.say("That password is too short.\n").await?;
            continue;
        }
        let Some(repeated) = person.ask("repeat password: ", false).await? else { return Ok(None) };
        if password == repeated {
            return Ok(Some(password));
        }
        person.say("The two passwords differ. Once more.\n").await?;
    }
}
