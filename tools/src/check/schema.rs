//! Compatibility of interfaces and of the ring: what has been published stays as it is, or the change is declared.
//!
//! `schema/published.txt` lists every interface, method and message field with its ordinal and place, and every constant and struct
//! field of `capos-abi`. Additions are compatible: `--write` appends them. A line that changes or goes is refused unless
//! `schema/breaking.txt` declares it, with a reason.

use super::source::{parse, relative, rust_files};
use super::{Violations, table};
use anyhow::Result;
use capnp::introspect::{RawBrandedStructSchema, TypeVariant};
use capnp::schema::StructSchema;
use quote::ToTokens;
use schema::table::{INTERFACES, Interface, Method};
use std::collections::BTreeMap;
use std::path::Path;
use syn::Item;

const PUBLISHED: &str = "schema/published.txt";
const DECLARED: &str = "schema/breaking.txt";
const HEADING: &str = "Everything that others rely on: interfaces, methods, fields, and the layout of capos-abi.
Additions are written by `capos check schema --write`; a changed or removed line must be declared in breaking.txt.";

/// Compares the tree with what was published.
pub fn check(root: &Path, write: bool) -> Result<Violations> {
    let mut found = abi(root)?;
    for interface in INTERFACES {
        describe_interface(interface, &mut found)?;
    }
    let (published, declared) = (table::read(&root.join(PUBLISHED))?, table::read(&root.join(DECLARED))?);
    let broken = |key: &str, value: &str| found.get(key).is_none_or(|now| now != value);
    let mut violations = Violations::new();
    for (key, entry) in published.iter().filter(|(key, entry)| broken(key, &entry.value)) {
        let now = found.get(key).map_or("nothing", String::as_str);
        if declared.get(key).is_none_or(|d| d.value != now || d.reason == table::UNEXPLAINED) {
            violations.push(format!(
                "{key} was published as `{}` and is now `{now}`: declare `{key} = {now}  # why` in {DECLARED}",
                entry.value
            ));
        }
    }
    if write && violations.is_empty() {
        let reasons = found.keys().map(|key| (key.clone(), published_entry())).collect();
        table::write(&root.join(PUBLISHED), HEADING, &found, &reasons)?;
    } else {
        let missing = found.keys().filter(|key| !published.contains_key(*key));
        violations.extend(missing.map(|key| format!("{key} is new: `capos check schema --write` publishes it")));
    }
    Ok(violations)
}

fn published_entry() -> table::Entry {
    table::Entry { value: String::new(), reason: "published".to_owned() }
}

fn describe_interface(interface: &'static Interface, found: &mut BTreeMap<String, String>) -> Result<()> {
    let name = interface.name;
    found.insert(name.to_owned(), format!("interface {:#018x} extends {:x?}", interface.id, interface.extends));
    for method in interface.methods {
        describe_method(name, method, found)?;
    }
    Ok(())
}

fn describe_method(interface: &str, method: &'static Method, found: &mut BTreeMap<String, String>) -> Result<()> {
    let name = format!("{interface}.{}", method.name);
    found.insert(name.clone(), format!("method {}", method.ordinal));
    for (part, message) in [("params", (method.params)()), ("results", (method.results)())] {
        if let TypeVariant::Struct(raw) = message.which() {
            describe_fields(&format!("{name}.{part}"), raw, found)?;
        }
    }
    Ok(())
}

fn describe_fields(name: &str, raw: RawBrandedStructSchema, found: &mut BTreeMap<String, String>) -> Result<()> {
    for field in StructSchema::new(raw).get_fields()? {
        let proto = field.get_proto();
        let key = format!("{name}.{}", proto.get_name()?.to_str()?);
        let place = match proto.which()? {
            capnp::schema_capnp::field::Slot(slot) => {
                format!("{} at {}", type_name(field.get_type()), slot.get_offset())
            }
            capnp::schema_capnp::field::Group(_) => "group".to_owned(),
        };
        found.insert(key, place);
    }
    Ok(())
}

fn type_name(ty: capnp::introspect::Type) -> String {
    match ty.which() {
        TypeVariant::Struct(_) => "struct".to_owned(),
        TypeVariant::Enum(_) => "enum".to_owned(),
        TypeVariant::Capability => "capability".to_owned(),
        TypeVariant::List(element) => format!("list of {}", type_name(element)),
        TypeVariant::AnyPointer => "pointer".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// Constants and struct fields of `capos-abi`.
fn abi(root: &Path) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for path in rust_files(&root.join("capos-abi/src"))? {
        let module = relative(&root.join("capos-abi/src"), &path).replace(".rs", "");
        describe_items(&format!("abi.{module}"), &parse(&path)?.items, &mut found);
    }
    Ok(found)
}

fn describe_items(module: &str, items: &[Item], found: &mut BTreeMap<String, String>) {
    for item in items {
        match item {
            Item::Const(constant) if constant.ident != "_" => {
                found.insert(format!("{module}.{}", constant.ident), tokens(&constant.expr));
            }
            Item::Struct(item) => {
                let fields =
                    item.fields.iter().filter_map(|f| Some(format!("{}: {}", f.ident.as_ref()?, tokens(&f.ty))));
                found.insert(format!("{module}.{}", item.ident), fields.collect::<Vec<_>>().join(", "));
            }
            Item::Mod(inner) => {
                let items = inner.content.as_ref().map_or(&[][..], |(_, items)| items);
                describe_items(&format!("{module}.{}", inner.ident), items, found);
            }
            _ => {}
        }
    }
}

/// Source text without the spaces that the tokeniser puts everywhere.
fn tokens(item: &impl ToTokens) -> String {
    item.to_token_stream().to_string().replace(" :: ", "::").replace(" ;", ";").replace("[ ", "[").replace(" ]", "]")
}
