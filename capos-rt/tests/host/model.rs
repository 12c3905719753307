//! A kernel in miniature: one process, one ring that calls itself, one endpoint. Enough to run the hooks on the host.
use capos_abi::interface::{endpoint_server, ledger, memory_object, virtual_memory};
use capos_abi::message::{CapDescriptor, DeliveryHeader, delivery_flag, mode};
use capos_abi::ring::*;
use capos_abi::status;
use capos_rt::ring;
use capos_rt::syscall::set_kernel;
use std::cell::RefCell;
use std::collections::VecDeque;

/// Handle of the endpoint.
pub const ENDPOINT: u64 = handle(1);
/// Handle of the third durable object.
pub const INTERRUPT: u64 = handle(4);

const fn handle(index: u64) -> u64 {
    1 << 32 | index
}

#[derive(Clone, Copy, PartialEq)]
enum Object {
    Endpoint,
    /// An object of the endpoint, and the origin it was copied from.
    Served {
        interface: u64,
        key: u64,
        origin: Option<u64>,
    },
    /// Memory of so many words at this address.
    Memory {
        address: u64,
        words: usize,
        sealed: bool,
    },
}

/// Bytes of the largest memory that the endpoint takes as a message.
pub const LARGE_BYTES: u64 = 2 << 20;
/// No startup block names the process's own `Ledger` and `VirtualMemory`: this stands for both.
const OWN: u64 = 0;

#[derive(Clone, Copy)]
struct Slot {
    token: u64,
    call: Option<Submission>,
    taken: bool,
}

/// The model's state.
struct Model {
    area: *mut u8,
    sq_head: u32,
    cq_tail: u32,
    objects: Vec<Option<Object>>,
    queue: VecDeque<Submission>,
    receive: Option<(Submission, Vec<Slot>)>,
    waits: Vec<Submission>,
    transferred: u64,
    /// Mappings of memory.
    mapped: u32,
    /// How often the program has entered.
    entries: u32,
    /// Every operation, and at which entry it started.
    started: Vec<(u8, u32)>,
    /// Whether the runtime is told of objects of its own. If not, it plays two processes.
    tells_own: bool,
}

thread_local!(static MODEL: RefCell<Option<Model>> = const { RefCell::new(None) });

/// Gives this thread a ring of so many bytes over a new model, and durable objects of these interfaces with keys from 0.
pub fn start(area_bytes: u32, durable: &[u64]) -> Vec<u64> {
    let words = vec![0u64; area_bytes as usize / 8].leak();
    let area: *mut u8 = words.as_mut_ptr().cast();
    let arena_bytes = area_bytes - ARENA_OFFSET;
    words[0] = u64::from(ABI_VERSION) | u64::from(area_bytes) << 32;
    words[1] = u64::from(arena_bytes);
    let mut objects = vec![None, Some(Object::Endpoint)];
    objects.extend((0..).zip(durable).map(|(key, &interface)| Some(Object::Served { interface, key, origin: None })));
    let model = Model {
        area,
        sq_head: 0,
        cq_tail: 0,
        objects,
        queue: VecDeque::new(),
        receive: None,
        waits: Vec::new(),
        transferred: 0,
        mapped: 0,
        entries: 0,
        started: Vec::new(),
        tells_own: false,
    };
    MODEL.set(Some(model));
    set_kernel(enter);
    // SAFETY: the area was made for this thread.
    unsafe { ring::attach(area, 0) };
    (0..durable.len() as u64).map(|index| handle(index + 2)).collect()
}

/// Handles in use, and capabilities that were transferred so far.
pub fn counts() -> (usize, u64) {
    ring::with(|ring| ring.enter(0, 0));
    MODEL.with_borrow(|model| {
        let model = model.as_ref().expect("started");
        (model.objects.iter().flatten().count(), model.transferred)
    })
}

/// From now on the runtime is told of objects of its own that it receives.
pub fn tell_own() {
    MODEL.with_borrow_mut(|model| model.as_mut().expect("started").tells_own = true);
}

/// At which entries of the kernel operations of this kind have started.
pub fn started(op: u8) -> Vec<u32> {
    MODEL.with_borrow(|model| {
        let all = &model.as_ref().expect("started").started;
        all.iter().filter(|(started, _)| *started == op).map(|(_, entry)| *entry).collect()
    })
}

