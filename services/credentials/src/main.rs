//! Takes the slots, serves `Credentials`. What is logged names no account and no password.
use std::cell::RefCell;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use capnp::{Error, Result};
use capos_service::{Context, Failure};
use credentials::password::{CannotHash, SALT_BYTES};
use credentials::store::{MIN_PASSWORD_BYTES, SetUp, Store, Verdict};
use schema::credentials_capnp::credentials as api;
use schema::entropy_capnp::entropy;

/// `Credentials`.
struct Accounts {
    store: RefCell<Store>,
    entropy: entropy::Client,
    start: Instant,
}

impl Accounts {
    /// A fresh salt.
    async fn salt(&self) -> Result<[u8; SALT_BYTES]> {
        let mut request = self.entropy.fill_request();
        request.get().set_bytes(SALT_BYTES as u32);
        let response = request.send().promise.await?;
        let bytes = response.get()?.get_data()?;
        bytes.try_into().map_err(|_| Error::failed("the entropy source gave too little".to_owned()))
    }
}

impl api::Server for Accounts {
    async fn state(self: Rc<Self>, _: api::StateParams, mut results: api::StateResults) -> Result<()> {
        results.get().set_set_up(self.store.borrow().is_set_up());
        results.get().set_durable(false);
        results.get().set_min_password_bytes(MIN_PASSWORD_BYTES as u32);
        Ok(())
    }

    async fn set_up(self: Rc<Self>, params: api::SetUpParams, mut results: api::SetUpResults) -> Result<()> {
        let salt = self.salt().await?;
        let (name, password) = (params.get()?.get_name()?.to_str()?, params.get()?.get_password()?.as_bytes());
        let outcome = self.store.borrow_mut().set_up(name, password, salt).map_err(cannot_hash)?;
        println!("set-up of the operator: {outcome:?}");
        results.get().set_outcome(match outcome {
            SetUp::Done => api::SetUp::Done,
            SetUp::AlreadySetUp => api::SetUp::AlreadySetUp,
            SetUp::NameRefused => api::SetUp::NameRefused,
            SetUp::PasswordTooShort => api::SetUp::PasswordTooShort,
            SetUp::PasswordTooLong => api::SetUp::PasswordTooLong,
        });
        Ok(())
    }

    async fn verify(self: Rc<Self>, params: api::VerifyParams, mut results: api::VerifyResults) -> Result<()> {
        let (name, password) = (params.get()?.get_name()?.to_str()?, params.get()?.get_password()?.as_bytes());
        let verdict = self.store.borrow_mut().verify(name, password, || self.start.elapsed()).map_err(cannot_hash)?;
        println!("a login was checked: {verdict:?}");
        results.get().set_verdict(match verdict {
            Verdict::Refused => api::Verdict::Refused,
            Verdict::Accepted => api::Verdict::Accepted,
            Verdict::Wait(_) => api::Verdict::Wait,
        });
        if let Verdict::Wait(remaining) = verdict {
            results.get().set_wait_seconds(whole_seconds(remaining));
        }
        Ok(())
    }
}

/// Seconds, rounded up.
fn whole_seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)
}

fn cannot_hash(_: CannotHash) -> Error {
    Error::overloaded("there is no memory to hash the password".to_owned())
}

async fn keep_accounts(context: Context) -> std::result::Result<(), Failure> {
    let accounts = Accounts { store: RefCell::default(), entropy: context.take("entropy")?, start: Instant::now() };
    context.offer::<api::Client, _>(accounts)?;
    context.serve().await
}

fn main() -> ExitCode {
    capos_service::run(keep_accounts)
}
