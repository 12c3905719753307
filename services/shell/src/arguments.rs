//! Typed arguments: what was typed becomes the parameter struct that the method's schema asks for. An error names the
//! field and what it takes.
use std::str::FromStr;

use capnp::introspect::{Type, TypeVariant};
use capnp::private::capability::ClientHook;
use capnp::schema::{EnumSchema, Field, StructSchema};
use capnp::{dynamic_list, dynamic_struct, dynamic_value};

use crate::held::{Held, interface_name};
use crate::signature::{enumerants, fields, interface_of, name_of, name_of_type, of_field, pointer_index};
use crate::syntax::Value;

/// A capability argument: index among the struct's pointers, and what to put there.
pub type CapabilityArgument = (usize, Box<dyn ClientHook>);

/// A problem with an argument, in words for the person who typed it.
pub type Problem = String;

/// Fills the parameter struct. Capability arguments are checked and given back: capnp's dynamic values cannot set them.
pub fn fill(
    target: &str,
    mut params: dynamic_struct::Builder<'_>,
    ty: Type,
    given: &[(String, Value)],
    held: &Held,
) -> Result<Vec<CapabilityArgument>, Problem> {
    let mut capabilities = Vec::new();
    let known = fields(ty);
    for (position, (name, value)) in given.iter().enumerate() {
        if given[..position].iter().any(|(earlier, _)| earlier == name) {
            return Err(format!("field \"{name}\" is given twice"));
        }
        let field = find(target, &known, name)?;
        match interface_of(field) {
            Some(interface) => capabilities.push(capability(field, interface, value, held)?),
            None => set_field(&mut params, field, name, value)?,
        }
    }
    Ok(capabilities)
}

fn find(owner: &str, known: &[Field], name: &str) -> Result<Field, Problem> {
    known.iter().copied().find(|&f| name_of(f) == name).ok_or_else(|| match known {
        [] => format!("{owner} takes no fields, so there is no \"{name}\""),
        _ => {
            let list: Vec<_> = known.iter().map(|&f| of_field(f)).collect();
            format!("{owner} has no field \"{name}\". Its fields: {}", list.join(", "))
        }
    })
}

fn capability(field: Field, interface: u64, value: &Value, held: &Held) -> Result<CapabilityArgument, Problem> {
    let path = name_of(field);
    let Value::Capability(name) = value else {
        return Err(format!("field \"{path}\" takes a capability: write {path}=@name, with a name that `caps` shows"));
    };
    let capability = held.get(name)?;
    if interface != 0 && !capability.offers(interface) {
        let (wanted, has) = (interface_name(interface), interface_name(capability.interface));
        return Err(format!("field \"{path}\" takes a {wanted}, and @{name} is a {has}"));
    }
    let index = pointer_index(field).ok_or("a capability is a pointer")?;
    Ok((index, capability.hook.clone()))
}

fn set_field(target: &mut dynamic_struct::Builder<'_>, field: Field, path: &str, value: &Value) -> Result<(), Problem> {
    match (field.get_type().which(), value) {
        (TypeVariant::Struct(raw), Value::Record(given)) => {
            let built = target.reborrow().init(field).map_err(|e| e.to_string())?;
            fill_record(built.downcast(), StructSchema::new(raw), path, given)
        }
        (TypeVariant::List(element), Value::List(values)) => {
            let count = u32::try_from(values.len()).map_err(|e| e.to_string())?;
            let built = target.reborrow().initn(field, count).map_err(|e| e.to_string())?;
            fill_list(built.downcast(), element, path, values)
        }
        (ty, value) => scalar(ty.into(), path, value, |v| target.set(field, v)),
    }
}

fn fill_record(
    mut target: dynamic_struct::Builder<'_>,
    schema: StructSchema,
    path: &str,
    given: &[(String, Value)],
) -> Result<(), Problem> {
    let known = fields(TypeVariant::Struct(schema.into()).into());
    for (name, value) in given {
        let field = find(path, &known, name)?;
        set_field(&mut target, field, &format!("{path}.{name}"), value)?;
    }
    Ok(())
}

fn fill_list(
    mut target: dynamic_list::Builder<'_>,
    element: Type,
    path: &str,
    values: &[Value],
) -> Result<(), Problem> {
    for (index, value) in (0u32..).zip(values) {
        let path = format!("{path}[{index}]");
        match (element.which(), value) {
            (TypeVariant::Struct(raw), Value::Record(given)) => {
                let built = target.reborrow().get(index).map_err(|e| e.to_string())?;
                fill_record(built.downcast(), StructSchema::new(raw), &path, given)?;
            }
            (TypeVariant::List(inner), Value::List(values)) => {
                let count = u32::try_from(values.len()).map_err(|e| e.to_string())?;
                let built = target.reborrow().init(index, count).map_err(|e| e.to_string())?;
                fill_list(built.downcast(), inner, &path, values)?;
            }
            _ => scalar(element, &path, value, |v| target.set(index, v))?,
        }
    }
    Ok(())
}

