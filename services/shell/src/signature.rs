//! Types, fields and methods as the schema writes them.
use capnp::introspect::{Type, TypeVariant};
use capnp::schema::{EnumSchema, Field, StructSchema};
use capnp::schema_capnp::{field, type_};
use schema::table::Method;

use crate::held::interface_name;

/// `name (field :Type, …) -> (field :Type, …)`.
pub fn of_method(method: &Method) -> String {
    format!("{} {} -> {}", method.name, of_struct((method.params)()), of_struct((method.results)()))
}

/// `(field :Type = default, …)`.
pub fn of_struct(ty: Type) -> String {
    let fields: Vec<_> = fields(ty).into_iter().map(of_field).collect();
    format!("({})", fields.join(", "))
}

/// `field :Type = default`.
pub fn of_field(field: Field) -> String {
    let default = default_of(field).map(|d| format!(" = {d}")).unwrap_or_default();
    format!("{} :{}{default}", name_of(field), type_of(field))
}

/// The fields of a struct type, in the order of the schema.
pub fn fields(ty: Type) -> Vec<Field> {
    let TypeVariant::Struct(raw) = ty.which() else { return Vec::new() };
    let mut fields: Vec<Field> = StructSchema::new(raw).get_fields().map(|f| f.iter().collect()).unwrap_or_default();
    fields.sort_by_key(|f| f.get_proto().get_code_order());
    fields
}

/// The field's name.
pub fn name_of(field: Field) -> &'static str {
    field.get_proto().get_name().ok().and_then(|n| n.to_str().ok()).unwrap_or("?")
}

/// The field's type; a capability is named by its interface.
pub fn type_of(field: Field) -> String {
    match interface_of(field) {
        Some(interface) => interface_name(interface),
        None => name_of_type(field.get_type()),
    }
}

/// The interface that the schema gives a capability field, 0 for any; `None` for other fields.
pub fn interface_of(field: Field) -> Option<u64> {
    let field::Slot(slot) = field.get_proto().which().ok()? else { return None };
    match slot.get_type().ok()?.which().ok()? {
        type_::Interface(interface) => Some(interface.get_type_id()),
        type_::AnyPointer(pointer) => match pointer.which().ok()? {
            type_::any_pointer::Unconstrained(kind) => {
                matches!(kind.which().ok()?, type_::any_pointer::unconstrained::Capability(())).then_some(0)
            }
            _ => None,
        },
        _ => None,
    }
}

/// Index of the field among the pointers of its struct.
pub fn pointer_index(field: Field) -> Option<usize> {
    match field.get_proto().which().ok()? {
        field::Slot(slot) => usize::try_from(slot.get_offset()).ok(),
        field::Group(_) => None,
    }
}

/// A type's name.
pub fn name_of_type(ty: Type) -> String {
    let name = match ty.which() {
        TypeVariant::Void => "Void",
        TypeVariant::Bool => "Bool",
        TypeVariant::Int8 => "Int8",
        TypeVariant::Int16 => "Int16",
        TypeVariant::Int32 => "Int32",
        TypeVariant::Int64 => "Int64",
        TypeVariant::UInt8 => "UInt8",
        TypeVariant::UInt16 => "UInt16",
        TypeVariant::UInt32 => "UInt32",
        TypeVariant::UInt64 => "UInt64",
        TypeVariant::Float32 => "Float32",
        TypeVariant::Float64 => "Float64",
        TypeVariant::Text => "Text",
        TypeVariant::Data => "Data",
        TypeVariant::AnyPointer => "AnyPointer",
        TypeVariant::Capability => "Capability",
        TypeVariant::List(element) => return format!("List({})", name_of_type(element)),
        TypeVariant::Struct(raw) => return short_name(StructSchema::new(raw).get_proto().get_display_name()),
        TypeVariant::Enum(raw) => return short_name(EnumSchema::new(raw).get_proto().get_display_name()),
    };
    name.to_owned()
}

/// The enums and structs that a method's fields are made of, one line each.
pub fn types_in(method: &Method) -> Vec<String> {
    let mut lines = Vec::new();
    for ty in [(method.params)(), (method.results)()] {
        fields(ty).into_iter().for_each(|field| add_type(field.get_type(), &mut lines));
    }
    lines
}

/// Adds the type and those in it, each once.
fn add_type(ty: Type, lines: &mut Vec<String>) {
    let (line, inner) = match ty.which() {
        TypeVariant::List(element) => return add_type(element, lines),
        TypeVariant::Enum(raw) => {
            (format!("{}: {}", name_of_type(ty), enumerants(EnumSchema::new(raw)).join(", ")), Vec::new())
        }
        TypeVariant::Struct(_) => (format!("{}: {}", name_of_type(ty), of_struct(ty)), fields(ty)),
        _ => return,
    };
    if !lines.contains(&line) {
        lines.push(line);
        inner.into_iter().for_each(|field| add_type(field.get_type(), lines));
    }
}

/// The names that an enum type has.
pub fn enumerants(schema: EnumSchema) -> Vec<&'static str> {
    let Ok(list) = schema.get_enumerants() else { return Vec::new() };
    list.iter().map(|e| e.get_proto().get_name().ok().and_then(|n| n.to_str().ok()).unwrap_or("?")).collect()
}

fn short_name(display: capnp::Result<capnp::text::Reader<'_>>) -> String {
    let name = display.ok().and_then(|n| n.to_str().ok()).unwrap_or("?");
    name.rsplit(['.', ':']).next().unwrap_or(name).to_owned()
}

/// The default, where the schema names one that is not zero.
fn default_of(field: Field) -> Option<String> {
    use capnp::schema_capnp::value;
    let field::Slot(slot) = field.get_proto().which().ok()? else { return None };
    let text = match slot.get_default_value().ok()?.which().ok()? {
        value::Bool(true) => "true".to_owned(),
        value::Int8(n) => n.to_string(),
        value::Int16(n) => n.to_string(),
        value::Int32(n) => n.to_string(),
        value::Int64(n) => n.to_string(),
        value::Uint8(n) => n.to_string(),
        value::Uint16(n) => n.to_string(),
        value::Uint32(n) => n.to_string(),
        value::Uint64(n) => n.to_string(),
        value::Float32(n) => n.to_string(),
        value::Float64(n) => n.to_string(),
        value::Text(text) => format!("{:?}", text.ok()?.to_str().ok()?),
        _ => return None,
    };
    (!matches!(text.as_str(), "0" | "\"\"")).then_some(text)
}
