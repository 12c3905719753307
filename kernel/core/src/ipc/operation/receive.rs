//! RECV: opens a pool of slots for the calls of an endpoint.
use super::deliver::HEADER_BYTES;
use super::{Refusal, Step};
use crate::Kernel;
use crate::authority::capability::Object;
use crate::execution::thread::Thread;
use crate::heap::{self, Payer, make_room};
use crate::ipc::endpoint::MAX_RECEIVERS;
use crate::ipc::record::{MAX_POOL_SLOTS, PoolSlot, PoolSlotState, ReceiveRecord, Record, Waiter};
use crate::platform::Platform;
use crate::slab::Id;
use capos_abi::ring::Submission;
use capos_abi::status;

impl<P: Platform> Kernel<P> {
    #[inline(never)]
    pub(super) fn receive(&mut self, thread: Id<Thread>, entry: &Submission) -> Result<Step, Refusal> {
        Self::check_flags(entry, 0)?;
        let process = self.threads[thread].process;
        let capability = self.processes[process].handles.get(entry.handle).ok_or(status::STALE)?;
        let Object::Endpoint(endpoint) = capability.object else { return Err(status::WRONG_INTERFACE.into()) };
        let payer = self.endpoints[endpoint].ledger.ok_or(status::STALE)?;
        if self.endpoints[endpoint].receivers.len() == MAX_RECEIVERS {
            return Err(status::BAD_STATE.into());
        }
        let accepted = entry.caps >> 4;
        if entry.arg == 0 || entry.arg > MAX_POOL_SLOTS {
            return Err(status::BAD_ARGUMENT.into());
        }
        let needed = HEADER_BYTES + u32::from(accepted) * 8 + self.endpoints[endpoint].max_message_bytes;
        if entry.result_bytes < needed {
            return Err(status::TOO_BIG.into());
        }
        let pool_bytes = u32::try_from(entry.arg * u64::from(entry.result_bytes)).map_err(|_| status::BAD_RANGE)?;
        let area = self.threads[thread].ring.area;
        let slot = area.range(entry.message_offset, entry.result_bytes);
        let (Some(_), Some(pool)) = (slot, area.range(entry.message_offset, pool_bytes)) else {
            return self.reach_further(thread);
        };
        self.check_tag(thread, entry.tag)?;
        let receivers = &mut self.endpoints[endpoint].receivers;
        make_room(receivers, 1, Payer { ledgers: &mut self.ledgers, ledger: payer, stay: &mut self.stay })?;
        let mut slots = heap::allocate(entry.arg as usize, &mut self.ledgers[self.threads[thread].ledger])?;
        slots.resize(entry.arg as usize, PoolSlot { generation: 0, state: PoolSlotState::Free });
        let record = ReceiveRecord {
            handle: entry.handle,
            user_data: entry.user_data,
            endpoint,
            pool_offset: pool.offset,
            slot_bytes: entry.result_bytes,
            accepted,
            slots,
            free: (1 << entry.arg) - 1,
            is_closed: false,
        };
        self.endpoints[endpoint].receivers.push(Waiter { thread, tag: entry.tag });
        self.retain(Object::Endpoint(endpoint));
        self.threads[thread].has_work = true;
        self.threads[thread].ring.start(entry.tag, Record::Receive(record));
        Ok(Step::Pending)
    }
}