/// Mappings of memory that there are.
pub fn mappings() -> u32 {
    MODEL.with_borrow(|model| model.as_ref().expect("started").mapped)
}

/// Whether a handle is in use.
pub fn holds(handle: u64) -> bool {
    MODEL.with_borrow(|model| model.as_ref().is_some_and(|model| model.object(handle).is_some()))
}

fn enter(min_complete: u32, _deadline: u64) -> u64 {
    MODEL.with_borrow_mut(|model| model.as_mut().expect("started").enter(min_complete))
}

impl Model {
    fn enter(&mut self, min_complete: u32) -> u64 {
        self.entries += 1;
        while self.sq_head != self.load(0x40) {
            let place = SUBMISSION_OFFSET + self.sq_head % SUBMISSION_ENTRIES * 64;
            let entry: Submission = self.read(place);
            self.sq_head = self.sq_head.wrapping_add(1);
            self.store(0xc0, self.sq_head);
            self.started.push((entry.op, self.entries));
            self.operate(entry);
        }
        self.deliver();
        while self.unread() < min_complete {
            let timer = self.waits.iter().position(|wait| wait.deadline != 0).expect("the program would wait for ever");
            let wait = self.waits.remove(timer);
            self.done(&wait, status::DEADLINE, 0, 0, 0);
        }
        self.unread().into()
    }

    fn operate(&mut self, entry: Submission) {
        let quiet = entry.flags & flag::QUIET != 0;
        let result = match entry.op {
            op::CALL => return self.call(entry),
            op::RECV => {
                let free = Slot { token: 0, call: None, taken: false };
                self.receive = Some((entry, vec![free; entry.arg as usize]));
                return;
            }
            op::WAIT => return self.waits.push(entry),
            op::RETURN => self.reply(&entry),
            op::CANCEL => self.cancel(entry.arg as u16),
            op::RELEASE => self.release(&entry),
            op::NOP | op::SIGNAL => Ok(()),
            _ => Err(status::BAD_OPCODE),
        };
        match result {
            Ok(()) if quiet => {}
            Ok(()) => self.done(&entry, status::OK, 0, 0, 0),
            Err(status) => self.done(&entry, status, 0, 0, 0),
        }
    }

    fn object(&self, handle: u64) -> Option<Object> {
        self.objects.get(handle as u32 as usize).copied().flatten()
    }

    fn call(&mut self, entry: Submission) {
        if entry.handle == OWN {
            return self.call_own(&entry);
        }
        match self.object(entry.handle) {
            Some(Object::Served { .. }) if entry.flags & flag::SPILLED != 0 => match self.check_large(&entry) {
                Ok(()) => self.queue.push_back(entry),
                Err((status, value)) => self.done(&entry, status, 0, 0, value),
            },
            Some(Object::Served { .. }) => self.queue.push_back(entry),
            Some(Object::Memory { .. }) => self.seal(&entry),
            Some(Object::Endpoint) if entry.interface == endpoint_server::ID => match entry.method {
                endpoint_server::identify::METHOD => self.identify(&entry),
                _ => self.mint(&entry),
            },
            Some(Object::Endpoint) => self.done(&entry, status::WRONG_INTERFACE, 0, 0, 0),
            None => self.done(&entry, status::STALE, 0, 0, 0),
        }
    }

