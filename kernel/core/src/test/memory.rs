//! Address spaces: what is charged, filled, protected and given back.
use super::exhaustion::said;
use super::world::{Actor, PLENTY, World};
use crate::authority::capability::Object;
use crate::execution::trap::FaultAccess;
use crate::ledger::{Amounts, Resource};
use crate::memory::Access;
use crate::memory::range::{FIRST_ADDRESS, Kind, LAST_ADDRESS};
use crate::{Next, execution::process};
use capos_abi::interface::ledger;
use capos_abi::interface::virtual_memory::{self, access, commit, decommit, protect, reserve};
use capos_abi::ring::{Submission, op};
use capos_abi::status;
use std::collections::BTreeSet;

const PAGE: u64 = 4096;

fn space(world: &mut World, limits: Amounts) -> (Actor, u64) {
    let actor = world.actor("a", limits);
    let memory = world.give(actor, Object::VirtualMemory(actor.process), virtual_memory::ID);
    (actor, memory)
}

fn vm(world: &mut World, (actor, memory): (Actor, u64), method: u16, data: &[u64]) -> (i32, Vec<u64>) {
    let (done, words) = world.call_kernel(actor, memory, virtual_memory::ID, method, data);
    (done.status, words)
}

fn touch(world: &mut World, actor: Actor, address: u64, how: FaultAccess) -> bool {
    let crate::execution::thread::State::Running(processor) = world.kernel.threads[actor.thread].state else {
        panic!("not running")
    };
    matches!(world.kernel.page_fault(processor, address, how, false, 0), Next::Run(_))
}

#[test]
fn committed_memory_is_charged_at_once_and_filled_at_first_touch() {
    let mut world = World::new();
    let own = space(&mut world, PLENTY);
    let (done, words) = vm(&mut world, own, reserve::METHOD, &[16 * PAGE]);
    assert_eq!(done, status::OK);
    let (address, ledger) = (words[1], world.kernel.processes[own.0.process].ledger);
    let before = world.kernel.ledgers[ledger].used().of(Resource::Frames);
    assert_eq!(vm(&mut world, own, commit::METHOD, &[address, 16 * PAGE, u64::from(access::READ_WRITE)]).0, status::OK);
    assert_eq!(world.kernel.ledgers[ledger].used().of(Resource::Frames), before + 16);
    assert!(touch(&mut world, own.0, address + 5, FaultAccess::Write));
    assert_eq!(vm(&mut world, own, decommit::METHOD, &[address, 16 * PAGE]).0, status::OK);
    assert_eq!(world.kernel.ledgers[ledger].used().of(Resource::Frames), before);
}

#[test]
fn a_ledger_that_is_full_names_what_is_missing() {
    let mut world = World::new();
    let own = space(&mut world, Amounts::new([20, 100, 20, 4]));
    let (_, words) = vm(&mut world, own, reserve::METHOD, &[64 * PAGE]);
    let (actor, memory) = own;
    let data = [words[1], 64 * PAGE, u64::from(access::READ)];
    let (done, _) = world.call_kernel(actor, memory, virtual_memory::ID, commit::METHOD, &data);
    let ledger = world.kernel.ledgers[world.kernel.processes[actor.process].ledger].number();
    let frames = status::resource::FRAMES;
    assert_eq!(said(&done), (frames, ledger, 64, 2), "of 20 frames, 16 hold the ring and 2 are tables");
}

/// The frames of a new program: of its ring, of memory of its own, and of a memory object.
fn frames_of_a_program(world: &mut World) -> (Actor, BTreeSet<u64>) {
    const BYTES: u64 = 16 * PAGE;
    let own = space(world, PLENTY);
    let actor = own.0;
    let address = vm(world, own, reserve::METHOD, &[BYTES]).1[1];
    assert_eq!(vm(world, own, commit::METHOD, &[address, BYTES, u64::from(access::READ_WRITE)]).0, status::OK);
    let ledger = world.ledger(actor);
    let made = world.call_kernel(actor, ledger, ledger::ID, ledger::create_memory_object::METHOD, &[BYTES]);
    let mapped = world.map(actor, made.1[0], BYTES, access::READ_WRITE).expect("room");
    for page in (0..BYTES).step_by(PAGE as usize) {
        [address, mapped].into_iter().for_each(|start| assert!(touch(world, actor, start + page, FaultAccess::Write)));
    }
    let at = world.kernel.processes[actor.process].space.expect("alive").0.0;
    let pages = world.kernel.platform.pages.iter().filter(|((space, _), _)| *space == at);
    (actor, pages.map(|(_, (frame, _))| frame.0).collect())
}

