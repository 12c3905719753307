//! Messages to another process through a queue in shared memory.

use super::SAMPLES;
use bench_guests::measure_async;
use bench_guests::queue::{BATCH, PLACES, WORDS};
use capos_service::queue::{Exchange, Receiver, Sender};
use capos_service::spawn::Spawn;
use capos_service::{Context, Failure};

/// Measures a message in a batch, which another process adds up.
pub async fn row(context: &Context) -> Result<(), Failure> {
    let (there, back) = (Exchange::<WORDS>::new(PLACES).await?, Exchange::<WORDS>::new(PLACES).await?);
    let spawn = Spawn::new(&context.take("taker")?, "taker")
        .grant("there", there.memory.clone())
        .grant("there-bell", there.bell.clone())
        .grant("back", back.memory.clone())
        .grant("back-bell", back.bell.clone());
    let taker = spawn.start().await?;
    let (mut messages, mut sums) = (there.sender().await?, back.receiver().await?);
    let mut round = 0;
    measure_async("queue.message", SAMPLES, BATCH, async || {
        round += 1;
        batch(&mut messages, &mut sums, round).await
    })
    .await?;
    taker.kill_request().send().promise.await?;
    Ok(())
}

/// Sends a batch; whether every word of it has arrived.
async fn batch(messages: &mut Sender<WORDS>, sums: &mut Receiver<WORDS>, round: u64) -> Result<bool, Failure> {
    let first: [u64; WORDS] = std::array::from_fn(|word| round << 16 | word as u64);
    let mut next = first;
    let batch = std::iter::repeat_with(|| {
        let message = next;
        next.iter_mut().for_each(|word| *word += 1);
        message
    });
    messages.send_each(batch.take(BATCH as usize)).await?;
    messages.flush()?;
    Ok(sums.receive().await? == first.map(|word| word * BATCH + BATCH * (BATCH - 1) / 2))
}
