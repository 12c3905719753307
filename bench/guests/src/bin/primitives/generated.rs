//! Calls to another process by generated client and server: six words in each direction.

use super::SAMPLES;
use bench_guests::{measure, measure_async};
use capos_service::{Failure, RingCall};
use schema::echo_capnp::echo::{self, words_params, words_results};

/// Measures the blocking call, and the one that is awaited.
pub async fn rows(server: &echo::Client) -> Result<(), Failure> {
    let mut round = 0;
    let mut next = || {
        round += 1;
        round
    };
    measure("ipc.capnp.call", SAMPLES, 1, || call(server, next()).unwrap_or(false));
    measure_async("ipc.capnp.send", SAMPLES, 1, async || Ok(send(server, next()).await?)).await
}

/// Whether six words came back from a blocking call as they were sent.
fn call(server: &echo::Client, round: u64) -> Result<bool, capnp::Error> {
    let mut request = server.words_request();
    fill(request.get(), round);
    let response = request.call()?;
    Ok(is_answer(response.get()?, round))
}

/// The same with stock `send` and `await`.
async fn send(server: &echo::Client, round: u64) -> Result<bool, capnp::Error> {
    let mut request = server.words_request();
    fill(request.get(), round);
    let response = request.send().promise.await?;
    Ok(is_answer(response.get()?, round))
}

fn fill(mut words: words_params::Builder, round: u64) {
    words.set_a(round);
    words.set_b(round + 1);
    words.set_c(round + 2);
    words.set_d(round + 3);
    words.set_e(round + 4);
    words.set_f(round + 5);
}

fn is_answer(words: words_results::Reader, round: u64) -> bool {
    words.get_a() == round
        && words.get_b() == round + 1
        && words.get_c() == round + 2
        && words.get_d() == round + 3
        && words.get_e() == round + 4
        && words.get_f() == round + 5
}
