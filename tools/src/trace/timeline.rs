//! A trace as a timeline in the JSON format that Perfetto opens: one track for each processor.

use super::Trace;
use capos_abi::trace::{TraceEvent, kind};
use serde_json::{Value, json};

const MICROSECONDS: f64 = 1_000_000.0;

/// The trace as Perfetto reads it.
pub fn timeline(trace: &Trace) -> Value {
    let first = trace.processors.iter().flatten().map(|e| e.stamp).min().unwrap_or(0);
    let mut events = Vec::new();
    for (processor, ring) in trace.processors.iter().enumerate() {
        events.push(json!({
            "ph": "M", "name": "thread_name", "pid": 0, "tid": processor, "args": { "name": format!("processor {processor}") }
        }));
        for pair in ring.windows(2) {
            let at = |e: &TraceEvent| (e.stamp - first) as f64 / trace.hertz as f64 * MICROSECONDS;
            let (from, to) = (at(&pair[0]), at(&pair[1]));
            let (name, category) = describe(&pair[0]);
            events.push(json!({
                "ph": "X", "name": name, "cat": category, "ts": from, "dur": to - from, "pid": 0, "tid": processor,
                "args": { "thread": pair[0].thread, "data": format!("{:#x}", pair[0].data) }
            }));
        }
    }
    json!({ "displayTimeUnit": "ns", "traceEvents": events })
}

/// What a processor does from this event on, and the kind of that.
fn describe(event: &TraceEvent) -> (String, &'static str) {
    match event.kind {
        kind::RUN => (label(event.data), "user"),
        kind::ENTER => (format!("kernel, vector {}", event.data), "kernel"),
        kind::IDLE => ("idle".to_owned(), "idle"),
        kind::INTERRUPT => (format!("interrupt {}", event.data), "interrupt"),
        kind::FAULT => (format!("page fault at {:#x}", event.data), "kernel"),
        other => (format!("event {other}"), "unknown"),
    }
}

/// A process's name, cut to eight bytes by the trace.
fn label(data: u64) -> String {
    let bytes = data.to_le_bytes();
    String::from_utf8_lossy(bytes.split(|b| *b == 0).next().unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn what_happens_between_two_events_is_a_slice() {
        let event = |stamp, kind, data| TraceEvent { stamp, data, thread: 3, kind };
        let name = u64::from_le_bytes(*b"shell\0\0\0");
        let ring = vec![event(1000, kind::RUN, name), event(3000, kind::ENTER, 256), event(4000, kind::IDLE, 0)];
        let drawn = timeline(&Trace { hertz: 1_000_000_000, processors: vec![ring] });
        let slices: Vec<_> =
            drawn["traceEvents"].as_array().expect("events").iter().filter(|e| e["ph"] == "X").collect();
        assert_eq!(slices.len(), 2);
        assert_eq!((slices[0]["name"].as_str(), slices[0]["dur"].as_f64()), (Some("shell"), Some(2.0)));
        assert_eq!(slices[1]["name"].as_str(), Some("kernel, vector 256"));
    }
}
