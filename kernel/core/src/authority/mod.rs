//! Who may do what: capabilities in handle tables, the grants between them, and the sessions on whose behalf they are used.
pub(crate) mod capability;
pub(crate) mod grant;
pub(crate) mod handle;
pub(crate) mod revoke;
pub(crate) mod session;
