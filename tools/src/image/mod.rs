//! Images that a machine boots from: a GPT disk (also as a USB stick) and a hybrid ISO. No root, no outside tools, and the
//! same contents give the same bytes.
//!
//! Both hold one EFI system partition: [`Contents`] says what is in it, [`fat`] makes its file system, [`disk`] and
//! [`iso`] put it where firmware looks for it.

mod contents;
mod disk;
mod fat;
mod iso;
mod limine;

pub use contents::Contents;
pub use limine::Limine;

use anyhow::Result;
use uuid::Uuid;

/// Name space of the identities that are derived from contents.
const IDENTITIES: Uuid = Uuid::from_u128(0x63a5_06f2_8f0d_5d6e_9a3b_7c61_706f_7331);

/// A GPT disk.
pub fn disk(contents: &Contents) -> Result<Vec<u8>> {
    disk::build(&fat::build(contents)?)
}

/// An ISO 9660 image that boots as a CD and, copied byte by byte, as a disk.
pub fn iso(contents: &Contents) -> Result<Vec<u8>> {
    iso::build(&fat::build(contents)?, contents)
}

/// An identity that follows from `content` and what it is the identity of.
fn identity(of: &str, content: &[u8]) -> Uuid {
    Uuid::new_v5(&Uuid::new_v5(&IDENTITIES, of.as_bytes()), content)
}
