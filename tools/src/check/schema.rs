//! Compatibility of interfaces and of the ring: what has been published stays as it is, or the change is declared.
//!
//! `schema/published.txt` lists every interface, method and message field with its ordinal and place, the constants and enumerants of
//! interfaces, and every constant and struct field of `capos-abi`. Additions are compatible: `--write` appends them. A line that changes or goes is refused unless
//! `schema/breaking.txt` declares it, with a reason.

use super::source::{parse, relative, rust_files};
use super::{Violations, table};
use anyhow::Result;
use capnp::introspect::{RawBrandedStructSchema, TypeVariant};
use capnp::schema::StructSchema;
use capnp::schema_capnp::node;
use quote::ToTokens;
use schema::table::{INTERFACES, Interface, Method};
use schema_codegen::{Request, schema_files, short_name};
use std::collections::BTreeMap;
use std::path::Path;
use syn::Item;

const PUBLISHED: &str = "schema/published.txt";
const DECLARED: &str = "schema/breaking.txt";
const HEADING: &str =
    "Everything that others rely on: interfaces, methods, fields, constants, enumerants, and the layout of capos-abi.
Additions are written by `capos check schema --write`; a changed or removed line must be declared in breaking.txt.";

/// Compares the tree with what was published.
pub fn check(root: &Path, write: bool) -> Result<Violations> {
    let found = describe(root)?;
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

/// Everything that there is now.
fn describe(root: &Path) -> Result<BTreeMap<String, String>> {
    let mut found = abi(root)?;
    for interface in INTERFACES {
        describe_interface(interface, &mut found)?;
    }
    let schemas = root.join("schema");
    describe_values(&Request::compile(&schemas, &schema_files(&schemas)), &mut found)?;
    Ok(found)
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

/// The constants and enumerants that interfaces declare.
fn describe_values(request: &Request, found: &mut BTreeMap<String, String>) -> Result<()> {
    for (_, interface) in request.interfaces() {
        for nested in interface.get_nested_nodes()? {
            let node = request.node(nested.get_id());
            let name = format!("{}.{}", short_name(&interface), nested.get_name()?.to_str()?);
            match node.which()? {
                node::Const(constant) => {
                    found.insert(name, format!("constant {:?}", constant.get_value()?));
                }
                node::Enum(enumeration) => {
                    for (value, enumerant) in enumeration.get_enumerants()?.iter().enumerate() {
                        found.insert(
                            format!("{name}.{}", enumerant.get_name()?.to_str()?),
                            format!("enumerant {value}"),
                        );
                    }
                }
                _ => {}
            }
        }
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

#[cfg(test)]
mod test {
    use super::{describe_values, schema_files};
    use schema_codegen::Request;
    use std::collections::BTreeMap;

    #[test]
    fn constants_and_enumerants_of_interfaces_are_listed() {
        let folder = std::env::temp_dir().join(format!("capos-values-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let source =
            "@0xd2a1f07c5e8b3399; interface Scale { const most :UInt64 = 32; enum Unit { gram @0; ounce @1; } }";
        std::fs::write(folder.join("scale.capnp"), source).expect("a file");
        let mut found = BTreeMap::new();
        describe_values(&Request::compile(&folder, &schema_files(&folder)), &mut found).expect("values");
        std::fs::remove_dir_all(&folder).expect("the folder");
        let found: Vec<_> = found.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        assert_eq!(
            found,
            ["Scale.Unit.gram = enumerant 0", "Scale.Unit.ounce = enumerant 1", "Scale.most = constant (uint64 = 32)"]
        );
    }
}
