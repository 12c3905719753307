//! The process itself.
use super::error::number;
use crate::objects;
use crate::panic::{self, ABORTED};

#[unsafe(no_mangle)]
extern "C" fn sys_exit(code: i32) -> ! {
    panic::exit(code)
}

#[unsafe(no_mangle)]
extern "C" fn sys_abort() -> ! {
    panic::exit(ABORTED)
}

#[unsafe(no_mangle)]
extern "C" fn sys_getpid() -> i32 {
    objects::process_id().map_or_else(|failure| -number(failure), |id| id as i32)
}