    /// Makes memory, maps it (where it is already) or unmaps it.
    fn call_own(&mut self, entry: &Submission) {
        let data = ARENA_OFFSET + entry.message_offset + u32::from(entry.caps & 15) * 16 + 8;
        if entry.interface == ledger::ID {
            let bytes: u64 = self.read(data);
            let words = vec![0u64; bytes.div_ceil(4096) as usize * 512].leak();
            let address = words.as_mut_ptr().expose_provenance() as u64;
            let made = self.insert(Object::Memory { address, words: words.len(), sealed: false });
            self.write(ARENA_OFFSET + entry.result_offset, [made, 1 << 48, 3]);
            return self.done(entry, status::OK, 24, 1, 0);
        }
        assert_eq!(entry.interface, virtual_memory::ID);
        if entry.method == virtual_memory::unmap::METHOD {
            self.mapped -= 1;
            return self.done(entry, status::OK, 0, 0, 0);
        }
        if entry.method == virtual_memory::hold::METHOD {
            return self.done(entry, status::OK, 0, 0, 0);
        }
        let [_, bytes, _, access]: [u64; 4] = self.read(data);
        let object: CapDescriptor = self.read(ARENA_OFFSET + entry.message_offset);
        let Some(Object::Memory { address, words, sealed }) = self.object(object.handle) else {
            return self.done(entry, status::BAD_ARGUMENT, 0, 0, 0);
        };
        let writes = access == u64::from(virtual_memory::access::READ_WRITE);
        if bytes > words as u64 * 8 || (sealed && writes) {
            return self.done(entry, status::BAD_ARGUMENT, 0, 0, 0);
        }
        self.mapped += 1;
        self.write(ARENA_OFFSET + entry.result_offset, [1 << 32, address]);
        self.done(entry, status::OK, 16, 0, 0);
    }

    fn seal(&mut self, entry: &Submission) {
        assert_eq!((entry.interface, entry.method), (memory_object::ID, memory_object::seal::METHOD));
        let Some(Some(Object::Memory { sealed, .. })) = self.objects.get_mut(entry.handle as u32 as usize) else {
            return self.done(entry, status::STALE, 0, 0, 0);
        };
        *sealed = true;
        self.done(entry, status::OK, 0, 0, 0);
    }

    /// What the kernel vouches for: the first capability is sealed memory of a size that the endpoint takes.
    fn check_large(&self, entry: &Submission) -> Result<(), (i32, u64)> {
        let first: CapDescriptor = self.read(ARENA_OFFSET + entry.message_offset);
        match self.object(first.handle) {
            Some(Object::Memory { sealed: true, words, .. }) if words as u64 * 8 <= LARGE_BYTES => Ok(()),
            Some(Object::Memory { sealed: true, .. }) => Err((status::TOO_BIG, LARGE_BYTES)),
            _ => Err((status::BAD_STATE, 0)),
        }
    }

    fn mint(&mut self, entry: &Submission) {
        let [interface, key]: [u64; 2] = self.read(ARENA_OFFSET + entry.message_offset + 8);
        let made = self.insert(Object::Served { interface, key, origin: None });
        self.write(ARENA_OFFSET + entry.result_offset, [made, 1 << 48, 3]);
        self.done(entry, status::OK, 24, 1, 0);
    }

    /// Which object of this process a capability stands for.
    fn identify(&mut self, entry: &Submission) {
        let sent: CapDescriptor = self.read(ARENA_OFFSET + entry.message_offset);
        let answer = match self.object(sent.handle) {
            Some(Object::Served { interface, key, origin: Some(_) }) => [3 << 32, 1, interface, key],
            _ => [3 << 32, 0, 0, 0],
        };
        self.write(ARENA_OFFSET + entry.result_offset, answer);
        self.done(entry, status::OK, 32, 0, 0);
    }

    fn insert(&mut self, object: Object) -> u64 {
        self.objects.push(Some(object));
        handle(self.objects.len() as u64 - 1)
    }

    /// Copies the capabilities that stand at `from`; the handles are given to the receiver.
    fn transfer(&mut self, from: u32, count: u8) -> Vec<u64> {
        (0..u32::from(count))
            .map(|index| {
                let sent: CapDescriptor = self.read(ARENA_OFFSET + from + index * 16);
                match self.object(sent.handle) {
                    Some(Object::Served { interface, key, origin }) => {
                        self.transferred += 1;
                        let origin = origin.or((key >> 32 != 0).then_some(sent.handle));
                        self.insert(Object::Served { interface, key, origin })
                    }
                    Some(memory @ Object::Memory { .. }) => {
                        assert_eq!(sent.mode, mode::MOVE);
                        self.objects[sent.handle as u32 as usize] = None;
                        self.insert(memory)
                    }
                    _ => 0,
                }
            })
            .collect()
    }

