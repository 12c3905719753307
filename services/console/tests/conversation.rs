//! The terminal as the person in front of it sees it.
use console::terminal::{Ending, Finished, Request, Terminal};
use proptest::prelude::*;

fn prompt(text: &str) -> Request {
    Request { prompt: text.into(), echo: true, ..Request::default() }
}

fn finished(line: &str, ending: Ending) -> Option<Finished> {
    Some(Finished { line: line.into(), cursor: line.len(), ending })
}

#[test]
fn a_line_is_echoed_and_ends_with_enter() {
    let mut terminal = Terminal::default();
    terminal.read_line(prompt("login: "));
    terminal.type_bytes(b"adx\x7fa\r");
    assert_eq!(terminal.take_line(), finished("ada", Ending::Entered));
    assert_eq!(terminal.take_screen(), "login: adx\x08\x1b[Ka\r\n");
}

#[test]
fn a_password_stays_invisible() {
    let mut terminal = Terminal::default();
    terminal.read_line(Request { prompt: "password: ".into(), ..Request::default() });
    terminal.type_bytes(b"sec");
    terminal.write("a program speaks\n");
    terminal.type_bytes(b"ret\r");
    assert_eq!(terminal.take_line(), finished("secret", Ending::Entered));
    assert!(!terminal.take_screen().contains("sec"));
}

#[test]
fn typing_ahead_waits_for_the_reader() {
    let mut terminal = Terminal::default();
    terminal.type_bytes(b"one\rtwo\r");
    terminal.read_line(prompt("> "));
    assert_eq!(terminal.take_line(), finished("one", Ending::Entered));
    terminal.read_line(prompt("> "));
    assert_eq!(terminal.take_line(), finished("two", Ending::Entered));
}

#[test]
fn text_written_meanwhile_stands_above_the_line() {
    let mut terminal = Terminal::default();
    terminal.read_line(prompt("> "));
    terminal.type_bytes(b"ab");
    terminal.take_screen();
    terminal.write("news");
    assert_eq!(terminal.take_screen(), "\r\x1b[Knews\r\n> ab");
}

#[test]
fn hooks_hand_the_line_over_and_get_it_back_in_place() {
    let mut terminal = Terminal::default();
    let request = Request { hooks: true, ..prompt("> ") };
    terminal.read_line(request.clone());
    terminal.type_bytes(b"he\t");
    assert_eq!(terminal.take_line(), finished("he", Ending::Complete));
    terminal.take_screen();
    terminal.read_line(Request { initial: "help".into(), ..request });
    assert_eq!(terminal.take_screen(), "\r\x1b[K> help");
    terminal.type_bytes(b"\r");
    assert_eq!(terminal.take_line(), finished("help", Ending::Entered));
}

#[test]
fn control_c_interrupts_a_line_or_whoever_runs() {
    let mut terminal = Terminal::default();
    terminal.read_line(prompt("> "));
    terminal.type_bytes(b"x\x03");
    assert_eq!(terminal.take_line(), finished("x", Ending::Interrupted));
    assert_eq!(terminal.interrupts(), 0);
    terminal.type_bytes(b"\x03");
    assert_eq!(terminal.interrupts(), 1);
}

#[test]
fn control_d_closes_only_an_empty_line() {
    let mut terminal = Terminal::default();
    terminal.read_line(prompt("> "));
    terminal.type_bytes(b"x\x04\x7f\x04");
    assert_eq!(terminal.take_line(), finished("", Ending::Closed));
}

#[test]
fn raw_keys_come_as_they_are() {
    let mut terminal = Terminal::default();
    terminal.read_keys();
    assert_eq!(terminal.take_keys(10), None);
    terminal.type_bytes(b"\x1b[A\x03");
    assert_eq!(terminal.take_keys(10), Some(b"\x1b[A\x03".to_vec()));
    assert_eq!(terminal.take_screen(), "");
}

proptest! {
    #[test]
    fn any_bytes_in_any_order_end_with_a_line(bytes in prop::collection::vec(any::<u8>(), 0..600), writes in "\\PC{0,20}") {
        let mut terminal = Terminal::default();
        terminal.read_line(prompt("> "));
        for chunk in bytes.chunks(7) {
            terminal.type_bytes(chunk);
            terminal.write(&writes);
            if terminal.take_line().is_some() {
                terminal.read_line(prompt("> "));
            }
        }
        terminal.type_bytes(b"x\r");
        prop_assert!(terminal.take_line().is_some());
    }
}
