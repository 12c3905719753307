//! The conversation with a person who follows a script.
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use futures_lite::future::block_on;
use login::dialogue::{Accounts, Person, SetUp, State, Verdict, admit};
use zeroize::Zeroizing;

/// Answers from a script and writes down all that was seen. An answer of `^C` gives up.
struct Script {
    answers: RefCell<VecDeque<&'static str>>,
    seen: RefCell<String>,
}

impl Script {
    fn new(answers: &[&'static str]) -> Self {
        Self { answers: RefCell::new(answers.iter().copied().collect()), seen: RefCell::default() }
    }
}

impl Person for Script {
    type Error = &'static str;

    async fn say(&self, text: &str) -> Result<(), Self::Error> {
        self.seen.borrow_mut().push_str(text);
        Ok(())
    }

    async fn ask(&self, prompt: &str, shown: bool) -> Result<Option<Zeroizing<String>>, Self::Error> {
        let answer = self.answers.borrow_mut().pop_front().ok_or("the script is over")?;
        self.seen.borrow_mut().push_str(&format!("{prompt}{}\n", if shown { answer } else { "" }));
        Ok((answer != "^C").then(|| Zeroizing::new(answer.to_owned())))
    }
}

#[derive(Default)]
struct OneAccount {
    account: RefCell<Option<(String, String)>>,
    failures: Cell<u32>,
}

impl Accounts for OneAccount {
    type Error = &'static str;

    async fn state(&self) -> Result<State, Self::Error> {
        Ok(State { set_up: self.account.borrow().is_some(), durable: false, min_password_bytes: 8 })
    }

    async fn set_up(&self, name: &str, password: &str) -> Result<SetUp, Self::Error> {
        if name == "Bad" {
            return Ok(SetUp::NameRefused);
        }
        *self.account.borrow_mut() = Some((name.into(), password.into()));
        Ok(SetUp::Done)
    }

    async fn verify(&self, name: &str, password: &str) -> Result<Verdict, Self::Error> {
        if self.account.borrow().as_ref().is_some_and(|a| a.0 == name && a.1 == password) {
            return Ok(Verdict::Accepted);
        }
        self.failures.set(self.failures.get() + 1);
        Ok(if self.failures.get() > 1 { Verdict::Wait(2) } else { Verdict::Refused })
    }
}

#[test]
fn the_first_boot_sets_the_operator_up() {
    let person = Script::new(&[
        "ada",
        "short",
        "long enough",
        "long enuff",
        "long enough",
        "long enough", // set-up
        "ada",
        "wrong",
        "ada",
        "wrong again",
        "",
        "ada",
        "long enough",
    ]);
    assert_eq!(block_on(admit(&person, &OneAccount::default())).as_deref(), Ok("ada"));
    let expected = "\
First boot: no operator exists yet. Choose a name and a password.
The account is kept in memory only: after a restart you choose again.
operator name: ada
new password (at least 8 characters): 
That password is too short.
new password (at least 8 characters): 
repeat password: 
The two passwords differ. Once more.
new password (at least 8 characters): 
repeat password: 
Operator \"ada\" is set up. Log in now.

login: ada
password: 
Wrong name or password.

login: ada
password: 
Too many wrong attempts. Try again in 2 s.

login: 
login: ada
password: 
";
    assert_eq!(*person.seen.borrow(), expected);
}

#[test]
fn giving_up_starts_over_and_bad_names_are_explained() {
    let person =
        Script::new(&["^C", "Bad", "long enough", "long enough", "ada", "^C", "ada", "long enough", "long enough"]);
    assert_eq!(block_on(admit(&person, &OneAccount::default())), Err("the script is over"));
    let seen = person.seen.borrow();
    assert!(seen.contains("starts with a letter"));
    assert!(seen.ends_with("is set up. Log in now.\n\n"));
}
