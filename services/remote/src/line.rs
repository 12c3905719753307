//! A serial line as a stream of bytes.
use capnp::capability::Promise;
use capnp::message::ReaderOptions;
use futures_lite::{AsyncRead, AsyncWrite};
use schema::serial_port_capnp::serial_port;
use std::collections::VecDeque;
use std::future::Future;
use std::io::{Error, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Words of a message from the far side at most, with repetition: it says how long it is before it is there, and room for it is
/// made then.
const MAX_MESSAGE_WORDS: usize = 1 << 16;

/// What is accepted from the far side.
pub const READ_LIMITS: ReaderOptions =
    ReaderOptions { traversal_limit_in_words: Some(MAX_MESSAGE_WORDS), nesting_limit: 64 };

/// Bytes of one call.
const BYTES: usize = 1024;

/// The direction from the far side.
pub struct Reading {
    serial: serial_port::Client,
    call: Option<Promise<Vec<u8>, capnp::Error>>,
    arrived: VecDeque<u8>,
}

impl Reading {
    /// Reads the line from now on.
    pub fn new(serial: serial_port::Client) -> Self {
        Self { serial, call: None, arrived: VecDeque::new() }
    }

    fn begin(&self) -> Promise<Vec<u8>, capnp::Error> {
        let mut request = self.serial.read_request();
        request.get().set_max_bytes(BYTES as u32);
        let promise = request.send().promise;
        Promise::from_future(async move { Ok(promise.await?.get()?.get_data()?.to_vec()) })
    }
}

impl AsyncRead for Reading {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Result<usize>> {
        while self.arrived.is_empty() {
            let mut call = self.call.take().unwrap_or_else(|| self.begin());
            match Pin::new(&mut call).poll(context) {
                Poll::Ready(data) => self.arrived.extend(data.map_err(Error::other)?),
                Poll::Pending => {
                    self.call = Some(call);
                    return Poll::Pending;
                }
            }
        }
        let count = self.arrived.len().min(buffer.len());
        self.arrived.drain(..count).zip(buffer).for_each(|(byte, place)| *place = byte);
        Poll::Ready(Ok(count))
    }
}

/// The direction to the far side; one call is under way at a time.
pub struct Writing {
    serial: serial_port::Client,
    call: Option<Promise<(), capnp::Error>>,
}

impl Writing {
    /// Writes to the line.
    pub fn new(serial: serial_port::Client) -> Self {
        Self { serial, call: None }
    }

    fn poll_call(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        let Some(call) = &mut self.call else { return Poll::Ready(Ok(())) };
        let outcome = ready!(Pin::new(call).poll(context));
        self.call = None;
        Poll::Ready(outcome.map_err(Error::other))
    }
}

impl AsyncWrite for Writing {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<Result<usize>> {
        ready!(self.poll_call(context))?;
        let part = &buffer[..buffer.len().min(BYTES)];
        let mut request = self.serial.write_request();
        request.get().set_data(part);
        let promise = request.send().promise;
        self.call = Some(Promise::from_future(async move { promise.await.map(drop) }));
        Poll::Ready(Ok(part.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.poll_call(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.poll_flush(context)
    }
}