/// Converts a value without parts and hands it to `set`.
fn scalar(
    ty: Type,
    path: &str,
    value: &Value,
    set: impl FnOnce(dynamic_value::Reader<'_>) -> capnp::Result<()>,
) -> Result<(), Problem> {
    let wrong = || mismatch(ty, path, value);
    let typed = match value {
        Value::Word(text) | Value::Quoted(text) => text.as_str(),
        _ => return Err(wrong()),
    };
    let bytes;
    let reader = match (ty.which(), value) {
        (TypeVariant::Text, _) => dynamic_value::Reader::Text(typed.into()),
        (TypeVariant::Data, _) => {
            bytes = data(value).ok_or_else(wrong)?;
            dynamic_value::Reader::Data(&bytes)
        }
        (_, Value::Quoted(_)) => return Err(wrong()),
        (TypeVariant::Void, _) => dynamic_value::Reader::Void,
        (TypeVariant::Bool, _) => typed.parse::<bool>().map_err(|_| wrong())?.into(),
        (TypeVariant::Int8, _) => integer::<i8>(typed).ok_or_else(wrong)?.into(),
        (TypeVariant::Int16, _) => integer::<i16>(typed).ok_or_else(wrong)?.into(),
        (TypeVariant::Int32, _) => integer::<i32>(typed).ok_or_else(wrong)?.into(),
        (TypeVariant::Int64, _) => integer::<i64>(typed).ok_or_else(wrong)?.into(),
        (TypeVariant::UInt8, _) => integer::<u8>(typed).ok_or_else(wrong)?.into(),
        (TypeVariant::UInt16, _) => integer::<u16>(typed).ok_or_else(wrong)?.into(),
        (TypeVariant::UInt32, _) => integer::<u32>(typed).ok_or_else(wrong)?.into(),
        (TypeVariant::UInt64, _) => integer::<u64>(typed).ok_or_else(wrong)?.into(),
        (TypeVariant::Float32, _) => f32::from_str(typed).map_err(|_| wrong())?.into(),
        (TypeVariant::Float64, _) => f64::from_str(typed).map_err(|_| wrong())?.into(),
        (TypeVariant::Enum(raw), _) => enumerant(EnumSchema::new(raw), typed).ok_or_else(wrong)?.into(),
        _ => return Err(wrong()),
    };
    set(reader).map_err(|e| format!("field \"{path}\": {e}"))
}

/// Decimal or `0x…`, with `_` between digits.
fn integer<N: TryFrom<i128>>(typed: &str) -> Option<N> {
    let digits = typed.replace('_', "");
    let number = match digits.strip_prefix("0x") {
        Some(hexadecimal) => i128::from(u64::from_str_radix(hexadecimal, 16).ok()?),
        None => digits.parse().ok()?,
    };
    N::try_from(number).ok()
}

/// `0x…` in pairs of digits, or the bytes of a quoted text.
fn data(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Quoted(text) => Some(text.clone().into_bytes()),
        Value::Word(word) => {
            let digits = word.strip_prefix("0x").filter(|d| d.len() % 2 == 0 && d.is_ascii())?;
            (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect()
        }
        _ => None,
    }
}

fn enumerant(schema: EnumSchema, typed: &str) -> Option<dynamic_value::Enum> {
    let position = enumerants(schema).iter().position(|&name| name == typed)?;
    Some(dynamic_value::Enum::new(u16::try_from(position).ok()?, schema))
}

fn mismatch(ty: Type, path: &str, value: &Value) -> Problem {
    let wanted = match ty.which() {
        TypeVariant::Bool => "true or false".to_owned(),
        TypeVariant::Int8 => range(i8::MIN, i8::MAX),
        TypeVariant::Int16 => range(i16::MIN, i16::MAX),
        TypeVariant::Int32 => range(i32::MIN, i32::MAX),
        TypeVariant::Int64 => range(i64::MIN, i64::MAX),
        TypeVariant::UInt8 => range(u8::MIN, u8::MAX),
        TypeVariant::UInt16 => range(u16::MIN, u16::MAX),
        TypeVariant::UInt32 => range(u32::MIN, u32::MAX),
        TypeVariant::UInt64 => range(u64::MIN, u64::MAX),
        TypeVariant::Float32 | TypeVariant::Float64 => "a number".to_owned(),
        TypeVariant::Text => "a text".to_owned(),
        TypeVariant::Data => "bytes: 0x… or \"…\"".to_owned(),
        TypeVariant::Enum(raw) => format!("one of {}", enumerants(EnumSchema::new(raw)).join(", ")),
        TypeVariant::Struct(_) => format!("{{name=value …}} with {}", crate::signature::of_struct(ty)),
        TypeVariant::List(_) => format!("[…], a {}", name_of_type(ty)),
        _ => format!("a {}, which cannot be typed here", name_of_type(ty)),
    };
    format!("field \"{path}\" takes {wanted}; {} is not that", typed(value))
}

fn range(least: impl std::fmt::Display, greatest: impl std::fmt::Display) -> String {
    format!("a whole number from {least} to {greatest}")
}

/// A value as it was typed, for error texts.
fn typed(value: &Value) -> String {
    match value {
        Value::Word(word) if word.is_empty() => "nothing".to_owned(),
        Value::Word(word) => word.clone(),
        Value::Quoted(text) => format!("{text:?}"),
        Value::Capability(name) => format!("@{name}"),
        Value::List(_) => "[…]".to_owned(),
        Value::Record(_) => "{…}".to_owned(),
    }
}
