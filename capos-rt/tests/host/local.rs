//! Objects of this thread that it calls itself: without the kernel, however it came by them.
use crate::model;
use crate::world::{Bell, Lines, Screen, turns, world};
use capnp::capability::FromClientHook;
use capos_rt::executor::block_on;
use capos_rt::hooks::capability::adopt;
use capos_rt::hooks::local::{is_local, new_client};
use schema::interrupt_capnp::interrupt;
use schema::terminal_capnp::terminal;
use schema::terminal_output_capnp::terminal_output;

#[test]
fn local_calls_need_no_kernel() {
    world(64 << 10, |_, _, log| {
        let lines: interrupt::Client = new_client(Lines);
        let mut request = lines.bind_request();
        request.get().set_notification(new_client(Bell(log.clone())));
        block_on(request.send().promise).unwrap();
        assert_eq!((&**log.text.borrow(), model::counts().1), ("7", 0));
    });
}

/// The output of a terminal whose object is of this very process.
fn own_output(terminal: &terminal::Client) -> terminal_output::Client {
    let response = block_on(terminal.output_request().send().promise).unwrap();
    response.get().unwrap().get_output().unwrap()
}

#[test]
fn an_object_that_comes_home_is_called_without_the_kernel() {
    world(64 << 10, |_, terminal, log| {
        model::tell_own();
        let output = own_output(&terminal);
        assert!(is_local(output.client.hook.as_ref()), "an object in a result");
        let (_, transferred) = model::counts();
        let mut request = output.write_request();
        request.get().set_text("hi");
        block_on(request.send().promise).unwrap();
        assert_eq!((&**log.text.borrow(), model::counts().1), ("hi", transferred));

        drop(output);
        block_on(turns(5));
        assert_eq!(log.dropped.get(), 1, "it ends with its last reference");

        let lines: interrupt::Client = FromClientHook::new(adopt(model::INTERRUPT));
        let mut request = lines.bind_request();
        request.get().set_notification(new_client(Bell(log.clone())));
        block_on(request.send().promise).unwrap();
        assert_eq!(&**log.text.borrow(), "hi7", "an object in parameters");
    });
}

#[test]
fn calls_on_a_promise_of_an_own_object_keep_their_order() {
    world(64 << 10, |_, terminal, log| {
        model::tell_own();
        let promise = terminal.output_request().send();
        let output = promise.pipeline.get_output();
        let write = |output: &terminal_output::Client, text| {
            let mut request = output.write_request();
            request.get().set_text(text);
            request.send().promise
        };
        let queued = [write(&output, "a"), write(&output, "b")];
        drop(write(&output, "c"));
        let resolved = block_on(promise.promise).unwrap().get().unwrap().get_output().unwrap();
        let later = write(&resolved, "d");
        for call in queued.into_iter().chain([later]) {
            block_on(call).unwrap();
        }
        assert_eq!(&**log.text.borrow(), "abd", "in order, without the one that nobody wants");
    });
}

#[test]
fn calls_on_promises_of_local_calls_are_made_when_the_answer_is_there() {
    world(64 << 10, |_, _, log| {
        let terminal: terminal::Client = new_client(Screen(log.clone()));
        let promise = terminal.output_request().send();
        let output = promise.pipeline.get_output();
        let mut request = output.write_request();
        request.get().set_text("first");
        let first = request.send().promise;
        drop((promise, output));
        block_on(first).unwrap();
        assert_eq!((&**log.text.borrow(), model::counts().1), ("first", 0));
    });
}

#[test]
fn a_dropped_promise_of_a_local_call_drops_the_method() {
    world(64 << 10, |_, _, log| {
        let terminal: terminal::Client = new_client(Screen(log.clone()));
        let waiting = terminal.read_line_request().send();
        block_on(turns(5));
        drop(waiting);
        block_on(turns(5));
        assert_eq!(log.read_lines.get(), 1);
    });
}
