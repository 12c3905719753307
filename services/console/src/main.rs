//! Takes the serial port, serves `Terminal` on it.
mod connection;
mod objects;

use std::process::ExitCode;
use std::rc::Rc;

use capos_service::{Context, Failure, spawn_local};
use connection::Console;
use objects::Whole;
use schema::terminal_capnp::terminal;

async fn connect(context: Context) -> Result<(), Failure> {
    let console = Rc::new(Console::new(context.take("serial")?));
    let keyboard = console.clone();
    spawn_local(async move {
        if let Err(error) = keyboard.keyboard().await {
            eprintln!("the serial line is lost: {error}");
            std::process::exit(1);
        }
    });
    context.offer::<terminal::Client, _>(Whole(console.clone()))?;
    context.serve().await?;
    Ok(console.flush().await?)
}

fn main() -> ExitCode {
    capos_service::run(connect)
}