#[test]
fn what_a_program_gets_holds_zeros_whoever_had_it_before() {
    let mut world = World::new();
    world.kernel.frames.prepare(world.kernel.platform.processors).expect("heap");
    let mut before = BTreeSet::new();
    for _ in 0..4 {
        (0..20).for_each(|_| assert!(world.kernel.zero_ahead()));
        let (actor, frames) = frames_of_a_program(&mut world);
        assert!(frames.iter().all(|frame| world.kernel.platform.zeros.contains(frame)));
        let again = frames.intersection(&before).count();
        assert!(before.is_empty() || again > 0, "frames are used again");
        before = frames;
        world.kernel.end_process(actor.process, process::Outcome::Killed);
        world.settle();
    }
}

#[test]
fn page_tables_are_charged_before_they_are_used() {
    const TABLE_BYTES: u64 = 2 << 20;
    let mut world = World::new();
    let before = world.footprint();
    let own = space(&mut world, Amounts::new([40, 100, 20, 4]));
    let used = |world: &World| {
        let process = &world.kernel.processes[own.0.process];
        (world.kernel.ledgers[process.ledger].used().of(Resource::Frames), process.tables.len() as u64)
    };
    assert_eq!(used(&world), (18, 2), "the ring, the root and the table of the ring");
    let (_, words) = vm(&mut world, own, reserve::METHOD, &[64 * TABLE_BYTES]);
    let commit_at = |world: &mut World, table: u64| {
        let address = words[1].next_multiple_of(TABLE_BYTES) + table * TABLE_BYTES;
        vm(world, own, commit::METHOD, &[address, PAGE, u64::from(access::READ_WRITE)]).0
    };
    let committed = (0..32).take_while(|&table| commit_at(&mut world, table) == status::OK).count() as u64;
    assert_eq!(committed, 11, "each takes a page and its table, and 22 frames were left");
    assert_eq!(used(&world), (40, 13));
    assert_eq!(commit_at(&mut world, 20), status::EXHAUSTED);
    assert!(
        touch(&mut world, own.0, words[1].next_multiple_of(TABLE_BYTES), FaultAccess::Write),
        "what is committed is there"
    );
    world.kernel.end_process(own.0.process, process::Outcome::Killed);
    world.settle();
    assert_eq!(world.footprint(), before);
}

#[test]
fn a_wrong_access_ends_the_process_and_says_why() {
    let mut world = World::new();
    let own = space(&mut world, PLENTY);
    let watcher = world.actor("watcher", PLENTY);
    world.give(watcher, Object::Process(own.0.process), capos_abi::interface::process::ID);
    let (_, words) = vm(&mut world, own, reserve::METHOD, &[2 * PAGE]);
    vm(&mut world, own, commit::METHOD, &[words[1], 2 * PAGE, u64::from(access::READ_WRITE)]);
    vm(&mut world, own, protect::METHOD, &[words[1], PAGE, u64::from(access::READ)]);
    assert!(touch(&mut world, own.0, words[1], FaultAccess::Read));
    assert!(!touch(&mut world, own.0, words[1], FaultAccess::Write));
    world.settle();
    assert!(matches!(
        world.kernel.processes.get(own.0.process).map(|p| p.state),
        Some(process::State::Ended(process::Outcome::Faulted(_)))
    ));
    assert!(world.kernel.platform.console.contains("a faulted: Write"));
}

#[test]
fn bad_ranges_are_refused() {
    let mut world = World::new();
    let own = space(&mut world, PLENTY);
    for data in [[1, PAGE, 1], [0, 0, 1], [PAGE * 32, 0, 1], [u64::MAX - PAGE + 1, PAGE, 1], [PAGE * 32, PAGE, 9]] {
        assert_eq!(vm(&mut world, own, commit::METHOD, &data).0, status::BAD_ARGUMENT, "{data:?}");
    }
    // Data of `commit`: address, bytes, access, bytes of the guard.
    for guard in [1, PAGE * 17, u64::MAX - PAGE + 1] {
        let data = [PAGE * 32, PAGE, 1, guard];
        assert_eq!(vm(&mut world, own, commit::METHOD, &data).0, status::BAD_ARGUMENT, "a guard of {guard:#x}");
    }
    assert_eq!(vm(&mut world, own, reserve::METHOD, &[1 << 63]).0, status::BAD_ARGUMENT);
}

