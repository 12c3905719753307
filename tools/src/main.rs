//! `capos`: the host side of capOS on the command line. Each subcommand is one file in `commands/`.

mod commands;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Host tools of capOS.
#[derive(Parser)]
#[command(name = "capos", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures the stages of the kernel's start and draws them.
    BootTime(commands::boot_time::Measure),
    /// Checks rules of the tree that no compiler knows.
    Check(commands::check::Check),
    /// Searches the parsers of untrusted bytes for inputs that they do not survive.
    Fuzz(commands::fuzz::Fuzz),
    /// Draws who gives what to whom.
    Graph(commands::graph::Graph),
    /// Makes a disk image and an ISO that boot the system.
    Image(commands::image::Image),
    /// Compiles system descriptions and packs each with its programs into a boot package.
    Package(commands::package::Package),
    /// Boots a boot package in QEMU, with the serial line on this terminal.
    Run(commands::run::Run),
    /// Boots a boot package with tracing on and draws what every processor did.
    Trace(commands::trace::Trace),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::BootTime(measure) => measure.execute(),
        Command::Check(check) => check.execute(),
        Command::Fuzz(fuzz) => fuzz.execute(),
        Command::Graph(graph) => graph.execute(),
        Command::Image(image) => image.execute(),
        Command::Package(package) => package.execute(),
        Command::Run(run) => run.execute(),
        Command::Trace(trace) => trace.execute(),
    };
    result.unwrap_or_else(|error| {
        eprintln!("capos: {error:#}");
        ExitCode::FAILURE
    })
}
