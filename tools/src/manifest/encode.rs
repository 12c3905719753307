//! The manifest that init reads.

use super::description::{Quota, Restart, When};
use super::{Grant, Kernel, Program, Source, System};
use capnp::message::Builder;
use schema::manifest_capnp::{grant, manifest, program, quota, restart};

/// The system as a framed message.
pub fn encode(system: &System) -> Vec<u8> {
    let mut message = Builder::new_default();
    let mut programs = message.init_root::<manifest::Builder>().init_programs(length(&system.programs));
    for (index, source) in (0..).zip(&system.programs) {
        encode_program(system, source, programs.reborrow().get(index));
    }
    capnp::serialize::write_message_to_words(&message)
}

fn encode_program(system: &System, source: &Program, mut program: program::Builder) {
    program.set_name(&source.name);
    program.set_binary(&source.binary);
    let mut arguments = program.reborrow().init_arguments(length(&source.arguments));
    for (index, argument) in (0..).zip(&source.arguments) {
        arguments.set(index, argument);
    }
    encode_quota(&source.quota, program.reborrow().init_quota());
    let mut offers = program.reborrow().init_offers(length(&source.offers));
    for (index, offer) in (0..).zip(&source.offers) {
        let mut entry = offers.reborrow().get(index);
        entry.set_name(&offer.name);
        entry.set_interface_id(offer.interface);
    }
    let mut grants = program.reborrow().init_grants(length(&source.grants));
    for (index, grant) in (0..).zip(&source.grants) {
        encode_grant(system, grant, grants.reborrow().get(index));
    }
    encode_restart(&source.restart, program.init_restart());
}

fn encode_quota(source: &Quota, mut quota: quota::Builder) {
    quota.set_frames(source.frames);
    quota.set_handles(source.handles);
    quota.set_objects(source.objects);
    quota.set_threads(source.threads);
}

fn encode_grant(system: &System, source: &Grant, mut grant: grant::Builder) {
    grant.set_slot(&source.slot);
    grant.set_interface_id(source.interface);
    let mut end = grant.init_source();
    match &source.source {
        Source::Offer { program, offer } => {
            let (program, offer) = position(system, program, offer);
            let mut reference = end.init_offer();
            reference.set_program(program);
            reference.set_offer(offer);
        }
        Source::Binary(name) => end.set_binary(name),
        Source::Supervisor => end.set_supervisor(()),
        Source::Kernel(kernel) => match *kernel {
            Kernel::Clock => end.set_clock(()),
            Kernel::Entropy => end.set_entropy(()),
            Kernel::Null => end.set_null(()),
            Kernel::Log => end.set_log(()),
            Kernel::KernelLog => end.set_kernel_log(()),
            Kernel::SystemControl => end.set_system_control(()),
            Kernel::SystemStatus => end.set_system_status(()),
            Kernel::Sessions => end.set_sessions(()),
            Kernel::Scheduling => end.set_scheduling(()),
            Kernel::Interrupt { line } => end.set_interrupt(line),
            Kernel::Ports { first, count } => {
                let mut range = end.init_ports();
                range.set_first(first);
                range.set_count(count);
            }
        },
    }
}

/// Where a program that stands before, and its offer, are found.
fn position(system: &System, program: &str, offer: &str) -> (u16, u16) {
    let (program, provider) =
        (0..).zip(&system.programs).find(|(_, p)| p.name == program).expect("resolved: the program exists");
    let (offer, _) = (0..).zip(&provider.offers).find(|(_, o)| o.name == offer).expect("resolved: the offer exists");
    (program, offer)
}

fn encode_restart(source: &Restart, mut restart: restart::Builder) {
    restart.set_when(match source.when {
        When::Never => restart::When::Never,
        When::OnFailure => restart::When::OnFailure,
        When::Always => restart::When::Always,
    });
    restart.set_back_off_milliseconds(source.back_off);
    restart.set_longest_back_off_milliseconds(source.longest_back_off);
    restart.set_limit(source.limit);
    restart.set_within_seconds(source.within);
}

fn length<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).expect("fewer than 2^32 items fit into a description")
}