#[test]
fn memory_is_committed_wherever_nothing_is_behind_its_guard() {
    let mut world = World::new();
    let own = space(&mut world, PLENTY);
    let committed = |world: &mut World, address: u64, guard: u64| {
        vm(world, own, commit::METHOD, &[address, 2 * PAGE, access::READ_WRITE.into(), guard])
    };
    let (done, words) = committed(&mut world, 0, PAGE);
    assert_eq!(done, status::OK);
    let start = words[1];
    let ranges = &world.kernel.processes[own.0.process].ranges;
    assert_eq!(ranges.find(start - PAGE).map(|range| range.kind), Some(Kind::Reserved));
    assert_eq!(
        ranges.find(start).map(|range| (range.kind, range.pages())),
        Some((Kind::Committed(Access::ReadWrite), 2))
    );
    assert_eq!(committed(&mut world, start, 0).0, status::BAD_STATE, "it is there");
    assert_eq!(committed(&mut world, start + 3 * PAGE, 2 * PAGE).0, status::BAD_STATE, "its guard would be there");
    assert_eq!(committed(&mut world, start + 3 * PAGE, PAGE), (status::OK, vec![1 << 32, start + 3 * PAGE]));
    assert!(touch(&mut world, own.0, start + 3 * PAGE, FaultAccess::Write));
    assert!(!touch(&mut world, own.0, start + 2 * PAGE, FaultAccess::Read), "the guard");
}

/// Writes words into the actor's own memory, by `VirtualMemory.write`; its status.
fn write(world: &mut World, (actor, memory): (Actor, u64), address: u64, words: &[u64]) -> i32 {
    // Address, then the list, which follows its pointer.
    let mut message = vec![1 << 32 | 1 << 48, address, 1 | 5 << 32 | (words.len() as u64) << 35];
    message.extend(words);
    world.write(actor, 4096, &message);
    let entry = Submission {
        op: op::CALL,
        handle: memory,
        interface: virtual_memory::ID,
        method: virtual_memory::write::METHOD,
        message_offset: 4096,
        message_bytes: message.len() as u32 * 8,
        result_bytes: 64,
        ..Submission::default()
    };
    world.run(actor, entry)[0].status
}

#[test]
fn words_are_written_where_the_process_may_write() {
    const START: u64 = 0x4000_0000;
    let mut world = World::new();
    let own = space(&mut world, PLENTY);
    let data = [START, 2 * PAGE, access::READ_WRITE.into()];
    assert_eq!(vm(&mut world, own, commit::METHOD, &data).0, status::OK);
    let words: Vec<u64> = (1..=256).collect();
    assert_eq!(write(&mut world, own, START + PAGE - 1024, &words), status::OK, "over the end of a page");
    let written = &world.kernel.platform.written;
    assert_eq!(written.len(), words.len());
    assert!((START + PAGE - 1024..).step_by(8).zip(words).all(|(address, word)| written.get(&address) == Some(&word)));
    assert_eq!(write(&mut world, own, START, &[0; 257]), status::BAD_ARGUMENT);
    assert_eq!(write(&mut world, own, START + 4, &[1]), status::BAD_ARGUMENT);
    assert_eq!(write(&mut world, own, START + 2 * PAGE - 8, &[1, 2]), status::BAD_STATE, "the second lies behind");
    assert_eq!(write(&mut world, own, u64::MAX - 7, &[1, 2]), status::BAD_ARGUMENT);
    let readable = [START, PAGE, access::READ.into()];
    assert_eq!(vm(&mut world, own, protect::METHOD, &readable).0, status::OK);
    assert_eq!(write(&mut world, own, START, &[1]), status::BAD_STATE, "it may not write there itself");
    let ring = world.kernel.threads[own.0.thread].ring_address;
    assert_eq!(write(&mut world, own, ring, &[1]), status::BAD_STATE, "rings belong to their threads");
}

