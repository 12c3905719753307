//! Files need the slot `root`, a `Directory`, which does not exist yet.
use super::error::unsupported;
use core::ffi::c_char;
use hermit_abi::errno::EBADF;
use hermit_abi::{dirent64, stat};

/// Name of the slot that holds the root of the process's files.
const ROOT: &str = "root";

#[unsafe(no_mangle)]
extern "C" fn sys_open(_path: *const c_char, _flags: i32, _mode: i32) -> i32 {
    unsupported(ROOT)
}

#[unsafe(no_mangle)]
extern "C" fn sys_unlink(_path: *const c_char) -> i32 {
    unsupported(ROOT)
}

#[unsafe(no_mangle)]
extern "C" fn sys_rmdir(_path: *const c_char) -> i32 {
    unsupported(ROOT)
}

#[unsafe(no_mangle)]
extern "C" fn sys_mkdir(_path: *const c_char, _mode: u32) -> i32 {
    unsupported(ROOT)
}

#[unsafe(no_mangle)]
extern "C" fn sys_stat(_path: *const c_char, _answer: *mut stat) -> i32 {
    unsupported(ROOT)
}

#[unsafe(no_mangle)]
extern "C" fn sys_lstat(_path: *const c_char, _answer: *mut stat) -> i32 {
    unsupported(ROOT)
}

#[unsafe(no_mangle)]
extern "C" fn sys_fstat(_descriptor: i32, _answer: *mut stat) -> i32 {
    -EBADF
}

#[unsafe(no_mangle)]
extern "C" fn sys_getdents64(_descriptor: i32, _entries: *mut dirent64, _bytes: usize) -> i64 {
    i64::from(-EBADF)
}

#[unsafe(no_mangle)]
extern "C" fn sys_lseek(_descriptor: i32, _offset: isize, _whence: i32) -> isize {
    -EBADF as isize
}

#[unsafe(no_mangle)]
extern "C" fn sys_close(_descriptor: i32) -> i32 {
    -EBADF
}
