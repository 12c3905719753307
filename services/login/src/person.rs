//! The person at a terminal.
use capnp::capability::FromClientHook;
use capnp::{Error, Result};
use login::dialogue::Person;
use schema::terminal_capnp::terminal;
use schema::terminal_output_capnp::terminal_output;
use zeroize::Zeroizing;

/// Whoever reads and types there.
pub struct AtTerminal(pub terminal::Client);

impl Person for AtTerminal {
    type Error = Error;

    async fn say(&self, text: &str) -> Result<()> {
        let output: terminal_output::Client = self.0.clone().cast_to();
        let mut request = output.write_request();
        request.get().set_text(text);
        request.send().promise.await.map(drop)
    }

    async fn ask(&self, prompt: &str, shown: bool) -> Result<Option<Zeroizing<String>>> {
        let mut request = self.0.read_line_request();
        request.get().set_prompt(prompt);
        request.get().set_echo(shown);
        let response = request.send().promise.await?;
        let answer = response.get()?;
        Ok(match answer.get_ending()? {
            terminal::Ending::Entered => Some(Zeroizing::new(answer.get_line()?.to_string()?)),
            _ => None,
        })
    }
}
