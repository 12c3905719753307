//! What this program was not granted, or what does not exist yet: the natural error.
use std::fs::File;
use std::io::ErrorKind::PermissionDenied;
use std::net::{TcpListener, TcpStream, UdpSocket};

pub fn environment() {
    assert_eq!(std::env::vars().count(), 0);
    // SAFETY: no other thread runs.
    unsafe { std::env::set_var("NAME", "value") };
    assert_eq!(std::env::var("NAME").as_deref(), Ok("value"));
}

pub fn files() {
    assert_eq!(File::open("/anything").expect_err("no `root`").kind(), PermissionDenied);
    assert_eq!(File::create("/anything").expect_err("no `root`").kind(), PermissionDenied);
    assert_eq!(std::fs::read_dir("/").err().map(|e| e.kind()), Some(PermissionDenied));
    assert_eq!(std::fs::create_dir("/new").expect_err("no `root`").kind(), PermissionDenied);
    assert_eq!(std::fs::metadata("/anything").err().map(|e| e.kind()), Some(PermissionDenied));
}

pub fn network() {
    assert_eq!(TcpStream::connect("127.0.0.1:80").expect_err("no `network`").kind(), PermissionDenied);
    assert_eq!(TcpListener::bind("127.0.0.1:80").expect_err("no `network`").kind(), PermissionDenied);
    assert_eq!(UdpSocket::bind("127.0.0.1:80").expect_err("no `network`").kind(), PermissionDenied);
    assert!(TcpStream::connect("example.org:80").is_err());
}

pub fn child_processes() {
    let error = std::process::Command::new("anything").spawn().expect_err("no processes by name");
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
}
