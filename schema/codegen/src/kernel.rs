//! Constants of the kernel's interfaces: ids, methods, and the layout of parameters and results.
//!
//! The kernel reads messages by these offsets and never by a capnp library, so its schemas keep to a subset: flat structs
//! of integers, enums, capabilities, Data, Text, and lists of integers or of such structs; results with at most one Data, Text or
//! list of integers, declared last.
use crate::names::{snake, upper};
use crate::request::{Request, short_name};
use capnp::schema_capnp::{field, node, type_, value};
use std::fmt::Write;

/// Rust source of the module `capos_abi::interface`.
pub fn interfaces(request: &Request) -> String {
    let mut out = String::from("use crate::layout::{Pointer, Scalar, Shape};\n");
    let mut extends = String::new();
    for (_, node) in request.interfaces() {
        interface(&mut out, request, &node);
        for ancestor in request.ancestors(node.get_id()) {
            write!(extends, "({:#018x}, {ancestor:#018x}), ", node.get_id()).expect("string");
        }
    }
    writeln!(out, "/// Pairs (interface, an interface that it extends).").expect("string");
    writeln!(out, "pub const EXTENDS: &[(u64, u64)] = &[{extends}];").expect("string");
    out
}

fn interface(out: &mut String, request: &Request, node: &node::Reader<'_>) {
    let name = short_name(node);
    let Ok(node::Interface(interface)) = node.which() else { unreachable!("only interfaces are listed") };
    writeln!(out, "/// Interface `{name}`.\npub mod {} {{\nuse super::*;", snake(&name)).expect("string");
    writeln!(out, "/// Interface id.\npub const ID: u64 = {:#018x};", node.get_id()).expect("string");
    for nested in node.get_nested_nodes().expect("nested nodes") {
        let node = request.node(nested.get_id());
        enumerants(out, &node);
        constant(out, &node);
    }
    for (ordinal, method) in interface.get_methods().expect("methods").iter().enumerate() {
        let method_name = method.get_name().expect("name").to_str().expect("UTF-8");
        let path = format!("{name}.{method_name}");
        writeln!(out, "/// Method `{path}`.\npub mod {} {{\nuse super::*;", snake(method_name)).expect("string");
        writeln!(out, "/// Method number.\npub const METHOD: u16 = {ordinal};").expect("string");
        layout(out, request, "params", &path, &request.node(method.get_param_struct_type()));
        layout(out, request, "results", &path, &request.node(method.get_result_struct_type()));
        out.push_str("}\n");
    }
    out.push_str("}\n");
}

fn enumerants(out: &mut String, node: &node::Reader<'_>) {
    let Ok(node::Enum(enumeration)) = node.which() else { return };
    let name = short_name(node);
    let name = name.rsplit('.').next().expect("a name has a last part");
    writeln!(out, "/// Values of `{name}`.\npub mod {} {{", snake(name)).expect("string");
    for (value, enumerant) in enumeration.get_enumerants().expect("enumerants").iter().enumerate() {
        let name = enumerant.get_name().expect("name").to_str().expect("UTF-8");
        writeln!(out, "/// `{name}`.\npub const {}: u16 = {value};", upper(name)).expect("string");
    }
    out.push_str("}\n");
}

fn constant(out: &mut String, node: &node::Reader<'_>) {
    let Ok(node::Const(constant)) = node.which() else { return };
    let name = short_name(node);
    let name = name.rsplit('.').next().expect("a name has a last part");
    let value = default_bits(constant.get_value().expect("value"));
    writeln!(out, "/// Constant `{name}`.\npub const {}: u64 = {value};", upper(name)).expect("string");
}

fn layout(out: &mut String, request: &Request, part: &str, path: &str, node: &node::Reader<'_>) {
    let Ok(node::Struct(structure)) = node.which() else { unreachable!("{path}: {part} is a struct") };
    let (words, pointers) = (structure.get_data_word_count(), structure.get_pointer_count());
    writeln!(out, "/// Layout of the {part} of `{path}`.\npub mod {part} {{\n#[allow(unused_imports)]\nuse super::*;")
        .expect("string");
    writeln!(out, "/// Size.\npub const SHAPE: Shape = Shape {{ data_words: {words}, pointers: {pointers} }};")
        .expect("string");
    let mut behind = 0;
    for item in structure.get_fields().expect("fields") {
        let name = item.get_name().expect("name").to_str().expect("UTF-8");
        let Ok(field::Slot(slot)) = item.which() else { panic!("{path}: {part}.{name} is a group") };
        let kind = slot.get_type().expect("type").which().expect("known type");
        let constant = upper(name);
        if let Some(element) = element_struct(&kind) {
            layout(out, request, &snake(name), path, &request.node(element));
        }
        writeln!(out, "/// Field `{name}`.").expect("string");
        match scalar_bytes(&kind) {
            Some(bytes) => {
                let (offset, default) =
                    (slot.get_offset() * bytes, default_bits(slot.get_default_value().expect("default")));
                writeln!(
                    out,
                    "pub const {constant}: Scalar = Scalar {{ offset: {offset}, bytes: {bytes}, default: {default} }};"
                )
            }
            None => {
                let is_behind = matches!(kind, type_::Text(()) | type_::Data(()) | type_::List(_));
                let capability = matches!(kind, type_::Interface(_) | type_::AnyPointer(_));
                assert!(is_behind || capability, "{path}: the kernel cannot read {part}.{name}");
                assert!(
                    !is_behind || slot.get_offset() as u16 + 1 == pointers,
                    "{path}: {part}.{name} must be the last pointer"
                );
                behind += u32::from(is_behind);
                writeln!(out, "pub const {constant}: Pointer = Pointer {{ index: {} }};", slot.get_offset())
            }
        }
        .expect("string");
    }
    assert!(behind <= 1, "{path}: {part} have more than one Data, Text or list");
    out.push_str("}\n");
}

/// The structs that a list is of.
fn element_struct(kind: &type_::WhichReader<'_>) -> Option<u64> {
    let type_::List(list) = kind else { return None };
    match list.get_element_type().expect("type").which().expect("known type") {
        type_::Struct(element) => Some(element.get_type_id()),
        _ => None,
    }
}

fn scalar_bytes(kind: &type_::WhichReader<'_>) -> Option<u32> {
    Some(match kind {
        type_::Int8(()) | type_::Uint8(()) => 1,
        type_::Int16(()) | type_::Uint16(()) | type_::Enum(_) => 2,
        type_::Int32(()) | type_::Uint32(()) => 4,
        type_::Int64(()) | type_::Uint64(()) => 8,
        _ => return None,
    })
}

fn default_bits(value: value::Reader<'_>) -> u64 {
    match value.which().expect("known value") {
        value::Int8(v) => u64::from(v as u8),
        value::Uint8(v) => u64::from(v),
        value::Int16(v) => u64::from(v as u16),
        value::Uint16(v) | value::Enum(v) => u64::from(v),
        value::Int32(v) => u64::from(v as u32),
        value::Uint32(v) => u64::from(v),
        value::Int64(v) => v as u64,
        value::Uint64(v) => v,
        _ => 0,
    }
}
