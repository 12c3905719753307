//! Reading and writing by descriptor: the three standard streams.
use super::error::number;
use crate::stdio::{self, Error};
use core::slice;
use hermit_abi::errno::EBADF;
use hermit_abi::{STDERR_FILENO, STDIN_FILENO, STDOUT_FILENO, iovec};

/// Bytes done, or a negative error number. A stream that was not granted is a bad descriptor: std then reads nothing and
/// throws away what is written, as it does for a closed stream.
fn answer(outcome: Result<usize, Error>) -> isize {
    match outcome {
        Ok(bytes) => bytes as isize,
        Err(Error::NotGranted) => -EBADF as isize,
        Err(Error::Failed(failure)) => -number(failure) as isize,
    }
}

fn write(descriptor: i32, bytes: &[u8]) -> isize {
    let stream = match descriptor {
        STDOUT_FILENO => stdio::STDOUT,
        STDERR_FILENO => stdio::STDERR,
        _ => return -EBADF as isize,
    };
    answer(stdio::write(stream, bytes).map(|()| bytes.len()))
}

fn read(descriptor: i32, buffer: &mut [u8]) -> isize {
    match descriptor {
        STDIN_FILENO => answer(stdio::read(buffer)),
        _ => -EBADF as isize,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_write(descriptor: i32, bytes: *const u8, count: usize) -> isize {
    // SAFETY: the caller's bytes.
    write(descriptor, unsafe { slice::from_raw_parts(bytes, count) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_read(descriptor: i32, buffer: *mut u8, count: usize) -> isize {
    // SAFETY: the caller's buffer.
    read(descriptor, unsafe { slice::from_raw_parts_mut(buffer, count) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_writev(descriptor: i32, parts: *const iovec, count: usize) -> isize {
    let mut total = 0;
    // SAFETY: the caller's list of parts.
    for part in unsafe { slice::from_raw_parts(parts, count) }.iter().filter(|part| part.iov_len > 0) {
        // SAFETY: the caller's bytes.
        let written = write(descriptor, unsafe { slice::from_raw_parts(part.iov_base.cast(), part.iov_len) });
        if written < 0 {
            return if total > 0 { total } else { written };
        }
        total += written;
    }
    total
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_readv(descriptor: i32, parts: *const iovec, count: usize) -> isize {
    // SAFETY: the caller's list of parts.
    match unsafe { slice::from_raw_parts(parts, count) }.iter().find(|part| part.iov_len > 0) {
        // SAFETY: the caller's buffer.
        Some(part) => read(descriptor, unsafe { slice::from_raw_parts_mut(part.iov_base.cast(), part.iov_len) }),
        None => 0,
    }
}
