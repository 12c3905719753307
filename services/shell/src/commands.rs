//! The commands: what each is called, takes and does, and how a command line becomes one.
use crate::syntax::{Item, Value, parse};

/// A command's manual.
pub struct Manual {
    /// Its name.
    pub name: &'static str,
    /// How it is written.
    pub usage: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// The rest.
    pub detail: &'static str,
}

/// All commands, sorted.
pub const MANUALS: &[Manual] = &[
    Manual {
        name: "call",
        usage: "call @name.method field=value … [as new-name] [&]",
        summary: "calls a method of a capability",
        detail: "Values: 7, 0x10, true, a-word, \"some text\", [a, list], {a=struct}, @capability, 0xbytes.\n\
                 Capabilities in the result are kept as @1, @2, …, or under the name after `as`.\n\
                 With & the call runs in the background; ^C ends one in the foreground.\n\
                 `inspect @name` lists methods and fields.",
    },
    Manual { name: "caps", usage: "caps", summary: "lists the capabilities that you hold", detail: "" },
    Manual {
        name: "drop",
        usage: "drop @name",
        summary: "gives a capability up",
        detail: "What others got from it stays theirs.",
    },
    Manual { name: "help", usage: "help [command]", summary: "lists the commands or explains one", detail: "" },
    Manual { name: "history", usage: "history", summary: "lists the lines typed so far", detail: "" },
    Manual {
        name: "inspect",
        usage: "inspect @name | Interface",
        summary: "shows an interface: its methods, fields and what they mean",
        detail: "",
    },
    Manual {
        name: "kill",
        usage: "kill @process",
        summary: "ends a process at once",
        detail: "`spawn … as name &` keeps a process under a name. For a service: `call @supervisor.kill name=…`.",
    },
    Manual { name: "log", usage: "log", summary: "shows the system's log", detail: "" },
    Manual { name: "logout", usage: "logout", summary: "ends the session; so does ^D", detail: "" },
    Manual {
        name: "shutdown",
        usage: "shutdown [code]",
        summary: "stops the services, then the machine",
        detail: "It takes @supervisor; `call @system.shutdown` waits for nobody. Under an emulator the code (0 to 100) becomes its exit status.",
    },
    Manual {
        name: "spawn",
        usage: "spawn program [argument …] slot=@name … [as process-name] [&]",
        summary: "runs a program with exactly the capabilities named",
        detail: "`program` is a capability for the program's file. It can do nothing but what its slots give it:\n\
                 without stdout=@output it cannot even be heard. `as` keeps its process as a capability.",
    },
];

/// A command to run.
#[derive(Debug, PartialEq)]
pub enum Command {
    /// `call`: capability, method, fields.
    Call {
        /// Name of the capability.
        name: String,
        /// The method.
        method: String,
        /// Its fields.
        fields: Vec<(String, Value)>,
        /// Where it runs and under which name results are kept.
        tail: Tail,
    },
    /// `caps`.
    Caps,
    /// `drop`.
    Drop(String),
    /// `help`.
    Help(Option<String>),
    /// `history`.
    History,
    /// `inspect @name`.
    InspectCapability(String),
    /// `inspect Interface`.
    InspectInterface(String),
    /// `kill`.
    Kill(String),
    /// `log`.
    Log,
    /// `logout`.
    Logout,
    /// An empty line.
    Nothing,
    /// `shutdown`.
    Shutdown(u8),
    /// `spawn`: program, arguments, grants by slot.
    Spawn {
        /// Name of the capability for the program's file.
        program: String,
        /// Arguments.
        arguments: Vec<String>,
        /// Slot and capability name.
        grants: Vec<(String, String)>,
        /// Where it runs and under which name its process is kept.
        tail: Tail,
    },
}

/// The end of a command line: `as name`, `&`.
#[derive(Debug, Default, PartialEq)]
pub struct Tail {
    /// The name after `as`.
    pub keep: Option<String>,
    /// Whether `&` stands there.
    pub background: bool,
}

/// Names of all commands.
pub fn names() -> impl Iterator<Item = &'static str> {
    MANUALS.iter().map(|m| m.name)
}

/// The manual of a command; the error lists all.
pub fn manual(name: &str) -> Result<&'static Manual, String> {
    MANUALS
        .iter()
        .find(|m| m.name == name)
        .ok_or_else(|| format!("there is no command \"{name}\". Commands: {}", names().collect::<Vec<_>>().join(", ")))
}

