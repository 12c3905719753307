//! Stock generated clients and servers over the hooks, on a model of the kernel: one thread calls itself.
use crate::model;
use crate::world::{Bell, Echo, Half, turns, world};
use capnp::ErrorKind;
use capnp::capability::{FromClientHook, Promise};
use capnp::traits::HasTypeId;
use capos_abi::ring::op;
use capos_rt::executor::{block_on, spawn_local};
use capos_rt::hooks::blocking::RingCall;
use capos_rt::hooks::capability::adopt;
use capos_rt::hooks::local::new_client;
use capos_rt::object;
use schema::echo_capnp::echo;
use schema::interrupt_capnp::interrupt;
use schema::notification_capnp::notification;
use schema::terminal_capnp::terminal;
use schema::terminal_output_capnp::terminal_output;
use std::rc::Rc;

fn say(echo: &echo::Client, text: &str) -> capnp::Result<String> {
    let mut request = echo.text_request();
    request.get().set_text(text);
    let response = block_on(request.send().promise)?;
    Ok(response.get()?.get_text()?.to_string()?)
}

#[test]
fn calls_are_answered() {
    world(64 << 10, |echo, _, _| {
        for i in 0..1000 {
            let mut request = echo.words_request();
            request.get().set_a(i);
            request.get().set_f(i + 1);
            let response = block_on(request.send().promise).unwrap();
            assert_eq!((response.get().unwrap().get_a(), response.get().unwrap().get_f()), (i, i + 1));
        }
        assert_eq!(say(&echo, "hello").unwrap(), "hello");
    });
}

#[test]
fn errors_keep_kind_and_text() {
    world(64 << 10, |echo, terminal, _| {
        let of = |text| say(&echo, text).map(|_| ()).unwrap_err();
        assert_eq!((of("fail").kind, &*of("fail").extra), (ErrorKind::Failed, "server: as you wish"));
        assert_eq!((of("overload").kind, &*of("overload").extra), (ErrorKind::Overloaded, "server: too much"));
        assert_eq!((of("disconnect").kind, &*of("disconnect").extra), (ErrorKind::Disconnected, "server: gone"));
        assert_eq!(of("invalid").extra, "server: invalid argument: text");
        let unimplemented = block_on(terminal.interrupted_request().send().promise).map(|_| ()).unwrap_err();
        assert_eq!(unimplemented.kind, ErrorKind::Unimplemented);
    });
}

/// Says something of so many bytes, which the server says back.
fn say_bytes(echo: &echo::Client, bytes: usize) -> capnp::Result<()> {
    let text: String = ('a'..='z').cycle().take(bytes).collect();
    let mut request = echo.text_request();
    request.get().set_text(&text);
    let response = block_on(request.send().promise)?;
    assert!(response.get()?.get_text()? == &*text, "every byte came back");
    Ok(())
}

#[test]
fn what_does_not_fit_travels_as_memory_both_ways() {
    world(64 << 10, |echo, _, _| {
        // Around what one message may have inline, what a usual answer has room for, what a ring can hold, and far beyond.
        for bytes in [2200, 2300, 4000, 4060, 4079, 4080, 4100, 60_000, 70_000, 1 << 20] {
            say_bytes(&echo, bytes).unwrap();
        }
        block_on(turns(5));
        assert_eq!(model::mappings(), 0, "nothing stays mapped");
    });
}

#[test]
fn a_large_answer_has_room_in_the_ring_if_that_was_asked_for() {
    world(128 << 10, |echo, _, _| {
        let mut request = echo.text_request().with_result_bytes(10_000);
        request.get().set_text("long");
        let response = block_on(request.send().promise).unwrap();
        assert_eq!(response.get().unwrap().get_text().unwrap().len(), 9000);
        assert_eq!(model::mappings(), 0);
        drop(response);
        let response = say(&echo, "long");
        assert_eq!((response.unwrap().len(), model::mappings()), (9000, 0));
    });
}

#[test]
fn a_message_beyond_the_endpoints_limit_is_an_error_that_names_both_sizes() {
    world(64 << 10, |echo, _, _| {
        let error = say_bytes(&echo, 3 << 20).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Overloaded);
        assert_eq!(
            error.extra,
            "kernel: the message is larger than the receiver accepts: it has 3145752 bytes, and at most 2097152 bytes are accepted"
        );
        say_bytes(&echo, 10).unwrap();
    });
}

#[test]
fn parameters_larger_than_a_range_are_gathered() {
    world(64 << 10, |echo, _, _| {
        let mut request = echo.text_request();
        request.get().set_text("a".repeat(5000));
        // The model's endpoint has no limit, but a slot of 1024 bytes.
        drop(request);
        let mut request = echo.text_request();
        for length in [10, 4000, 20] {
            request.get().set_text("b".repeat(length)); // leaves garbage behind, which is not copied
        }
        let response = block_on(request.send().promise).unwrap();
        assert_eq!(response.get().unwrap().get_text().unwrap().len(), 20);
    });
}

#[test]
fn objects_pass_through_results_and_end_with_their_last_reference() {
    world(64 << 10, |_, terminal, log| {
        let response = block_on(terminal.output_request().send().promise).unwrap();
        let output = response.get().unwrap().get_output().unwrap();
        drop(response);
        let mut request = output.write_request();
        request.get().set_text("hi");
        block_on(request.send().promise).unwrap();
        assert_eq!((&**log.text.borrow(), log.dropped.get()), ("hi", 0));
        drop(output);
        block_on(turns(5));
        assert_eq!(log.dropped.get(), 1);
    });
}

