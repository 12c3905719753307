//! `Process`: filling, starting, ending and watching a process.
use super::KernelCall;
use crate::Kernel;
use crate::authority::capability::{Capability, Object};
use crate::execution::process::{Outcome, Process, State};
use crate::execution::stay::cost;
use crate::ipc::message::{Params, Reply};
use crate::ipc::operation::{Refusal, Step, refused};
use crate::ipc::record::{MethodTarget, Waiter};
use crate::platform::Platform;
use crate::slab::Id;
use capos_abi::handle::{Handle, NULL};
use capos_abi::interface;
use capos_abi::interface::process::{
    crash, exit, grant, grant_all, handle_faults, inspect, kill, outcome, reach, resume, set_session, start, state,
    suspend, wait,
};
use capos_abi::message::MAX_CAPS;
use capos_abi::status::{self, transfer};

impl<P: Platform> Kernel<P> {
    pub(super) fn process(
        &mut self,
        id: Id<Process>,
        call: &KernelCall<'_>,
        params: &Params<'_>,
    ) -> Result<Step, Refusal> {
        self.stay.spend(cost::METHOD);
        match call.entry.method {
            grant::METHOD => self.grant_to_process(id, call, params),
            grant_all::METHOD => self.grant_all(id, call, params),
            start::METHOD => self.start_process(id, call),
            kill::METHOD => {
                call.check_room(kill::results::SHAPE, 0, 0)?;
                let step = self.answer(call, &Reply::new(kill::results::SHAPE));
                self.end_process(id, Outcome::Killed);
                step
            }
            exit::METHOD => {
                call.check_room(exit::results::SHAPE, 0, 0)?;
                let step = self.answer(call, &Reply::new(exit::results::SHAPE));
                self.end_process(id, Outcome::Exited(params.get(exit::params::CODE) as u32 as i32));
                step
            }
            wait::METHOD => self.wait_for_process(id, call),
            inspect::METHOD => self.inspect_process(id, call),
            set_session::METHOD => self.set_session(id, call, params),
            suspend::METHOD => self.suspend_process(id, call),
            resume::METHOD => self.resume_process(id, call),
            crash::METHOD => self.crash_record(id, call),
            handle_faults::METHOD => self.handle_faults(id, call),
            _ => Err(status::UNIMPLEMENTED.into()),
        }
    }

    fn grant_to_process(
        &mut self,
        id: Id<Process>,
        call: &KernelCall<'_>,
        params: &Params<'_>,
    ) -> Result<Step, Refusal> {
        let (slot, capability) = self.sent_slot(call, params, grant::params::CAPABILITY)?;
        call.check_room(grant::results::SHAPE, 0, 0)?;
        self.check_alive(id)?;
        let (reach, disclosable) = (params.get(grant::params::REACH), params.get(grant::params::DISCLOSABLE));
        let given = self.granted(id, call, capability, reach, disclosable)?;
        self.reserve_handles(id, 1)?;
        let copy = self.insert_derived(slot, id, given);
        let mut reply = Reply::new(grant::results::SHAPE);
        reply.set(grant::results::HANDLE, self.handle_of(copy));
        self.answer(call, &reply)
    }

