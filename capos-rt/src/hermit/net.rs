//! The network needs the slot `network`, which does not exist yet: no socket is ever made, so no descriptor is one.
use super::error::unsupported;
use core::ffi::{c_char, c_void};
use hermit_abi::errno::EBADF;
use hermit_abi::{EAI_FAIL, addrinfo, nfds_t, pollfd, sockaddr, socklen_t};

/// Name of the slot that holds the process's network.
const NETWORK: &str = "network";

#[unsafe(no_mangle)]
extern "C" fn sys_socket(_domain: i32, _kind: i32, _protocol: i32) -> i32 {
    unsupported(NETWORK)
}

#[unsafe(no_mangle)]
extern "C" fn sys_getaddrinfo(
    _node: *const c_char,
    _service: *const c_char,
    _hints: *const addrinfo,
    _answer: *mut *mut addrinfo,
) -> i32 {
    EAI_FAIL
}

/// Never called with anything: no address is ever answered.
#[unsafe(no_mangle)]
extern "C" fn sys_freeaddrinfo(_list: *mut addrinfo) {}

#[unsafe(no_mangle)]
extern "C" fn sys_accept(_socket: i32, _address: *mut sockaddr, _bytes: *mut socklen_t) -> i32 {
    -EBADF
}

#[unsafe(no_mangle)]
extern "C" fn sys_bind(_socket: i32, _address: *const sockaddr, _bytes: socklen_t) -> i32 {
    -EBADF
}

#[unsafe(no_mangle)]
extern "C" fn sys_connect(_socket: i32, _address: *const sockaddr, _bytes: socklen_t) -> i32 {
    -EBADF
}

#[unsafe(no_mangle)]
extern "C" fn sys_listen(_socket: i32, _backlog: i32) -> i32 {
    -EBADF
}

#[unsafe(no_mangle)]
extern "C" fn sys_shutdown(_socket: i32, _how: i32) -> i32 {
    -EBADF
}

#[unsafe(no_mangle)]
extern "C" fn sys_dup(_descriptor: i32) -> i32 {
    -EBADF
}

#[unsafe(no_mangle)]
extern "C" fn sys_ioctl(_descriptor: i32, _command: i32, _argument: *mut c_void) -> i32 {
    -EBADF
}

#[unsafe(no_mangle)]
extern "C" fn sys_poll(_list: *mut pollfd, _count: nfds_t, _timeout: i32) -> i32 {
    -EBADF
}

#[unsafe(no_mangle)]
extern "C" fn sys_recv(_socket: i32, _buffer: *mut u8, _bytes: usize, _flags: i32) -> isize {
    -EBADF as isize
}

#[unsafe(no_mangle)]
extern "C" fn sys_recvfrom(
    _socket: i32,
    _buffer: *mut u8,
    _bytes: usize,
    _flags: i32,
    _address: *mut sockaddr,
    _address_bytes: *mut socklen_t,
) -> isize {
    -EBADF as isize
}

#[unsafe(no_mangle)]
extern "C" fn sys_send(_socket: i32, _data: *const c_void, _bytes: usize, _flags: i32) -> isize {
    -EBADF as isize
}

#[unsafe(no_mangle)]
extern "C" fn sys_sendto(
    _socket: i32,
    _data: *const c_void,
    _bytes: usize,
    _flags: i32,
    _address: *const sockaddr,
    _address_bytes: socklen_t,
) -> isize {
    -EBADF as isize
}

#[unsafe(no_mangle)]
extern "C" fn sys_getpeername(_socket: i32, _address: *mut sockaddr, _bytes: *mut socklen_t) -> i32 {
    -EBADF
}

#[unsafe(no_mangle)]
extern "C" fn sys_getsockname(_socket: i32, _address: *mut sockaddr, _bytes: *mut socklen_t) -> i32 {
    -EBADF
}

#[unsafe(no_mangle)]
extern "C" fn sys_getsockopt(
    _socket: i32,
    _level: i32,
    _option: i32,
    _value: *mut c_void,
    _bytes: *mut socklen_t,
) -> i32 {
    -EBADF
}

#[unsafe(no_mangle)]
extern "C" fn sys_setsockopt(_socket: i32, _level: i32, _option: i32, _value: *const c_void, _bytes: socklen_t) -> i32 {
    -EBADF
}
