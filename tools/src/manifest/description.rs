//! The description as `cue` evaluated it: names, not yet resolved. The types are closed, as those of
//! `schema/boot/manifest.cue` are: whoever leaves those out does not get past these.

use super::{Refusal, Refusals};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A map by name; its order makes every result repeatable.
pub type Named<T> = BTreeMap<String, T>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    pub programs: Named<Program>,
    #[serde(default)]
    pub routes: Named<Named<Source>>,
    #[serde(default)]
    pub expose: Named<Source>,
    pub machine: Machine,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    pub binary: String,
    #[serde(default)]
    pub arguments: Vec<String>,
    pub quota: Quota,
    #[serde(default, rename = "use")]
    pub uses: Named<String>,
    #[serde(default, rename = "offer")]
    pub offers: Named<String>,
    pub restart: Restart,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    pub frames: u64,
    pub handles: u64,
    pub objects: u64,
    pub threads: u64,
}

/// What the smallest machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Machine {
    pub frames: u64,
    pub handles: u64,
    pub objects: u64,
    pub threads: u64,
    pub kernel_memory: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Restart {
    pub when: When,
    pub back_off: u32,
    pub longest_back_off: u32,
    pub limit: u32,
    pub within: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum When {
    Never,
    OnFailure,
    Always,
}

/// Exactly one of `kernel`, `from`, `binary`, `init` and `exposed` is given in a sound description.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub kernel: Option<String>,
    pub first: Option<u16>,
    pub count: Option<u16>,
    pub line: Option<u8>,
    pub from: Option<String>,
    pub offer: Option<String>,
    pub binary: Option<String>,
    pub init: Option<String>,
    pub exposed: Option<bool>,
}

/// Reads what `cue` printed.
pub fn read(json: &str) -> Result<Description, Refusals> {
    let mut reader = serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| refusal(&error).into())
}

/// The defect in the words that `cue` uses.
fn refusal(error: &serde_path_to_error::Error<serde_json::Error>) -> Refusal {
    let path = match error.path().to_string() {
        path if path == "." => String::new(),
        path => path,
    };
    let text = error.inner().to_string();
    let sentence = text.split(" at line ").next().unwrap_or_default();
    match sentence.strip_prefix("unknown field ") {
        Some(_) => Refusal::new(path, "field not allowed"),
        None => Refusal::new(path, sentence.replace('`', "\"")),
    }
}