/// The command on a line.
pub fn read(line: &str) -> Result<Command, String> {
    let mut items = parse(line)?;
    if items.is_empty() {
        return Ok(Command::Nothing);
    }
    let Item::Plain(Value::Word(name)) = items.remove(0) else {
        return Err("a line starts with a command; `help` lists them".to_owned());
    };
    let usage = manual(&name)?.usage;
    let understood = match (name.as_str(), items.as_slice()) {
        ("call", _) => return call(items, usage),
        ("spawn", _) => return spawn(items, usage),
        ("caps", []) => Some(Command::Caps),
        ("history", []) => Some(Command::History),
        ("log", []) => Some(Command::Log),
        ("logout", []) => Some(Command::Logout),
        ("help", []) => Some(Command::Help(None)),
        ("help", [Item::Plain(Value::Word(command))]) => Some(Command::Help(Some(command.clone()))),
        ("inspect", [Item::Plain(Value::Capability(name))]) => Some(Command::InspectCapability(name.clone())),
        ("inspect", [Item::Plain(Value::Word(name))]) => Some(Command::InspectInterface(name.clone())),
        ("drop", [Item::Plain(Value::Capability(name))]) => Some(Command::Drop(name.clone())),
        ("kill", [Item::Plain(Value::Capability(name))]) => Some(Command::Kill(name.clone())),
        ("shutdown", []) => Some(Command::Shutdown(0)),
        ("shutdown", [Item::Plain(Value::Word(code))]) => code.parse().ok().map(Command::Shutdown),
        _ => None,
    };
    understood.ok_or_else(|| format!("write: {usage}"))
}

fn call(items: Vec<Item>, usage: &str) -> Result<Command, String> {
    let (items, tail) = tail(items);
    let mut items = items.into_iter();
    let Some(Item::Plain(Value::Capability(target))) = items.next() else { return Err(format!("write: {usage}")) };
    let (name, method) = crate::call::target(&target)?;
    let fields = items.map(|item| match item {
        Item::Field(name, value) => Ok((name, value)),
        Item::Plain(_) => Err(format!("arguments are written field=value. Write: {usage}")),
    });
    Ok(Command::Call {
        name: name.to_owned(),
        method: method.to_owned(),
        fields: fields.collect::<Result<_, _>>()?,
        tail,
    })
}

fn spawn(items: Vec<Item>, usage: &str) -> Result<Command, String> {
    let (items, tail) = tail(items);
    let mut items = items.into_iter();
    let Some(Item::Plain(Value::Word(program) | Value::Capability(program))) = items.next() else {
        return Err(format!("write: {usage}"));
    };
    let (mut arguments, mut grants) = (Vec::new(), Vec::new());
    for item in items {
        match item {
            Item::Plain(Value::Word(argument) | Value::Quoted(argument)) => arguments.push(argument),
            Item::Field(slot, Value::Capability(name)) => grants.push((slot, name)),
            Item::Field(slot, _) => return Err(format!("a slot is given a capability: write {slot}=@name")),
            Item::Plain(_) => return Err(format!("write: {usage}")),
        }
    }
    Ok(Command::Spawn { program, arguments, grants, tail })
}

/// Takes `as name` and `&` from the end.
fn tail(mut items: Vec<Item>) -> (Vec<Item>, Tail) {
    let word = |item: Option<&Item>, wanted: &str| matches!(item, Some(Item::Plain(Value::Word(w))) if w == wanted);
    let background = word(items.last(), "&");
    items.truncate(items.len() - usize::from(background));
    let keep = match items.as_slice() {
        [.., keyword, Item::Plain(Value::Word(name))] if word(Some(keyword), "as") => Some(name.clone()),
        _ => None,
    };
    if keep.is_some() {
        items.truncate(items.len() - 2);
    }
    (items, Tail { keep, background })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_calls_and_spawns() {
        let Ok(Command::Call { name, method, fields, tail }) = read("call @info.observe seconds=3 as x &") else {
            panic!()
        };
        assert_eq!((name.as_str(), method.as_str()), ("info", "observe"));
        assert_eq!(fields, [("seconds".to_owned(), Value::Word("3".to_owned()))]);
        assert_eq!(tail, Tail { keep: Some("x".into()), background: true });
        let Ok(Command::Spawn { program, arguments, grants, tail }) = read("spawn hello you stdout=@output") else {
            panic!()
        };
        assert_eq!((program.as_str(), arguments), ("hello", vec!["you".to_owned()]));
        assert_eq!(grants, [("stdout".to_owned(), "output".to_owned())]);
        assert_eq!(tail, Tail::default());
    }

    #[test]
    fn errors_say_how_to_write_it() {
        assert!(read("frobnicate").unwrap_err().contains("Commands: call, caps"));
        assert!(read("caps now").unwrap_err().ends_with("write: caps"));
        assert!(read("call @info").unwrap_err().contains("@name.method"));
        assert!(read("call @info.x 3").unwrap_err().contains("field=value"));
        assert!(read("spawn hello stdout=3").unwrap_err().contains("stdout=@name"));
        assert!(read("shutdown 300").unwrap_err().contains("write: shutdown [code]"));
    }

    #[test]
    fn commands_are_sorted() {
        assert!(names().is_sorted());
    }
}
