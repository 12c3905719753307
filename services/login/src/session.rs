//! What the kernel knows of a person who has logged in: it tells services that calls come from the same session, and of what kind.
use capnp::Result;
use capos_service::slot;
use schema::ledger_capnp::ledger;
use schema::session_capnp::session::{self, Principal, Strength};
use schema::session_capnp::session_authority;
use schema::session_capnp::session_control::{self, Progress};

/// The profile of an operator.
const OPERATOR: u8 = 1;

/// A session that lasts until its end, or that of this program.
pub struct Session(session_control::Client);

impl Session {
    /// A session of a person who has given a password.
    pub async fn open(authority: &session_authority::Client) -> Result<Self> {
        let mut request = authority.open_request();
        let mut attributes = request.get();
        attributes.set_ledger(slot::<ledger::Client>("ledger")?);
        attributes.set_principal(Principal::Person);
        attributes.set_strength(Strength::Password);
        attributes.set_profile(OPERATOR);
        Ok(Self(request.send().promise.await?.get()?.get_control()?))
    }

    /// The facet for the processes that act in it.
    pub async fn member(&self) -> Result<session::Client> {
        self.0.session_request().send().promise.await?.get()?.get_session()
    }

    /// Ends it: what still runs in it is served by nobody.
    pub async fn end(self) -> Result<()> {
        while self.0.end_request().send().promise.await?.get()?.get_progress()? == Progress::More {}
        Ok(())
    }
}
