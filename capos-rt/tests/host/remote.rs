//! capnp-rpc over the hooks: a remote session holds live objects of the ring, and lends its own.
use crate::world::{Bell, turns, world};
use capnp::capability::FromClientHook;
use capnp_rpc::{RpcSystem, rpc_twoparty_capnp::Side, twoparty::VatNetwork};
use capos_rt::executor::{block_on, spawn_local};
use capos_rt::hooks::capability::adopt;
use futures_lite::{AsyncRead, AsyncWrite};
use schema::interrupt_capnp::interrupt;
use schema::notification_capnp::notification;
use schema::terminal_capnp::terminal;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::Result;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Bytes on their way in one direction.
#[derive(Default)]
struct Line {
    bytes: VecDeque<u8>,
    reader: Option<Waker>,
    closed: bool,
}

#[derive(Clone, Default)]
struct Pipe(Rc<RefCell<Line>>);

/// Both directions; the session ends with this.
struct Wire([Pipe; 2]);

impl Drop for Wire {
    fn drop(&mut self) {
        for pipe in &self.0 {
            let line = &mut *pipe.0.borrow_mut();
            line.closed = true;
            line.reader.take().into_iter().for_each(Waker::wake);
        }
    }
}

impl AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize>> {
        let line = &mut *self.0.borrow_mut();
        if line.bytes.is_empty() && !line.closed {
            line.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let count = line.bytes.len().min(buffer.len());
        line.bytes.drain(..count).zip(buffer).for_each(|(byte, place)| *place = byte);
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &[u8]) -> Poll<Result<usize>> {
        let line = &mut *self.0.borrow_mut();
        line.bytes.extend(buffer);
        line.reader.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(buffer.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A session over a byte stream; what the far side gets of `root`.
fn session<C: FromClientHook>(root: capnp::capability::Client) -> (C, Wire) {
    let (there, back) = (Pipe::default(), Pipe::default());
    let wire = Wire([there.clone(), back.clone()]);
    let near = VatNetwork::new(there.clone(), back.clone(), Side::Server, Default::default());
    let far = VatNetwork::new(back, there, Side::Client, Default::default());
    let near = RpcSystem::new(Box::new(near), Some(root));
    let mut far = RpcSystem::new(Box::new(far), None);
    let client = far.bootstrap(Side::Server);
    spawn_local(async { drop(near.await) });
    spawn_local(async { drop(far.await) });
    (client, wire)
}

fn untyped(client: impl FromClientHook) -> capnp::capability::Client {
    capnp::capability::Client::new(client.into_client_hook())
}

#[test]
fn a_remote_session_calls_objects_of_the_ring() {
    world(64 << 10, |_, terminal, log| {
        let (remote, _wire): (terminal::Client, _) = session(untyped(terminal));
        let output = remote.output_request().send().pipeline.get_output();
        let mut request = output.write_request();
        request.get().set_text("from afar");
        block_on(request.send().promise).unwrap();
        assert_eq!(&**log.text.borrow(), "from afar");
        drop(output);
        block_on(turns(20));
        assert_eq!(log.dropped.get(), 1, "released there, released here");
    });
}

#[test]
fn an_object_of_a_remote_session_is_called_over_the_ring() {
    world(64 << 10, |_, _, log| {
        let lines: interrupt::Client = FromClientHook::new(adopt(crate::model::INTERRUPT));
        let (remote, _wire): (interrupt::Client, _) = session(untyped(lines));
        let mut request = remote.bind_request();
        request.get().set_notification(capnp_rpc::new_client(Bell(log.clone())));
        block_on(request.send().promise).unwrap();
        assert_eq!(&**log.text.borrow(), "7");
        drop(remote);
        block_on(turns(20));
        assert_eq!(Rc::strong_count(&log), 2, "the screen's and this one: the bell is gone");
    });
}

#[test]
fn an_object_of_a_remote_session_ends_though_the_call_that_carries_it_never_arrives() {
    world(64 << 10, |_, _, log| {
        let (bell, wire): (notification::Client, _) =
            session(untyped(capnp_rpc::new_client::<notification::Client, _>(Bell(log.clone()))));
        let lines: interrupt::Client = FromClientHook::new(adopt(crate::model::INTERRUPT));
        let (before, _) = crate::model::counts();
        let mut request = lines.bind_request();
        request.get().set_notification(bell.clone());
        drop(request.send().promise);
        block_on(turns(20));
        assert_eq!(crate::model::counts().0, before, "its origin does not stay");
        drop((bell, wire));
        block_on(turns(20));
        assert_eq!(
            (Rc::strong_count(&log), &**log.text.borrow()),
            (2, ""),
            "nor does what stood for it, and it was not called"
        );
    });
}
