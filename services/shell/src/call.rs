//! Any method of any capability: the method table gives the types, capnp builds and reads the messages.
use capnp::capability::{Request, Response};
use capnp::introspect::{Type, TypeVariant};
use capnp::private::layout::{PointerBuilder, StructBuilder, StructSize};
use capnp::schema::StructSchema;
use capnp::schema_capnp::node;
use capnp::traits::FromPointerBuilder;
use capnp::{ErrorKind, Word, any_pointer, dynamic_struct};
use capos_service::{CallFailure, Kind, Side};
use schema::table::Method;

use crate::arguments;
use crate::held::{Capability, Held};
use crate::show::{self, Root};
use crate::signature::{interface_of, name_of};
use crate::syntax::Value;

/// A call that is ready to be sent.
pub struct Call {
    request: Request<any_pointer::Owned, any_pointer::Owned>,
    method: &'static Method,
}

/// The answer to a call.
pub struct Answer {
    response: Response<any_pointer::Owned>,
    results: Type,
}

/// Splits `name.method`.
pub fn target(text: &str) -> Result<(&str, &str), String> {
    text.split_once('.')
        .filter(|(name, method)| !name.is_empty() && !method.is_empty())
        .ok_or_else(|| format!("\"@{text}\" names no method: write @name.method, as `inspect @{text}` lists them"))
}

impl Call {
    /// Finds the method and fills its parameters.
    pub fn prepare(held: &Held, name: &str, method: &str, given: &[(String, Value)]) -> Result<Self, String> {
        let capability = held.get(name)?;
        let interface = capability.described().map_err(|e| format!("@{name} cannot be called: {e}"))?;
        let (owner, method) = interface.method(method).ok_or_else(|| {
            let methods: Vec<_> = std::iter::once(interface)
                .chain(interface.ancestors())
                .flat_map(|i| i.methods)
                .map(|m| m.name)
                .collect();
            format!("{} has no method \"{method}\". Its methods: {}", interface.name, methods.join(", "))
        })?;
        let mut request = capability.hook.new_call(owner.id, method.ordinal, None);
        let ty = (method.params)();
        let label = format!("{}.{}", interface.name, method.name);
        fill(&label, &mut request, ty, given, held)?;
        Ok(Self { request, method })
    }

    /// Sends it. Dropping the future cancels the call.
    pub async fn send(self) -> Result<Answer, String> {
        let response = self.request.send().promise.await.map_err(|e| failure(&e))?;
        Ok(Answer { response, results: (self.method.results)() })
    }
}

impl Answer {
    /// The results as text. Capabilities are kept under `wanted`, or under numbers.
    pub fn show(&self, held: &mut Held, wanted: Option<&str>) -> Result<String, String> {
        let root: Root<'_> = self.response.get().and_then(|p| p.get_as()).map_err(|e| failure(&e))?;
        let single =
            crate::signature::fields(self.results).into_iter().filter(|&f| interface_of(f).is_some()).count() == 1;
        let mut keep = |field, capability: Capability| match wanted {
            None => held.insert_numbered(capability),
            Some(name) => {
                let name = if single { name.to_owned() } else { format!("{name}-{}", name_of(field)) };
                held.insert(&name, capability);
                name
            }
        };
        let text = show::results(&root, self.results, &mut keep).map_err(|e| failure(&e))?;
        Ok(if text.is_empty() { "done\n".to_owned() } else { text })
    }
}

/// A parameter struct before its type is known to capnp: the way to its capability fields.
struct RootBuilder<'a>(PointerBuilder<'a>);

impl<'a> FromPointerBuilder<'a> for RootBuilder<'a> {
    fn init_pointer(builder: PointerBuilder<'a>, _length: u32) -> Self {
        Self(builder)
    }

    fn get_from_pointer(builder: PointerBuilder<'a>, _default: Option<&'a [Word]>) -> capnp::Result<Self> {
        Ok(Self(builder))
    }
}

fn fill(
    label: &str,
    request: &mut Request<any_pointer::Owned, any_pointer::Owned>,
    ty: Type,
    given: &[(String, Value)],
    held: &Held,
) -> Result<(), String> {
    let TypeVariant::Struct(raw) = ty.which() else { return Err("parameters are a struct".to_owned()) };
    let schema = StructSchema::new(raw);
    let root: RootBuilder<'_> = request.get().init_as();
    let mut root: StructBuilder<'_> = root.0.init_struct(size(schema).map_err(|e| e.to_string())?);
    let params = dynamic_struct::Builder::new(root.reborrow(), schema);
    for (index, hook) in arguments::fill(label, params, ty, given, held)? {
        root.reborrow().get_pointer_field(index).set_capability(hook);
    }
    Ok(())
}

fn size(schema: StructSchema) -> capnp::Result<StructSize> {
    match schema.get_proto().which()? {
        node::Struct(s) => Ok(StructSize { data: s.get_data_word_count(), pointers: s.get_pointer_count() }),
        _ => Err(capnp::Error::from_kind(ErrorKind::NotAStruct)),
    }
}

/// Why a call failed, and what to do about it.
pub fn failure(error: &capnp::Error) -> String {
    let failure = CallFailure::of(error);
    let (what, advice) = match failure.kind {
        Kind::Disconnected => ("the server is gone", " If it restarts, call again."),
        Kind::Overloaded => ("refused for now", " Try again later."),
        Kind::Unimplemented => ("not implemented", ""),
        Kind::InvalidArgument => ("an argument is wrong", ""),
        Kind::Failed => ("the call failed", ""),
    };
    let side = match failure.side {
        Side::Caller => "here",
        Side::Kernel => "says the kernel",
        Side::Server => "says the server",
    };
    let detail = if error.extra.is_empty() { &error.to_string() } else { failure.message };
    format!("{what}, {side}: {}.{advice}", detail.trim_end_matches('.'))
}
