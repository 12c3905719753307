//! What a program sees of the kernel is shown whole: every method of the kernel's interfaces and every status of the ring has a check in
//! the guest `objects`, which calls that method or names that status.
//!
//! The guest has a file for each file of `schema/kernel`, and `statuses.rs`. Their tables, constants of type `&[Check]`, are rows of a name
//! (`Clock.now`, `STALE`, `transfer::CONFINED`) and a function of the same file. A check that needs a machine of its own stands in a table
//! called `ALONE`, and `tests/cases/objects.rs` names it.

use super::Violations;
use super::invariants::tests_below;
use super::source::{parse, rust_files};
use anyhow::{Context, Result};
use quote::ToTokens;
use schema::table::INTERFACES;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use syn::{Expr, Item, Lit};

const GUEST: &str = "tests/guests/objects/src";
const CASES: &str = "tests/cases/objects.rs";
const STATUSES: &str = "capos-abi/src/status.rs";
const HOST_TESTS: &str = "kernel/core/src/test";
/// The guest's file for what is no method.
const STATUS_FILE: &str = "statuses";

/// What no guest can bring about, and the test on the host that shows it.
const ON_THE_HOST: &[(&str, &str)] = &[
    // Only init holds the interrupt lines.
    ("InterruptLines.open", "an_interrupt_line_has_one_holder_at_a_time"),
    // It would take hours, or hurt everybody.
    ("resource::RANGES", "tables_that_are_as_large_as_they_may_be_are_named"),
    ("resource::KERNEL_MEMORY", "the_kernels_own_memory_is_named"),
];

/// Something to be shown: the guest's file that has to show it, and what its function must mention.
struct Wanted {
    file: String,
    mention: String,
}

/// A row of a table of the guest.
struct Row {
    name: String,
    file: String,
    is_alone: bool,
    /// Tokens of its function; nothing if there is no such function in the file.
    function: Option<String>,
}

/// Compares the guest's tables with the schema and the ABI.
pub fn check(root: &Path) -> Result<Violations> {
    let mut wanted = methods(root);
    wanted.extend(statuses(&parse(&root.join(STATUSES))?.items, ""));
    let mut rows = Vec::new();
    for path in rust_files(&root.join(GUEST))? {
        let file = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        rows.extend(rows_of(file, &parse(&path)?.items));
    }
    let cases = std::fs::read_to_string(root.join(CASES)).with_context(|| format!("cannot read {CASES}"))?;
    let mut violations = compare(wanted, &rows, &cases);
    let known = tests_below(&root.join(HOST_TESTS))?;
    let missing = ON_THE_HOST.iter().filter(|(_, test)| !known.contains(*test));
    violations.extend(missing.map(|(what, test)| format!("{what}: there is no test `{test}` in {HOST_TESTS}")));
    Ok(violations)
}

fn compare(wanted: BTreeMap<String, Wanted>, rows: &[Row], cases: &str) -> Violations {
    let mut violations = Violations::new();
    let mut shown = BTreeSet::new();
    for row in rows {
        let (name, place) = (&row.name, format!("{GUEST}/{}.rs", row.file));
        if !shown.insert(name.as_str()) {
            violations.push(format!("{place}: {name} has two checks"));
        }
        match (wanted.get(name), &row.function) {
            (None, _) => violations.push(format!("{place}: there is no {name} in the schema or the ABI")),
            (Some(_), None) => violations.push(format!("{place}: the function that shows {name} is not there")),
            (Some(wanted), _) if wanted.file != row.file => {
                violations.push(format!("{place}: the check of {name} belongs in {}.rs", wanted.file));
            }
            (Some(wanted), Some(function)) if !function.contains(&wanted.mention) => {
                violations.push(format!("{place}: the check of {name} does not mention `{}`", wanted.mention));
            }
            _ => {}
        }
        if row.is_alone && !cases.contains(&format!("\"{name}\"")) {
            violations.push(format!("{CASES} does not run the check of {name}"));
        }
    }
    let on_the_host = |name: &str| ON_THE_HOST.iter().any(|(what, _)| *what == name);
    let missing = wanted.iter().filter(|(name, _)| !shown.contains(name.as_str()) && !on_the_host(name));
    violations.extend(missing.map(|(name, wanted)| format!("{GUEST}/{}.rs: {name} has no check", wanted.file)));
    violations
}

/// Every method of the interfaces in `schema/kernel`; its check calls it by a client.
fn methods(root: &Path) -> BTreeMap<String, Wanted> {
    let of_kernel = |file: &str| root.join("schema/kernel").join(file).with_extension("capnp").is_file();
    let interfaces = INTERFACES.iter().filter(|interface| of_kernel(interface.file));
    interfaces
        .flat_map(|interface| {
            interface.methods.iter().map(move |method| {
                let mention = format!("{}_request", snake(method.name));
                (format!("{}.{}", interface.name, method.name), Wanted { file: interface.file.into(), mention })
            })
        })
        .collect()
}

