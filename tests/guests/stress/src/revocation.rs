//! A tree of very many capabilities, in several processes that use them without end, is taken back, while others live on.

use crate::reception::stop_order;
use crate::stage::{QUOTA, Stage, settled};
use crate::{capability, wire};
use campaign::{Books, Bystander, argument, random};
use capos_abi::handle::Handle;
use capos_abi::interface::notification;
use capos_abi::ring::{Submission, op};
use capos_abi::status;
use capos_rt::raw;
use capos_service::spawn::{Quota, Spawn};
use capos_service::{Context, Failure, import, sleep, slot, wait};
use fastrand::Rng;
use std::time::Duration;

/// Processes that hold a part of the tree each, beside this one.
const HOLDERS: u32 = 3;
/// The bit by which a holder says that it is ready.
const READY: u64 = 2;
/// The bit that holders signal with what they hold.
const USED: u64 = 1;
/// A new node hangs below one of so many that came last: the tree is both deep and wide.
const RECENT: usize = 100;
/// Steps of the revocation between two looks at the bystander.
const STEPS_PER_LOOK: u32 = 32;
/// Nodes that one step takes away at most.
const NODES_PER_STEP: u32 = 2_000;
/// Uses between two pauses of a holder.
const USES: u32 = 16;
/// Nanoseconds of such a pause, so that others can work.
const PAUSE: u64 = 1_000_000;
/// Long enough for what still works to show it.
const MOMENT: Duration = Duration::from_millis(50);

/// A tree of `count` nodes.
pub async fn run(context: &Context, count: u32) -> Result<(), Failure> {
    let mut random = random()?;
    let books = Books { ledger: slot("ledger")?, machine: context.take("machine")? };
    let bystander = Bystander::start().await?;
    let first = books.balance().await?;
    grow_and_revoke(count, &bystander, &mut random).await?;
    let before = settled(&books, &first).await?;
    let steps = grow_and_revoke(count, &bystander, &mut random).await?;
    books.settle(&before).await?;
    println!("{count} capabilities were taken back in {steps} steps");
    if steps < count / NODES_PER_STEP {
        return Err("a step takes too much away".into());
    }
    bystander.stop().await
}

async fn grow_and_revoke(count: u32, bystander: &Bystander, random: &mut Rng) -> Result<u32, Failure> {
    let stage = Stage::new().await?;
    let root = capability::create_notification().map_err(|failure| capability::refused("a notification", failure))?;
    let share = count / (HOLDERS + 1);
    let nodes = grow(root, share, random)?;
    let mut holders = Vec::new();
    for _ in 0..HOLDERS {
        let node = copy(*random.choice(&nodes).ok_or("the tree has no node")?)?;
        let grants = |spawn: Spawn| {
            let spawn = spawn.argument(&format!("count={share}"));
            spawn.grant_as("node", notification::ID, import::<capnp::capability::Client>(node).hook)
        };
        let quota = Quota { handles: u64::from(share) + QUOTA.handles, ..QUOTA };
        holders.push(stage.start_with("holder", random.u64(..), quota, grants).await?);
    }
    for holder in &holders {
        wait(holder.signals(), READY).await?;
    }
    let steps = revoke(root, bystander).await?;
    // What was signalled before the revocation was complete.
    wire::take_bits(root);
    sleep(MOMENT).await?;
    if capability::has_derived(root) != Some(false) || wire::take_bits(root) != 0 {
        return Err("something derived works after its revocation".into());
    }
    if nodes.iter().any(|&node| capability::interface(node).is_some()) {
        return Err("something derived is left".into());
    }
    for holder in holders {
        holder.stop().await?;
    }
    raw::release(root);
    Ok(steps)
}

async fn revoke(root: Handle, bystander: &Bystander) -> Result<u32, Failure> {
    let mut steps = 1;
    while !capability::revoke_step(root) {
        steps += 1;
        if steps % STEPS_PER_LOOK == 0 {
            bystander.is_served().await?;
        }
    }
    Ok(steps)
}

/// Copies, and copies of copies, in this process.
fn grow(root: Handle, count: u32, random: &mut Rng) -> Result<Vec<Handle>, Failure> {
    let mut nodes = vec![copy(root)?];
    while nodes.len() < count as usize {
        let recent = nodes.len().saturating_sub(RECENT);
        nodes.push(copy(nodes[random.usize(recent..nodes.len())])?);
    }
    Ok(nodes)
}

fn copy(handle: Handle) -> Result<Handle, String> {
    capability::copy(handle).map_err(|failure| capability::refused("a copy", failure))
}

/// A holder: derives its part, and uses it until it is told to stop. By then nothing of it may work.
pub fn hold() -> Result<(), Failure> {
    let mut random = Rng::with_seed(argument("seed")?.unwrap_or_default());
    let nodes = grow(wire::given("node"), argument("count")?.ok_or("how many?")?, &mut random)?;
    wire::start(stop_order(1));
    let used = use_one(*nodes.first().ok_or("no node")?);
    raw::signal(wire::given("signals"), READY);
    let mut worked = u64::from(used);
    while wire::next().is_none() {
        for _ in 0..USES {
            worked += u64::from(use_one(nodes[random.usize(0..nodes.len())]));
        }
        wire::wait(wire::now() + PAUSE);
    }
    println!("{worked} uses succeeded before the revocation");
    match nodes.iter().any(|&node| use_one(node)) {
        false if used => Ok(()),
        false => Err("nothing has worked even before".into()),
        true => Err("something works after its revocation".into()),
    }
}

fn use_one(handle: Handle) -> bool {
    wire::run(Submission { op: op::SIGNAL, handle, arg: USED, ..Submission::default() }).status == status::OK
}
