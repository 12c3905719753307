//! Results as text: one field a line, lists of structs as tables, a capability by the name it is kept under.
use std::fmt::Write;

use capnp::introspect::{Type, TypeVariant};
use capnp::private::layout::{PointerReader, StructReader};
use capnp::schema::{Field, StructSchema};
use capnp::traits::FromPointerReader;
use capnp::{Word, dynamic_list, dynamic_struct, dynamic_value};

use crate::held::{Capability, interface_name};
use crate::signature::{fields, interface_of, name_of, pointer_index};

/// A result struct before its type is known to capnp: the way to its capabilities, which dynamic values do not give.
pub struct Root<'a>(StructReader<'a>);

impl<'a> FromPointerReader<'a> for Root<'a> {
    fn get_from_pointer(reader: &PointerReader<'a>, default: Option<&'a [Word]>) -> capnp::Result<Self> {
        reader.get_struct(default).map(Self)
    }
}

/// Shows a result struct of this type. `keep` takes each capability in it and says its name.
pub fn results(root: &Root<'_>, ty: Type, keep: &mut dyn FnMut(Field, Capability) -> String) -> capnp::Result<String> {
    let TypeVariant::Struct(raw) = ty.which() else { return Ok(String::new()) };
    let schema = StructSchema::new(raw);
    let reader = dynamic_struct::Reader::new(root.0, schema);
    let mut out = String::new();
    for field in fields(ty).into_iter().filter(|&f| is_set(reader, f)) {
        let name = name_of(field);
        match (interface_of(field), pointer_index(field)) {
            (Some(interface), Some(index)) => {
                let pointer = root.0.get_pointer_field(index);
                let kept = if pointer.is_null() {
                    "none".to_owned()
                } else {
                    format!("@{}", keep(field, Capability { interface, hook: pointer.get_capability()? }))
                };
                writeln!(out, "{name} = {kept} ({})", interface_name(interface))
            }
            _ => field_text(&mut out, name, reader.get(field)?),
        }
        .map_err(|_| capnp::Error::failed("out of memory for text".to_owned()))?;
    }
    Ok(out)
}

/// Whether a field of a union is the one that is set; others always are.
fn is_set(reader: dynamic_struct::Reader<'_>, field: Field) -> bool {
    use capnp::schema_capnp::field::NO_DISCRIMINANT;
    field.get_proto().get_discriminant_value() == NO_DISCRIMINANT || reader.which().is_ok_and(|f| f == Some(field))
}

fn field_text(out: &mut String, name: &str, value: dynamic_value::Reader<'_>) -> std::fmt::Result {
    match value {
        dynamic_value::Reader::Text(text) if text.as_bytes().contains(&b'\n') => {
            writeln!(out, "{name}:")?;
            text.to_str().unwrap_or("(not UTF-8)").lines().try_for_each(|line| writeln!(out, "  {line}"))
        }
        dynamic_value::Reader::List(list) if is_table(list) => {
            writeln!(out, "{name}:")?;
            table(out, list)
        }
        value => writeln!(out, "{name} = {}", inline(value)),
    }
}

/// A value on one line.
pub fn inline(value: dynamic_value::Reader<'_>) -> String {
    match value {
        dynamic_value::Reader::Struct(reader) => {
            let parts: Vec<_> = fields(TypeVariant::Struct(reader.get_schema().into()).into())
                .into_iter()
                .filter(|&f| is_set(reader, f))
                .map(|f| format!("{} = {}", name_of(f), get(reader, f)))
                .collect();
            format!("({})", parts.join(", "))
        }
        dynamic_value::Reader::List(list) => {
            let parts: Vec<_> = list.iter().map(|v| v.map_or_else(|e| e.to_string(), inline)).collect();
            format!("[{}]", parts.join(", "))
        }
        dynamic_value::Reader::AnyPointer(_) => "(untyped)".to_owned(),
        dynamic_value::Reader::Capability(_) => "(a capability)".to_owned(),
        other => format!("{other:?}"),
    }
}

fn get(reader: dynamic_struct::Reader<'_>, field: Field) -> String {
    reader.get(field).map_or_else(|e| e.to_string(), inline)
}

fn is_table(list: dynamic_list::Reader<'_>) -> bool {
    !list.is_empty() && matches!(list.element_type().which(), TypeVariant::Struct(_))
}

fn table(out: &mut String, list: dynamic_list::Reader<'_>) -> std::fmt::Result {
    let columns = fields(list.element_type());
    let mut rows = vec![columns.iter().map(|&f| name_of(f).to_owned()).collect::<Vec<_>>()];
    for element in list.iter() {
        let Ok(dynamic_value::Reader::Struct(reader)) = element else { continue };
        rows.push(columns.iter().map(|&f| cell(get(reader, f))).collect());
    }
    out.push_str(&aligned(&rows));
    Ok(())
}

/// A text in a table stands without quotes.
fn cell(text: String) -> String {
    match text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
        Some("") => "-".to_owned(),
        Some(inner) if !inner.contains(['"', '\\']) => inner.to_owned(),
        _ => text,
    }
}

/// Rows with columns of equal width, indented by two.
pub fn aligned(rows: &[Vec<String>]) -> String {
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (index, text) in row.iter().enumerate() {
            let width = rows.iter().filter_map(|r| r.get(index)).map(|t| t.chars().count()).max().unwrap_or(0);
            line.push_str("  ");
            line.push_str(text);
            line.extend(std::iter::repeat_n(' ', width - text.chars().count()));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
