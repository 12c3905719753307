//! The book's start page shows what really happens.

use tests::{Exit, Machine, Transcript};

#[test]
fn the_session_on_the_start_page_is_true() {
    let shown = Transcript::of_page("start.md");
    let mut machine = Machine::new().cpus(2).boot();
    shown.play(&mut machine);
    let said = machine.ends_with(Exit::Shutdown(0));
    if let Err(difference) = shown.compare(&said) {
        panic!("docs/src/start.md: {difference}\n\nthe machine said:\n{said}");
    }
}