    /// Whether a capability that a call carries was given up while the call waited.
    fn carries_stale(&self, call: &Submission) -> bool {
        (0..u32::from(call.caps & 15)).any(|index| {
            let sent: CapDescriptor = self.read(ARENA_OFFSET + call.message_offset + index * 16);
            sent.handle != 0 && self.object(sent.handle).is_none()
        })
    }

    /// What a completion says of the capabilities that came with it.
    fn flags_of(&self, handles: &[u64]) -> u16 {
        let own = |handle: &u64| matches!(self.object(*handle), Some(Object::Served { origin: Some(_), .. }));
        if self.tells_own && handles.iter().any(own) { completion_flag::OWN_OBJECT } else { 0 }
    }

    fn deliver(&mut self) {
        while let Some((receive, slots)) = &self.receive
            && let Some(slot) = slots.iter().position(|slot| !slot.taken)
            && let Some(call) = self.queue.pop_front()
        {
            let receive = *receive;
            let Some(Object::Served { interface, key, .. }) = self.object(call.handle) else {
                self.done(&call, status::STALE, 0, 0, 0);
                continue;
            };
            if self.carries_stale(&call) {
                self.done(&call, status::BAD_CAPABILITY, 0, 0, 0);
                continue;
            }
            let caps = call.caps & 15;
            let handles = self.transfer(call.message_offset, caps);
            let segment_bytes = call.message_bytes - u32::from(caps) * 16;
            let header = DeliveryHeader {
                granted_interface: interface,
                key,
                called_interface: call.interface,
                segment_bytes,
                method: call.method,
                caps,
                flags: if call.flags & flag::SPILLED != 0 { delivery_flag::SPILLED } else { 0 },
                result_bytes: call.result_bytes,
                ..DeliveryHeader::default()
            };
            let base = receive.message_offset + slot as u32 * receive.result_bytes;
            self.write(ARENA_OFFSET + base, header);
            self.put(base + 64, &handles, call.message_offset + u32::from(caps) * 16, segment_bytes);
            let Some((_, slots)) = &mut self.receive else { unreachable!() };
            let token = slots[slot].token % (1 << 40) + (1 << 40) + slot as u64;
            slots[slot] = Slot { token, call: Some(call), taken: true };
            self.post(Completion {
                user_data: receive.user_data,
                kind: kind::DELIVERY,
                flags: self.flags_of(&handles),
                caps,
                slot: slot as u16,
                value: token,
                bytes: 64 + u32::from(caps) * 8 + segment_bytes,
                ..Completion::default()
            });
        }
    }

    fn reply(&mut self, entry: &Submission) -> Result<(), i32> {
        let spilled = entry.flags & flag::SPILLED != 0;
        if spilled {
            self.check_large(entry).map_err(|(status, _)| status)?;
        }
        let slots = &mut self.receive.as_mut().ok_or(status::TOO_LATE)?.1;
        let slot = slots.iter_mut().find(|slot| slot.taken && slot.token == entry.arg).ok_or(status::TOO_LATE)?;
        let Some(call) = slot.call else {
            slot.taken = false;
            return Err(status::CALLER_GONE);
        };
        let caps = entry.caps & 15;
        let bytes = entry.message_bytes - u32::from(caps) * 8;
        if caps > call.caps >> 4 {
            return Err(status::NOT_ACCEPTED);
        }
        if bytes > call.result_bytes {
            return Err(status::TOO_BIG);
        }
        *slot = Slot { call: None, taken: false, ..*slot };
        let handles = self.transfer(entry.message_offset, caps);
        let segment = entry.message_offset + u32::from(caps) * 16;
        self.put(call.result_offset, &handles, segment, entry.message_bytes - u32::from(caps) * 16);
        let status = if entry.flags & flag::EXCEPTION != 0 { status::EXCEPTION } else { status::OK };
        let flags = self.flags_of(&handles) | if spilled { completion_flag::SPILLED } else { 0 };
        let (user_data, tag) = (call.user_data, call.tag);
        self.post(Completion { user_data, status, bytes, caps, flags, tag, ..Completion::default() });
        Ok(())
    }

