//! The account: set up once, then verified with back-off. Names are compared in constant time too, and an unknown name
//! costs as much as a wrong password.
use std::time::Duration;

use subtle::ConstantTimeEq;

use crate::backoff::Backoff;
use crate::password::{CannotHash, Hash, SALT_BYTES};

/// Bytes of a name at most.
pub const MAX_NAME_BYTES: usize = 32;
/// Bytes of a password at least.
pub const MIN_PASSWORD_BYTES: usize = 8;
/// Bytes of a password at most.
pub const MAX_PASSWORD_BYTES: usize = 256;

/// What became of a set-up; as in `Credentials.SetUp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetUp {
    /// The account exists now.
    Done,
    /// It existed before.
    AlreadySetUp,
    /// The name is not one.
    NameRefused,
    /// The password is too short.
    PasswordTooShort,
    /// The password is too long.
    PasswordTooLong,
}

/// What a check found; as in `Credentials.Verdict`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Wrong name or password, or nobody is set up.
    Refused,
    /// Right.
    Accepted,
    /// Not checked: too many failures; wait so long.
    Wait(Duration),
}

struct Account {
    name: String,
    hash: Hash,
}

/// The operator's account and the failures so far.
#[derive(Default)]
pub struct Store {
    account: Option<Account>,
    backoff: Backoff,
}

impl Store {
    /// Whether the operator exists.
    pub fn is_set_up(&self) -> bool {
        self.account.is_some()
    }

    /// Creates the account, once. `salt` must be fresh random bytes.
    pub fn set_up(&mut self, name: &str, password: &[u8], salt: [u8; SALT_BYTES]) -> Result<SetUp, CannotHash> {
        let refusal = if self.account.is_some() {
            SetUp::AlreadySetUp
        } else if !is_name(name) {
            SetUp::NameRefused
        } else if password.len() < MIN_PASSWORD_BYTES {
            SetUp::PasswordTooShort
        } else if password.len() > MAX_PASSWORD_BYTES {
            SetUp::PasswordTooLong
        } else {
            self.account = Some(Account { name: name.to_owned(), hash: Hash::new(password, salt)? });
            SetUp::Done
        };
        Ok(refusal)
    }

    /// Checks a name and password. `now` reads a monotonic clock; a wait starts when the check is done, however long it took.
    pub fn verify(&mut self, name: &str, password: &[u8], now: impl Fn() -> Duration) -> Result<Verdict, CannotHash> {
        if let Some(remaining) = self.backoff.remaining(now()) {
            return Ok(Verdict::Wait(remaining));
        }
        if self.is_right(name, password)? {
            self.backoff.succeeded();
            return Ok(Verdict::Accepted);
        }
        self.backoff.failed(now());
        Ok(Verdict::Refused)
    }

    fn is_right(&self, name: &str, password: &[u8]) -> Result<bool, CannotHash> {
        let Some(account) = &self.account else { return Ok(false) };
        let password = if password.len() > MAX_PASSWORD_BYTES { &[] } else { password };
        let name_matches = account.name.as_bytes().ct_eq(name.as_bytes());
        let password_matches = u8::from(account.hash.matches(password)?).into();
        Ok((name_matches & password_matches).into())
    }
}

/// 1 to 32 lower-case letters, digits, `-`, `_`; a letter first.
fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.as_bytes()[0].is_ascii_lowercase() && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backoff::FIRST_WAIT;
    use std::cell::Cell;

    const PASSWORD: &[u8] = b"open sesame";
    /// What a hash takes on a slow machine: longer than the first wait.
    const HASH_TIME: Duration = Duration::from_secs(3);

    fn set_up() -> Store {
        let mut store = Store::default();
        assert_eq!(store.set_up("ada", PASSWORD, [1; SALT_BYTES]).unwrap(), SetUp::Done);
        store
    }

    #[test]
    fn sets_up_once_and_only_with_good_values() {
        let mut store = Store::default();
        let mut try_with = |name: &str, password: &[u8]| store.set_up(name, password, [1; SALT_BYTES]).unwrap();
        for name in ["", "Ada", "1ada", "a b", "ä", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"] {
            assert_eq!(try_with(name, PASSWORD), SetUp::NameRefused, "{name}");
        }
        assert_eq!(try_with("ada", b"1234567"), SetUp::PasswordTooShort);
        assert_eq!(try_with("ada", &[b'x'; 257]), SetUp::PasswordTooLong);
        assert_eq!(try_with("ada", PASSWORD), SetUp::Done);
        assert_eq!(try_with("eve", PASSWORD), SetUp::AlreadySetUp);
    }

    #[test]
    fn only_the_right_pair_is_accepted() {
        let mut store = set_up();
        let now = || Duration::ZERO;
        assert_eq!(store.verify("eve", PASSWORD, now).unwrap(), Verdict::Refused);
        assert_eq!(store.verify("ada", b"open sesam", now).unwrap(), Verdict::Refused);
        assert_eq!(store.verify("ada", PASSWORD, now).unwrap(), Verdict::Accepted);
    }

    #[test]
    fn guessing_is_slowed_down_even_for_the_right_password() {
        let mut store = set_up();
        let reads = Cell::new(0_u32);
        // The clock is read before each hash and after each that fails.
        let now = || HASH_TIME * reads.replace(reads.get() + 1).div_ceil(2);
        for _ in 0..3 {
            assert_eq!(store.verify("ada", b"guess", now).unwrap(), Verdict::Refused);
        }
        let over = HASH_TIME * 3 + FIRST_WAIT;
        let just_before = || over - Duration::from_millis(1);
        assert_eq!(store.verify("ada", PASSWORD, just_before).unwrap(), Verdict::Wait(Duration::from_millis(1)));
        assert_eq!(store.verify("ada", PASSWORD, || over).unwrap(), Verdict::Accepted);
    }

    #[test]
    fn nobody_is_accepted_before_the_set_up() {
        assert_eq!(Store::default().verify("", b"", || Duration::ZERO).unwrap(), Verdict::Refused);
    }
}