#[test]
fn a_list_that_is_longer_than_its_message_is_not_read() {
    const START: u64 = 0x4000_0000;
    let mut world = World::new();
    let own = space(&mut world, PLENTY);
    assert_eq!(vm(&mut world, own, commit::METHOD, &[START, PAGE, access::READ_WRITE.into()]).0, status::OK);
    for pointer in
        [1 | 5 << 32 | 2 << 35, 5 | 5 << 32 | 1 << 35, u64::from(-16_i32 as u32 | 1) | 5 << 32 | 1 << 35, 1 | 2 << 32]
    {
        let data = [START, pointer, 7];
        world.write(own.0, 0, &[1 << 32 | 1 << 48, data[0], data[1], data[2]]);
        let entry = Submission {
            op: op::CALL,
            handle: own.1,
            interface: virtual_memory::ID,
            method: virtual_memory::write::METHOD,
            message_bytes: 32,
            result_offset: 1024,
            result_bytes: 64,
            ..Submission::default()
        };
        assert_eq!(world.run(own.0, entry)[0].status, status::BAD_MESSAGE, "{pointer:#x}");
    }
    assert!(world.kernel.platform.written.is_empty());
}

#[test]
fn every_piece_of_a_mapping_shows_the_pages_that_it_was_cut_from() {
    const PAGES: u64 = 6;
    let mut world = World::new();
    let own = space(&mut world, PLENTY);
    let actor = own.0;
    let ledger = world.ledger(actor);
    let create = ledger::create_memory_object::METHOD;
    let made = world.call_kernel(actor, ledger, ledger::ID, create, &[PAGES * PAGE]).1[0];
    let Object::Memory(object) = world.kernel.processes[actor.process].handles.get(made).expect("made").object else {
        panic!("a memory object")
    };
    let start = world.map(actor, made, PAGES * PAGE, access::READ_WRITE).expect("room");
    let page = |index: u64| start + index * PAGE;
    // Out of the middle of a piece, and from its start.
    let (unmap, hold) = (virtual_memory::unmap::METHOD, virtual_memory::hold::METHOD);
    for (method, index) in [(unmap, 1), (hold, 3), (unmap, 4)] {
        assert_eq!(vm(&mut world, own, method, &[page(index), PAGE]).0, status::OK);
    }
    let at = world.kernel.processes[actor.process].space.expect("alive").0.0;
    for index in [5, 0, 3, 2] {
        assert!(touch(&mut world, actor, page(index), FaultAccess::Write));
        let (frame, _) = world.kernel.platform.pages[&(at, page(index))];
        assert_eq!(Some(frame), world.kernel.memory[object].frame(index));
    }
}

#[test]
fn what_is_written_is_not_executed_and_what_is_executed_is_not_written() {
    for (given, wrong) in [(access::READ_WRITE, FaultAccess::Execute), (access::READ_EXECUTE, FaultAccess::Write)] {
        let mut world = World::new();
        let own = space(&mut world, PLENTY);
        let address = vm(&mut world, own, reserve::METHOD, &[2 * PAGE]).1[1];
        assert_eq!(vm(&mut world, own, commit::METHOD, &[address, 2 * PAGE, given.into()]).0, status::OK);
        assert!(touch(&mut world, own.0, address, FaultAccess::Read));
        assert!(!touch(&mut world, own.0, address + PAGE, wrong), "{wrong:?}");
    }
}

#[test]
fn protection_reaches_every_page_that_is_there_and_no_other() {
    // More than one step changes.
    const PAGES: u64 = 70;
    let mut world = World::new();
    let own = space(&mut world, PLENTY);
    let address = vm(&mut world, own, reserve::METHOD, &[(PAGES + 2) * PAGE]).1[1];
    let data = [address, (PAGES + 2) * PAGE, access::READ_WRITE.into()];
    assert_eq!(vm(&mut world, own, commit::METHOD, &data).0, status::OK);
    for index in 0..PAGES + 2 {
        assert!(touch(&mut world, own.0, address + index * PAGE, FaultAccess::Write));
    }
    assert_eq!(
        vm(&mut world, own, protect::METHOD, &[address + PAGE, PAGES * PAGE, access::READ.into()]).0,
        status::OK
    );
    let at = world.kernel.processes[own.0.process].space.expect("alive").0.0;
    for index in 0..PAGES + 2 {
        let wanted = if (1..=PAGES).contains(&index) { Access::Read } else { Access::ReadWrite };
        assert_eq!(world.kernel.platform.pages[&(at, address + index * PAGE)].1, wanted, "page {index}");
    }
}