#[test]
fn calls_on_promises_leave_in_the_turn_in_which_the_answer_arrives() {
    world(64 << 10, |_, terminal, log| {
        let answers = model::started(op::RETURN).len();
        let promise = terminal.output_request().send();
        let output = promise.pipeline.get_output();
        let calls: Vec<_> = ["a", "b", "c"]
            .map(|text| {
                let mut request = output.write_request();
                request.get().set_text(text);
                request.send().promise
            })
            .into();
        drop((promise, output));
        for call in calls {
            block_on(call).unwrap();
        }
        assert_eq!(&**log.text.borrow(), "abc");
        let answered = model::started(op::RETURN)[answers];
        let calls = model::started(op::CALL);
        assert_eq!(calls[calls.len() - 3..], [answered + 1; 3], "all at the next entry");
        let failed = terminal.interrupted_request().send();
        drop(failed);
    });
}

#[test]
fn a_narrow_facet_does_not_reach_the_wide_interface() {
    world(64 << 10, |_, terminal, _| {
        let response = block_on(terminal.output_request().send().promise).unwrap();
        let output = response.get().unwrap().get_output().unwrap();
        let wide: terminal::Client = output.cast_to();
        let error = block_on(wide.output_request().send().promise).map(|_| ()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unimplemented);
    });
}

#[test]
fn a_method_may_wait_while_others_are_served_and_a_dropped_promise_cancels() {
    world(64 << 10, |echo, terminal, log| {
        let waiting = terminal.read_line_request().send();
        let mut patient = terminal.read_line_request().send().promise;
        spawn_local(async {});
        assert_eq!(say(&echo, "meanwhile").unwrap(), "meanwhile");
        assert_eq!(log.read_lines.get(), 0);
        drop(waiting);
        block_on(turns(5));
        assert_eq!(log.read_lines.get(), 1, "the method of the dropped promise was dropped");
        log.release.set(true);
        let line = block_on(&mut patient).unwrap();
        assert_eq!(line.get().unwrap().get_line().unwrap(), "typed");
    });
}

#[test]
fn more_calls_than_the_ring_has_room_for() {
    world(64 << 10, |echo, _, _| {
        let calls: Vec<Promise<_, _>> = (0..300)
            .map(|i| {
                let mut request = echo.words_request();
                request.get().set_a(i);
                request.send().promise
            })
            .collect();
        for (i, call) in calls.into_iter().enumerate() {
            assert_eq!(block_on(call).unwrap().get().unwrap().get_a(), i as u64);
        }
    });
}

#[test]
fn requests_that_are_not_sent_leave_nothing() {
    world(16 << 10, |echo, terminal, _| {
        (0..100).for_each(|_| drop(echo.words_request()));
        let promise = terminal.output_request().send();
        drop(promise.pipeline.get_output().write_request());
        drop(promise);
    });
}

#[test]
fn only_capabilities_that_the_message_contains_are_sent() {
    world(64 << 10, |_, _, log| {
        let lines: interrupt::Client = FromClientHook::new(adopt(model::INTERRUPT));
        let bell: notification::Client = new_client(Bell(log.clone()));
        let mut request = lines.bind_request();
        request.get().set_notification(bell.clone());
        request.get().set_notification(bell);
        let (_, before) = model::counts();
        block_on(request.send().promise).unwrap();
        assert_eq!(model::counts().1 - before, 1, "the one that the field holds, not the one it held before");
        assert_eq!(&**log.text.borrow(), "7");
    });
}

#[test]
fn a_capability_that_nobody_else_holds_arrives_however_long_the_call_waits() {
    world(64 << 10, |_, terminal, log| {
        let output = block_on(terminal.output_request().send().promise).unwrap().get().unwrap().get_output().unwrap();
        let lines: interrupt::Client = FromClientHook::new(adopt(model::INTERRUPT));
        let mut request = lines.bind_request();
        request.get().set_notification(FromClientHook::new(output.into_client_hook()));
        let error = block_on(request.send().promise).map(drop).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unimplemented, "it was called, as what it is: {error}");
        block_on(turns(5));
        assert_eq!(log.dropped.get(), 1);
    });
}

#[test]
fn an_object_ends_though_the_call_that_carries_it_never_arrives() {
    world(64 << 10, |_, _, log| {
        let lines: interrupt::Client = FromClientHook::new(adopt(model::INTERRUPT));
        let (before, _) = model::counts();
        let mut request = lines.bind_request();
        let half: terminal_output::Client = new_client(Half(log.clone()));
        request.get().set_notification(FromClientHook::new(half.into_client_hook()));
        drop(request.send().promise);
        block_on(turns(5));
        assert_eq!((log.dropped.get(), model::counts().0), (1, before), "neither the object nor its origin stays");
    });
}

#[test]
fn blocking_calls_note_what_else_completes() {
    world(64 << 10, |echo, terminal, log| {
        // A blocking call cannot be served by its own thread; a stale handle is answered by the kernel.
        let other = terminal.output_request().send().promise;
        let stale: echo::Client = FromClientHook::new(adopt(1 << 32 | 99));
        let error = stale.words_request().call().map(|_| ()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Disconnected);
        assert!(block_on(other).unwrap().get().unwrap().has_output());
        assert_eq!(say(&echo, "still there").unwrap(), "still there");
        drop(log);
    });
}

#[test]
fn threads_of_a_process_mint_different_keys() {
    fn keys() -> [u64; 3] {
        let server = object::dispatcher::<echo::Client, _>(Rc::new(Echo));
        [0; 3].map(|_| object::key(object::create_dyn(echo::Client::TYPE_ID, server.clone())))
    }
    let (own, others) = (keys(), std::thread::spawn(keys).join().unwrap());
    assert!(own.iter().all(|key| !others.contains(key)), "{own:x?} {others:x?}");
}
