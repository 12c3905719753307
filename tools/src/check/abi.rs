//! The grammar of `capos-abi`: data that both sides can read bit for bit, and nothing else.
//!
//! Allowed are modules, constants, type aliases of integers, and `repr(C)` structs whose fields are public, documented, of integer
//! or array or other ABI struct type, and fill their struct without padding; beside each struct stands an assertion of its size.

use super::Violations;
use super::source::{parse, relative, rust_files};
use anyhow::Result;
use quote::ToTokens;
use std::path::Path;
use syn::{Attribute, Field, File, Item, ItemStruct, Type};

/// Checks every file of `capos-abi`.
pub fn check(root: &Path) -> Result<Violations> {
    let mut violations = Violations::new();
    for path in rust_files(&root.join("capos-abi/src"))? {
        let file = parse(&path)?;
        let name = relative(root, &path);
        violations.extend(check_file(&file).into_iter().map(|v| format!("{name}: {v}")));
    }
    Ok(violations)
}

fn check_file(file: &File) -> Violations {
    let asserted = asserted_structs(file);
    let mut violations = Violations::new();
    check_items(&file.items, &asserted, &mut violations);
    violations
}

fn check_items(items: &[Item], asserted: &[String], violations: &mut Violations) {
    for item in items {
        match item {
            Item::Const(_) | Item::Use(_) | Item::Type(_) => {}
            Item::Macro(m) if m.mac.path.is_ident("include") => {}
            Item::Mod(module) => {
                let inner = module.content.as_ref().map_or(&[][..], |(_, items)| items);
                check_items(inner, asserted, violations);
            }
            Item::Struct(item) => violations.extend(check_struct(item, asserted)),
            other => violations.push(format!("`{}` is not ABI data", first_words(other))),
        }
    }
}

fn check_struct(item: &ItemStruct, asserted: &[String]) -> Violations {
    let name = item.ident.to_string();
    let mut violations = Violations::new();
    if !is_repr_c(&item.attrs) {
        violations.push(format!("struct {name} is not repr(C)"));
    }
    if !asserted.contains(&name) {
        violations.push(format!("the size of struct {name} is not asserted"));
    }
    let fields: Vec<&Field> = item.fields.iter().collect();
    for field in &fields {
        let field_name = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
        if !matches!(field.vis, syn::Visibility::Public(_)) {
            violations.push(format!("{name}.{field_name} is not public"));
        }
        if !field.attrs.iter().any(|a| a.path().is_ident("doc")) {
            violations.push(format!("{name}.{field_name} is not documented"));
        }
        if element_bytes(&field.ty).is_none() && !is_abi_struct(&field.ty) {
            violations.push(format!("{name}.{field_name} is neither an integer nor an array nor a struct of the ABI"));
        }
    }
    violations.extend(padding(&name, &fields));
    violations
}

/// A hole before a field, or behind the last one, as far as sizes are known from the source.
fn padding(name: &str, fields: &[&Field]) -> Option<String> {
    let mut offset = 0;
    let mut alignment = 1;
    for field in fields {
        let (bytes, align) = size_of_type(&field.ty)?;
        if offset % align != 0 {
            return Some(format!("struct {name} has a hole before {}", field.ident.as_ref()?));
        }
        offset += bytes;
        alignment = alignment.max(align);
    }
    (offset % alignment != 0).then(|| format!("struct {name} has a hole at its end"))
}

/// Size and alignment of an integer or of an array of literal length.
fn size_of_type(ty: &Type) -> Option<(usize, usize)> {
    match ty {
        Type::Array(array) => {
            let (bytes, align) = size_of_type(&array.elem)?;
            let syn::Expr::Lit(literal) = &array.len else { return None };
            let syn::Lit::Int(count) = &literal.lit else { return None };
            Some((bytes * count.base10_parse::<usize>().ok()?, align))
        }
        other => element_bytes(other).map(|bytes| (bytes, bytes)),
    }
}

/// Bytes of an integer, or of the integers of an array.
fn element_bytes(ty: &Type) -> Option<usize> {
    match ty {
        Type::Array(array) => element_bytes(&array.elem),
        Type::Path(path) => match path.path.get_ident()?.to_string().as_str() {
            "u8" | "i8" => Some(1),
            "u16" | "i16" => Some(2),
            "u32" | "i32" => Some(4),
            "u64" | "i64" => Some(8),
            _ => None,
        },
        _ => None,
    }
}

/// Types of the ABI are named in upper case and have no parameters.
fn is_abi_struct(ty: &Type) -> bool {
    match ty {
        Type::Array(array) => is_abi_struct(&array.elem),
        Type::Path(path) => path.path.segments.iter().all(|s| s.arguments.is_none()) && !path.path.is_ident("bool"),
        _ => false,
    }
}

fn is_repr_c(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|a| a.path().is_ident("repr") && a.to_token_stream().to_string().contains("(C)"))
}

/// Names of the structs in `const _: () = assert!(size_of::<Name>() == …)`.
fn asserted_structs(file: &File) -> Vec<String> {
    let constants = file.items.iter().filter_map(|item| match item {
        Item::Const(constant) if constant.ident == "_" => Some(without_spaces(&constant.expr)),
        _ => None,
    });
    let name = |text: String| Some(text.split_once("size_of::<")?.1.split_once('>')?.0.to_owned());
    constants.filter_map(name).collect()
}

fn without_spaces(item: &impl ToTokens) -> String {
    item.to_token_stream().to_string().split_whitespace().collect()
}

/// The start of an item, without its attributes and comments.
fn first_words(item: &Item) -> String {
    let text = item.to_token_stream().to_string();
    let start = text.find("pub ").unwrap_or(0);
    text.get(start..).unwrap_or(&text).split_whitespace().take(4).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod test {
    use super::check_file;

    fn violations(source: &str) -> Vec<String> {
        check_file(&syn::parse_file(source).expect("source"))
    }

    #[test]
    fn data_passes() {
        let source = "#[repr(C)] pub struct A { /// x
            pub a: u32, /// y
            pub b: [u16; 2] } const _: () = assert!(size_of::<A>() == 8); pub const N: u32 = 1;";
        assert_eq!(violations(source), Vec::<String>::new());
    }

    #[test]
    fn everything_else_is_named() {
        for (source, sentence) in [
            ("pub enum E { A }", "`pub enum E {` is not ABI data"),
            ("pub fn f() {}", "`pub fn f ()` is not ABI data"),
            (
                "pub struct A { /// x
                pub a: u8 } const _: () = assert!(size_of::<A>() == 1);",
                "struct A is not repr(C)",
            ),
            (
                "#[repr(C)] pub struct A { /// x
                pub a: u8 }",
                "the size of struct A is not asserted",
            ),
            (
                "#[repr(C)] pub struct A { /// x
                a: u8 } const _: () = assert!(size_of::<A>() == 1);",
                "A.a is not public",
            ),
            (
                "#[repr(C)] pub struct A { pub a: u8 } const _: () = assert!(size_of::<A>() == 1);",
                "A.a is not documented",
            ),
            (
                "#[repr(C)] pub struct A { /// x
                pub a: bool } const _: () = assert!(size_of::<A>() == 1);",
                "A.a is neither an integer nor an array nor a struct of the ABI",
            ),
            (
                "#[repr(C)] pub struct A { /// x
                pub a: u8, /// y
                pub b: u32 } const _: () = assert!(size_of::<A>() == 8);",
                "struct A has a hole before b",
            ),
        ] {
            assert_eq!(violations(source), [sentence], "{source}");
        }
    }
}
