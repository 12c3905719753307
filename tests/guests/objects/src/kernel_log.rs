//! `LogSink` and `KernelLog`: what is written is read, with the writer's name.

use crate::Check;
use crate::verify::{holds, refused};
use capnp::capability::FromClientHook;
use capos_abi::status;
use capos_service::{Failure, RingCall, slot};
use schema::kernel_log_capnp::{kernel_log, log_sink};

pub const CHECKS: &[Check] = &[("LogSink.write", write), ("KernelLog.read", read), ("KernelLog.sink", sink)];

/// All that the log has kept.
fn whole(log: &kernel_log::Client) -> Result<String, Failure> {
    let (mut position, mut text) = (0, String::new());
    loop {
        let mut request = log.read_request();
        request.get().set_position(position);
        let reply = request.with_result_bytes(4096).call()?;
        let part = reply.get()?;
        match part.get_text()?.to_str()? {
            "" => return Ok(text),
            more => text.push_str(more),
        }
        position = part.get_next();
    }
}

fn say(sink: &log_sink::Client, text: &str) -> capnp::Result<()> {
    let mut request = sink.write_request();
    request.get().set_text(text);
    request.call().map(drop)
}

fn write() -> Result<(), Failure> {
    let mut request = slot::<log_sink::Client>("log")?.write_request();
    request.get().set_text("first\nsecond");
    request.call()?;
    let text = whole(&slot("kernel-log")?)?;
    let mut lines = text.lines().skip_while(|line| !line.ends_with(" objects: first"));
    holds("each line stands there with its writer", lines.nth(1).is_some_and(|line| line.ends_with(" objects: second")))
}

fn read() -> Result<(), Failure> {
    let log: kernel_log::Client = slot("kernel-log")?;
    let read = |position| {
        let mut request = log.read_request();
        request.get().set_position(position);
        let reply = request.with_result_bytes(4096).call()?;
        let part = reply.get()?;
        Ok::<_, Failure>((part.get_next(), part.get_text()?.to_string()?))
    };
    let mut end = 0;
    loop {
        match read(end)? {
            (next, text) if text.is_empty() => break holds("nothing new leaves the position", next == end)?,
            (next, text) => {
                holds("at most 2 KiB come at a time", text.len() <= 2048 && next > end)?;
                end = next;
            }
        }
    }
    say(&slot("log")?, "behind the end")?;
    let (next, text) = read(end)?;
    holds("what is new is read from there", text.contains("objects: behind the end") && next > end)
}

fn sink() -> Result<(), Failure> {
    let log: kernel_log::Client = slot("kernel-log")?;
    let sink = log.sink_request().call()?.get()?.get_sink()?;
    say(&sink, "by the facet")?;
    holds("it writes", whole(&log)?.contains("objects: by the facet"))?;
    let reader = sink.cast_to::<kernel_log::Client>();
    refused(reader.read_request().call(), status::WRONG_INTERFACE)
}
