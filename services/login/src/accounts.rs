//! The accounts behind `Credentials`.
use capnp::{Error, Result};
use login::dialogue::{Accounts, SetUp, State, Verdict};
use schema::credentials_capnp::credentials;

/// Asked by calls.
pub struct Store(pub credentials::Client);

impl Accounts for Store {
    type Error = Error;

    async fn state(&self) -> Result<State> {
        let response = self.0.state_request().send().promise.await?;
        let state = response.get()?;
        Ok(State {
            set_up: state.get_set_up(),
            durable: state.get_durable(),
            min_password_bytes: state.get_min_password_bytes(),
        })
    }

    async fn set_up(&self, name: &str, password: &str) -> Result<SetUp> {
        let mut request = self.0.set_up_request();
        request.get().set_name(name);
        request.get().set_password(password);
        Ok(match request.send().promise.await?.get()?.get_outcome()? {
            credentials::SetUp::Done | credentials::SetUp::AlreadySetUp => SetUp::Done,
            credentials::SetUp::NameRefused => SetUp::NameRefused,
            credentials::SetUp::PasswordTooShort => SetUp::PasswordTooShort,
            credentials::SetUp::PasswordTooLong => SetUp::PasswordTooLong,
        })
    }

    async fn verify(&self, name: &str, password: &str) -> Result<Verdict> {
        let mut request = self.0.verify_request();
        request.get().set_name(name);
        request.get().set_password(password);
        let response = request.send().promise.await?;
        Ok(match response.get()?.get_verdict()? {
            credentials::Verdict::Refused => Verdict::Refused,
            credentials::Verdict::Accepted => Verdict::Accepted,
            credentials::Verdict::Wait => Verdict::Wait(response.get()?.get_wait_seconds()),
        })
    }
}