    fn grant_all(&mut self, id: Id<Process>, call: &KernelCall<'_>, params: &Params<'_>) -> Result<Step, Refusal> {
        use grant_all::{params as p, results};
        let (caps, grants) = (self.all_sent(call)?, params.structs(p::GRANTS)?);
        if grants.len() > MAX_CAPS {
            return Err(status::BAD_ARGUMENT.into());
        }
        call.check_room(results::SHAPE, 0, grants.len() * size_of::<Handle>())?;
        self.check_alive(id)?;
        let mut given = [None; MAX_CAPS];
        for (place, grant) in given.iter_mut().zip(grants.iter()) {
            let (slot, capability) = self.slot_among(&caps, call, &grant, p::grants::CAPABILITY)?;
            let (reach, disclosable) = (grant.get(p::grants::REACH), grant.get(p::grants::DISCLOSABLE));
            *place = Some((slot, self.granted(id, call, capability, reach, disclosable)?));
        }
        self.reserve_handles(id, grants.len() as u32)?;
        let mut handles = [NULL; MAX_CAPS];
        for (handle, (slot, capability)) in handles.iter_mut().zip(given.into_iter().flatten()) {
            self.stay.spend(cost::GRANT);
            let copy = self.insert_derived(slot, id, capability);
            *handle = self.handle_of(copy);
        }
        let mut reply = Reply::new(results::SHAPE);
        reply.set_words(results::HANDLES, grants.len());
        self.answer_words(call, &reply, handles.get(..grants.len()).unwrap_or_default())
    }

    fn check_alive(&self, id: Id<Process>) -> Result<(), Refusal> {
        if self.processes[id].is_alive() { Ok(()) } else { Err(status::BAD_STATE.into()) }
    }

    /// What a process gets of a capability that the caller holds.
    fn granted(
        &self,
        to: Id<Process>,
        call: &KernelCall<'_>,
        capability: Capability,
        reach: u64,
        disclosable: u64,
    ) -> Result<Capability, Refusal> {
        if capability.confined && !self.share_session(call.process(), to) {
            return Err(refused(0, transfer::CONFINED));
        }
        let confined = match u16::try_from(reach) {
            Ok(reach::OPEN) => capability.confined,
            Ok(reach::SESSION) => true,
            _ => return Err(status::BAD_ARGUMENT.into()),
        };
        Ok(Capability { confined, disclosable: capability.disclosable & disclosable as u8, ..capability })
    }

    fn set_session(&mut self, id: Id<Process>, call: &KernelCall<'_>, params: &Params<'_>) -> Result<Step, Refusal> {
        let (_, capability) = self.sent_slot(call, params, set_session::params::SESSION)?;
        call.check_room(set_session::results::SHAPE, 0, 0)?;
        let (Object::Session(session) | Object::SessionControl(session)) = capability.object else {
            return Err(status::BAD_ARGUMENT.into());
        };
        // A process that holds something may hold what must stay in its session.
        let process = &self.processes[id];
        if process.state != State::Created || process.handles.used() > 0 || self.sessions[session].ended {
            return Err(status::BAD_STATE.into());
        }
        let left = self.processes[id].session;
        self.join_session(id, session);
        self.release_session(left);
        self.answer(call, &Reply::new(set_session::results::SHAPE))
    }

    fn start_process(&mut self, id: Id<Process>, call: &KernelCall<'_>) -> Result<Step, Refusal> {
        call.check_room(start::results::SHAPE, 0, 0)?;
        if self.processes[id].state != State::Created || self.processes[id].threads.is_empty() {
            return Err(status::BAD_STATE.into());
        }
        self.begin_process(id);
        self.answer(call, &Reply::new(start::results::SHAPE))
    }

    fn wait_for_process(&mut self, id: Id<Process>, call: &KernelCall<'_>) -> Result<Step, Refusal> {
        call.check_room(wait::results::SHAPE, 0, 0)?;
        if let State::Ended(outcome) = self.processes[id].state {
            return self.answer(call, &wait_reply(outcome));
        }
        self.start_method(call, MethodTarget::Process(id))
    }

    fn suspend_process(&mut self, id: Id<Process>, call: &KernelCall<'_>) -> Result<Step, Refusal> {
        call.check_room(suspend::results::SHAPE, 0, 0)?;
        let may = matches!(self.processes[id].state, State::Running | State::Suspended);
        // Who suspends itself could not be answered.
        if !may || id == call.process() {
            return Err(status::BAD_STATE.into());
        }
        if !self.suspend_step(id) {
            return Ok(Step::Again);
        }
        self.answer(call, &Reply::new(suspend::results::SHAPE))
    }