#[test]
fn a_range_ends_where_it_ends() {
    const PAGES: u64 = 4;
    let mut world = World::new();
    let own = space(&mut world, PLENTY);
    let start = 0x4000_0000;
    let whole = PAGES * PAGE;
    assert_eq!(vm(&mut world, own, reserve::METHOD, &[whole, start]).0, status::OK);
    for (begin, bytes) in [(start, whole + PAGE), (start - PAGE, whole + PAGE)] {
        let data = [begin, bytes, access::READ_WRITE.into()];
        assert_eq!(vm(&mut world, own, commit::METHOD, &data).0, status::BAD_STATE, "{begin:#x}, {bytes:#x}");
    }
    assert_eq!(vm(&mut world, own, commit::METHOD, &[start, whole, access::READ_WRITE.into()]).0, status::OK);
    for method in [protect::METHOD, decommit::METHOD, virtual_memory::unmap::METHOD] {
        for begin in [start, start - PAGE] {
            let data = [begin, whole + PAGE, access::READ.into()];
            assert_eq!(vm(&mut world, own, method, &data).0, status::BAD_STATE, "method {method} from {begin:#x}");
        }
    }
    for index in 0..PAGES {
        assert!(touch(&mut world, own.0, start + index * PAGE, FaultAccess::Write), "nothing was changed");
    }
    for (begin, wanted) in
        [(start + whole - PAGE, status::BAD_STATE), (start - PAGE, status::BAD_STATE), (start + whole, status::OK)]
    {
        assert_eq!(vm(&mut world, own, reserve::METHOD, &[2 * PAGE, begin]).0, wanted, "{begin:#x}");
    }
    assert_eq!(vm(&mut world, own, reserve::METHOD, &[PAGE, start - PAGE]).0, status::OK);
}

#[test]
fn addresses_and_objects_end_where_they_end() {
    let mut world = World::new();
    let own = space(&mut world, PLENTY);
    let cases = [
        (FIRST_ADDRESS - PAGE, PAGE, status::BAD_ARGUMENT),
        (FIRST_ADDRESS, PAGE, status::OK),
        (LAST_ADDRESS - PAGE, 2 * PAGE, status::BAD_ARGUMENT),
        (LAST_ADDRESS, PAGE, status::BAD_ARGUMENT),
        (LAST_ADDRESS - PAGE, PAGE, status::OK),
    ];
    for (address, bytes, wanted) in cases {
        assert_eq!(vm(&mut world, own, reserve::METHOD, &[bytes, address]).0, wanted, "{address:#x}, {bytes:#x}");
    }
    let ledger = world.ledger(own.0);
    let create = ledger::create_memory_object::METHOD;
    let made = world.call_kernel(own.0, ledger, ledger::ID, create, &[2 * PAGE]).1[0];
    assert_eq!(world.map(own.0, made, 3 * PAGE, access::READ), Err(status::BAD_ARGUMENT));
    assert!(world.map(own.0, made, 2 * PAGE, access::READ).is_ok());
}

#[test]
fn a_gap_may_end_where_addresses_end() {
    const PAGES: u64 = 3;
    let mut world = World::new();
    let own = space(&mut world, PLENTY);
    let first = LAST_ADDRESS - PAGES * PAGE;
    // The ring lies somewhere before; all behind it is taken but for the last pages.
    let taken = world.kernel.processes[own.0.process].ranges.last().expect("the ring").end;
    assert_eq!(vm(&mut world, own, reserve::METHOD, &[first - taken, taken]).0, status::OK);
    assert_eq!(vm(&mut world, own, reserve::METHOD, &[(PAGES + 1) * PAGE]).0, status::BAD_ARGUMENT);
    let (done, words) = vm(&mut world, own, reserve::METHOD, &[PAGES * PAGE]);
    assert_eq!((done, words[1]), (status::OK, first));
    assert_eq!(vm(&mut world, own, reserve::METHOD, &[PAGE]).0, status::BAD_ARGUMENT, "nothing is left");
}
