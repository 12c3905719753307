//! What callers and servers of this crate say to each other, without any schema: the methods are all that there is.

/// The interface of the objects.
pub const INTERFACE: u64 = 0xd2a1_f07c_5e8b_37ff;
/// Bytes of a message at most, as the endpoints are made.
pub const MESSAGE_BYTES: u32 = 512;
/// Slots of a server's pool: calls that it holds at once.
pub const SLOTS: usize = 8;
/// Capabilities that a server accepts with a call.
pub const ACCEPTED: u8 = 4;
/// The bit by which a program is told to come to its end.
pub const STOP: u64 = campaign::Player::STOP;

/// Methods.
pub mod method {
    /// What came with the call goes back with the answer, moved.
    pub const ECHO: u16 = 0;
    /// What came with the call is given up before the answer.
    pub const KEEP: u16 = 1;
    /// Is never answered.
    pub const HOLD: u16 = 2;
    /// Answers with a new object of the server's own.
    pub const OPEN: u16 = 3;
    /// Is answered when as many of these calls are held as there are slots.
    pub const GATHER: u16 = 4;
}
