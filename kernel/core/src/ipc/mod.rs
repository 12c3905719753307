//! Calls: rings and what is pending on them, the operations, endpoints and notifications.
pub(crate) mod endpoint;
pub(crate) mod enter;
pub(crate) mod message;
pub(crate) mod notice;
pub(crate) mod notification;
pub(crate) mod operation;
pub(crate) mod positions;
pub(crate) mod record;
pub(crate) mod ring;
pub(crate) mod sent;
