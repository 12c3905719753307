//! The log: what is kept of it, and in which pieces it is read.
use crate::log::{LOG_BYTES, Log};
use std::fmt::Write;

/// Two bytes in UTF-8.
const TWO_BYTES: &str = "ä";

fn log(text: &str) -> Log {
    let mut log = Log::new().expect("heap");
    log.write_str(text).expect("never fails");
    log
}

#[test]
fn a_piece_of_the_log_holds_whole_characters() {
    let log = log(&TWO_BYTES.repeat(4));
    for (position, room, next, bytes) in [(0, 8, 8, 8), (0, 5, 4, 4), (1, 8, 8, 6), (3, 3, 6, 2), (8, 8, 8, 0)] {
        let mut buffer = vec![0; room];
        assert_eq!(log.read(position, &mut buffer), (next, bytes), "{room} bytes from {position}");
        let text = std::str::from_utf8(&buffer[..bytes]);
        assert_eq!(text, Ok(TWO_BYTES.repeat(bytes / 2).as_str()));
    }
}

#[test]
fn what_is_no_longer_kept_is_neither_read_nor_shown() {
    let mut log = log("the first line\n");
    (0..LOG_BYTES / 8).for_each(|_| log.write_str("another\n").expect("never fails"));
    let written = 15 + LOG_BYTES as u64;
    let mut buffer = [0; 8];
    assert_eq!(log.read(0, &mut buffer), (written - LOG_BYTES as u64 + 8, 8));
    assert_eq!(&buffer, b"another\n");
    assert_eq!(log.behind(), written);
    assert_eq!(log.unshown(&mut buffer), b"another\n");
    assert_eq!(log.behind(), LOG_BYTES as u64);
    log.show(8);
    assert_eq!((log.shown(), log.behind()), (written - LOG_BYTES as u64 + 8, LOG_BYTES as u64 - 8));
}
