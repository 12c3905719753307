//! Takes messages out of a queue, and answers each batch, over another queue, with the sum of all their words.

use bench_guests::queue::{BATCH, PLACES, WORDS};
use capos_service::queue::Exchange;
use capos_service::{Failure, slot};
use std::process::ExitCode;

fn main() -> ExitCode {
    capos_service::run(async |_| {
        let mut messages = end("there", "there-bell")?.receiver().await?;
        let mut sums = end("back", "back-bell")?.sender().await?;
        loop {
            let mut sum = [0; WORDS];
            messages.receive_each(BATCH, |message| add(&mut sum, message)).await?;
            sums.send(sum).await?;
            sums.flush()?;
        }
    })
}

fn add(sum: &mut [u64; WORDS], message: [u64; WORDS]) {
    for word in 0..WORDS {
        sum[word] += message[word];
    }
}

fn end(memory: &str, bell: &str) -> Result<Exchange<WORDS>, Failure> {
    Ok(Exchange { memory: slot(memory)?, bell: slot(bell)?, entries: PLACES })
}