/// Every status and, in the modules of the file, every reason; its check compares with the constant.
fn statuses(items: &[Item], module: &str) -> BTreeMap<String, Wanted> {
    let mut found = BTreeMap::new();
    for item in items {
        match item {
            Item::Mod(inner) => {
                let items = inner.content.as_ref().map_or(&[][..], |(_, items)| items);
                found.extend(statuses(items, &inner.ident.to_string()));
            }
            Item::Const(constant) if is_value(&constant.ty) => {
                let name = constant.ident.to_string();
                let mention = format!("{} :: {name}", if module.is_empty() { "status" } else { module });
                let name = if module.is_empty() { name } else { format!("{module}::{name}") };
                found.insert(name, Wanted { file: STATUS_FILE.into(), mention });
            }
            _ => {}
        }
    }
    found
}

/// Whether a constant of this type is a status or a reason, and not a number of bits.
fn is_value(ty: &syn::Type) -> bool {
    matches!(ty, syn::Type::Path(path) if path.path.is_ident("Status") || path.path.is_ident("u8"))
}

/// The rows of the tables in a file of the guest.
fn rows_of(file: &str, items: &[Item]) -> Vec<Row> {
    let functions: BTreeMap<String, String> = items
        .iter()
        .filter_map(|item| match item {
            Item::Fn(function) => Some((function.sig.ident.to_string(), function.block.to_token_stream().to_string())),
            _ => None,
        })
        .collect();
    let tables = items.iter().filter_map(|item| match item {
        Item::Const(table) if table.ty.to_token_stream().to_string() == "& [Check]" => Some(table),
        _ => None,
    });
    tables
        .flat_map(|table| pairs(&table.expr).into_iter().map(move |pair| (table.ident == "ALONE", pair)))
        .map(|(is_alone, (name, function))| Row {
            name,
            file: file.into(),
            is_alone,
            function: functions.get(&function).cloned(),
        })
        .collect()
}

/// Name and function of each element of a table.
fn pairs(table: &Expr) -> Vec<(String, String)> {
    let Expr::Reference(reference) = table else { return Vec::new() };
    let Expr::Array(array) = &*reference.expr else { return Vec::new() };
    let pair = |element: &Expr| {
        let Expr::Tuple(tuple) = element else { return None };
        match (tuple.elems.first()?, tuple.elems.get(1)?) {
            (Expr::Lit(syn::ExprLit { lit: Lit::Str(name), .. }), Expr::Path(function)) => {
                Some((name.value(), function.path.get_ident()?.to_string()))
            }
            _ => None,
        }
    };
    array.elems.iter().filter_map(pair).collect()
}

/// `createThread` as generated code spells it: `create_thread`.
fn snake(camel: &str) -> String {
    camel.chars().fold(String::new(), |name, c| {
        let separator = if c.is_uppercase() { "_" } else { "" };
        name + separator + &c.to_lowercase().to_string()
    })
}

#[cfg(test)]
mod test {
    use super::*;

    const ABI: &str = "pub const OK: Status = 0; pub const STALE: Status = -1; pub const BITS: u32 = 3;
        pub mod resource { pub const FRAMES: u8 = 1; }";

    fn violations(guest: &str, cases: &str) -> Violations {
        let abi = syn::parse_file(ABI).expect("Rust");
        let guest = syn::parse_file(guest).expect("Rust");
        compare(statuses(&abi.items, ""), &rows_of(STATUS_FILE, &guest.items), cases)
    }

    const WHOLE: &str = r#"
        const CHECKS: &[Check] = &[("OK", ok), ("resource::FRAMES", frames)];
        const ALONE: &[Check] = &[("STALE", stale)];
        fn ok() { ends(status::OK) }
        fn frames() { ends(resource::FRAMES) }
        fn stale() { ends(status::STALE) }
    "#;

    #[test]
    fn a_whole_guest_is_accepted() {
        assert_eq!(violations(WHOLE, r#"alone("STALE")"#), Violations::new());
    }

    #[test]
    fn what_has_no_check_is_found() {
        let found = violations(&WHOLE.replace(r#"("OK", ok), "#, ""), r#"alone("STALE")"#);
        assert!(matches!(&found[..], [one] if one.contains("OK has no check")), "{found:?}");
    }

    #[test]
    fn checks_that_show_nothing_are_found() {
        let cases = r#"alone("STALE")"#;
        let idle = violations(&WHOLE.replace("ends(resource::FRAMES)", ""), cases);
        assert!(matches!(&idle[..], [one] if one.contains("does not mention `resource :: FRAMES`")), "{idle:?}");
        let gone = violations(&WHOLE.replace("fn ok()", "fn other()"), cases);
        assert!(matches!(&gone[..], [one] if one.contains("is not there")), "{gone:?}");
        let unknown = violations(&WHOLE.replace(r#"("OK", ok)"#, r#"("OK", ok), ("FINE", ok)"#), cases);
        assert!(matches!(&unknown[..], [one] if one.contains("no FINE")), "{unknown:?}");
        let not_run = violations(WHOLE, "");
        assert!(matches!(&not_run[..], [one] if one.contains("does not run the check of STALE")), "{not_run:?}");
    }

    #[test]
    fn methods_are_spelt_as_in_generated_code() {
        assert_eq!(snake("createMemoryObject"), "create_memory_object");
    }
}
