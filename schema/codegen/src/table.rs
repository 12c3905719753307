//! The method table: every interface with its methods, documentation and message types, for tools that name no interface.
use crate::names::snake;
use crate::request::{Request, short_name};
use capnp::schema_capnp::node;
use std::fmt::Write;

/// The annotation `idempotent` of `schema/annotations.capnp`.
const IDEMPOTENT: u64 = 0xb0f4a6e0d91c4d01;

/// Rust source of the constant `INTERFACES` in `schema::table`.
pub fn interfaces(request: &Request) -> String {
    let mut out =
        String::from("/// Every interface of the system, sorted by name.\npub static INTERFACES: &[Interface] = &[\n");
    for (stem, node) in request.interfaces() {
        let Ok(node::Interface(interface)) = node.which() else { unreachable!("only interfaces are listed") };
        let name = short_name(&node);
        let (doc, method_docs) = request.docs(node.get_id());
        let ancestors = request.ancestors(node.get_id());
        writeln!(out, "Interface {{ id: {:#018x}, name: {name:?}, file: {stem:?}, doc: {doc:?}, extends: &{ancestors:?}, methods: &[", node.get_id())
            .expect("string");
        for (ordinal, method) in interface.get_methods().expect("methods").iter().enumerate() {
            let method_name = method.get_name().expect("name").to_str().expect("UTF-8");
            let doc = method_docs.get(ordinal).map_or("", String::as_str);
            let module = format!("crate::{}_capnp::{}", stem.replace('-', "_"), snake(&name));
            let message = |id: u64, part: &str| message_type(request, id, &module, method_name, part);
            let params = message(method.get_param_struct_type(), "params");
            let results = message(method.get_result_struct_type(), "results");
            let idempotent = Request::has_annotation(&method, IDEMPOTENT);
            writeln!(out, "Method {{ ordinal: {ordinal}, name: {method_name:?}, doc: {doc:?}, idempotent: {idempotent}, params: {params}, results: {results} }},")
                .expect("string");
        }
        out.push_str("] },\n");
    }
    out.push_str("];\n");
    out
}

/// The introspection function of a method's parameters or results.
fn message_type(request: &Request, id: u64, interface: &str, method: &str, part: &str) -> String {
    let node = request.node(id);
    assert_eq!(
        node.get_scope_id(),
        0,
        "{interface}.{method}: name the {part} in the method, not as a struct of their own"
    );
    format!("|| <{interface}::{}_{part}::Owned as Introspect>::introspect()", snake(method))
}