    fn resume_process(&mut self, id: Id<Process>, call: &KernelCall<'_>) -> Result<Step, Refusal> {
        call.check_room(resume::results::SHAPE, 0, 0)?;
        if !matches!(self.processes[id].state, State::Running | State::Suspended) {
            return Err(status::BAD_STATE.into());
        }
        if self.processes[id].state == State::Suspended {
            self.begin_process(id);
        }
        self.answer(call, &Reply::new(resume::results::SHAPE))
    }

    fn crash_record(&mut self, id: Id<Process>, call: &KernelCall<'_>) -> Result<Step, Refusal> {
        use crash::results;
        let mut reply = Reply::new(results::SHAPE);
        let Some(crash) = &self.processes[id].crash else {
            call.check_room(results::SHAPE, 0, 0)?;
            return self.answer(call, &reply);
        };
        let (blob, bytes) = super::bytes_of(&crash.words);
        call.check_room(results::SHAPE, 0, bytes)?;
        reply.set(results::FAULT, u64::from(crash.fault.kind as u16));
        reply.set(results::THREAD, u64::from(crash.thread));
        reply.set(results::ADDRESS, crash.fault.address);
        reply.set(results::INSTRUCTION, crash.fault.instruction);
        reply.set_blob(results::WORDS, bytes);
        self.answer_with(call, &reply, &[], blob.get(..bytes).unwrap_or_default())
    }

    fn handle_faults(&mut self, id: Id<Process>, call: &KernelCall<'_>) -> Result<Step, Refusal> {
        use handle_faults::results;
        if !self.processes[id].is_alive() || self.processes[id].handlers > 0 {
            return Err(status::BAD_STATE.into());
        }
        let handler = Capability::new(Object::Faults(id), interface::fault_handler::ID);
        self.answer_derived(call, results::SHAPE, results::HANDLER, handler)
    }

    /// Answers a `wait`.
    pub(crate) fn answer_wait(&mut self, waiter: Waiter, outcome: Outcome) {
        self.finish_method(waiter, &wait_reply(outcome));
    }

    fn inspect_process(&mut self, id: Id<Process>, call: &KernelCall<'_>) -> Result<Step, Refusal> {
        use inspect::results;
        let process = &self.processes[id];
        let mut name = [0; crate::execution::process::NAME_BYTES + 1];
        let text = process.name().as_bytes();
        name.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
        let name = name.get(..=text.len()).unwrap_or_default();
        call.check_room(results::SHAPE, 0, name.len())?;
        let mut reply = Reply::new(results::SHAPE);
        reply.set(results::ID, u64::from(id.index()));
        reply.set(results::STATE, u64::from(abi_state(process.state)));
        reply.set(results::THREADS, process.threads.len() as u64);
        reply.set(results::HANDLES, u64::from(process.handles.used()));
        reply.set_blob(results::NAME, name.len());
        self.answer_with(call, &reply, &[], name)
    }
}

fn abi_state(current: State) -> u16 {
    match current {
        State::Created => state::CREATED,
        State::Running | State::Ending(_) => state::RUNNING,
        State::Suspended => state::SUSPENDED,
        State::Ended(_) => state::ENDED,
    }
}

fn wait_reply(ended: Outcome) -> Reply {
    use wait::results;
    let mut reply = Reply::new(results::SHAPE);
    match ended {
        Outcome::Exited(code) => {
            reply.set(results::OUTCOME, u64::from(outcome::EXITED));
            reply.set(results::CODE, code as u32 as u64);
        }
        Outcome::Killed => reply.set(results::OUTCOME, u64::from(outcome::KILLED)),
        Outcome::Faulted(fault) => {
            reply.set(results::OUTCOME, u64::from(outcome::FAULTED));
            reply.set(results::FAULT, u64::from(fault.kind as u16));
            reply.set(results::ADDRESS, fault.address);
            reply.set(results::INSTRUCTION, fault.instruction);
        }
    }
    reply
}