    fn cancel(&mut self, tag: u16) -> Result<(), i32> {
        if let Some((receive, _)) = self.receive.filter_tag(tag) {
            self.done(&receive, status::CANCELLED, 0, 0, 0);
        } else if let Some(at) = self.queue.iter().position(|call| call.tag == tag) {
            let call = self.queue.remove(at).expect("found");
            self.done(&call, status::CANCELLED, 0, 0, 0);
        } else if let Some(at) = self.waits.iter().position(|wait| wait.tag == tag) {
            let wait = self.waits.remove(at);
            self.done(&wait, status::CANCELLED, 0, 0, 0);
        } else {
            let (receive, slots) = self.receive.as_mut().ok_or(status::TOO_LATE)?;
            let user_data = receive.user_data;
            let slot =
                slots.iter_mut().find(|slot| slot.call.is_some_and(|call| call.tag == tag)).ok_or(status::TOO_LATE)?;
            let (token, call) = (slot.token, slot.call.take().expect("found"));
            self.post(Completion { user_data, kind: kind::CANCEL_NOTICE, value: token, ..Completion::default() });
            self.done(&call, status::CANCELLED, 0, 0, 0);
        }
        Ok(())
    }

    fn release(&mut self, entry: &Submission) -> Result<(), i32> {
        let object = self.object(entry.handle).ok_or(status::STALE)?;
        if entry.flags & flag::IF_UNREFERENCED != 0 && self.children(entry.handle) != 0 {
            return Err(status::BAD_STATE);
        }
        self.objects[entry.handle as u32 as usize] = None;
        if let Object::Served { origin: Some(origin), .. } = object
            && self.children(origin) == 0
            && let Some((receive, _)) = &self.receive
        {
            let user_data = receive.user_data;
            self.post(Completion { user_data, kind: kind::UNREFERENCED, value: origin, ..Completion::default() });
        }
        Ok(())
    }

    fn children(&self, of: u64) -> usize {
        self.objects
            .iter()
            .flatten()
            .filter(|o| matches!(o, Object::Served { origin, .. } if *origin == Some(of)))
            .count()
    }

    // ---- memory

    fn put(&mut self, at: u32, handles: &[u64], segment: u32, bytes: u32) {
        let words: Vec<u64> = (0..bytes / 8).map(|word| self.read(ARENA_OFFSET + segment + word * 8)).collect();
        for (index, word) in handles.iter().chain(&words).enumerate() {
            self.write(ARENA_OFFSET + at + index as u32 * 8, *word);
        }
    }

    fn done(&mut self, entry: &Submission, status: i32, bytes: u32, caps: u8, value: u64) {
        let (user_data, tag) = (entry.user_data, entry.tag);
        self.post(Completion { user_data, status, bytes, kind: kind::DONE, caps, tag, value, ..Completion::default() });
    }

    fn post(&mut self, completion: Completion) {
        assert!(self.unread() < COMPLETION_ENTRIES, "the completion queue is full");
        self.write(COMPLETION_OFFSET + self.cq_tail % COMPLETION_ENTRIES * 32, completion);
        self.cq_tail = self.cq_tail.wrapping_add(1);
        self.store(0xc4, self.cq_tail);
    }

    fn unread(&self) -> u32 {
        self.cq_tail.wrapping_sub(self.load(0x80))
    }

    fn load(&self, offset: u32) -> u32 {
        self.read(offset)
    }

    fn store(&self, offset: u32, value: u32) {
        self.write(offset, value);
    }

    fn read<T: Copy>(&self, offset: u32) -> T {
        // SAFETY: plain data within the area, which only this thread uses.
        unsafe { self.area.add(offset as usize).cast::<T>().read() }
    }

    fn write<T: Copy>(&self, offset: u32, value: T) {
        // SAFETY: plain data within the area, which only this thread uses.
        unsafe { self.area.add(offset as usize).cast::<T>().write(value) }
    }
}

/// Takes a RECV out if it has this tag.
trait FilterTag {
    fn filter_tag(&mut self, tag: u16) -> Option<(Submission, Vec<Slot>)>;
}

impl FilterTag for Option<(Submission, Vec<Slot>)> {
    fn filter_tag(&mut self, tag: u16) -> Option<(Submission, Vec<Slot>)> {
        if self.as_ref().is_some_and(|(entry, _)| entry.tag == tag) { self.take() } else { None }
    }
}
