//! Every status of the ring is explained: it has its place in the table of the ABI chapter.

use super::Violations;
use super::source::parse;
use anyhow::{Context, Result};
use std::path::Path;
use syn::Item;

const STATUSES: &str = "capos-abi/src/status.rs";
const CHAPTER: &str = "docs/src/abi.md";

/// Compares the constants of type `Status` with the chapter.
pub fn check(root: &Path) -> Result<Violations> {
    let chapter = std::fs::read_to_string(root.join(CHAPTER)).with_context(|| format!("cannot read {CHAPTER}"))?;
    let (_, table) = chapter.split_once("## Status codes").context("the chapter has no table of status codes")?;
    let words: Vec<_> = table.split(|c: char| !c.is_ascii_uppercase() && c != '_').collect();
    let is_status = |ty: &syn::Type| matches!(ty, syn::Type::Path(path) if path.path.is_ident("Status"));
    let names = parse(&root.join(STATUSES))?.items.into_iter().filter_map(|item| match item {
        Item::Const(constant) if is_status(&constant.ty) => Some(constant.ident.to_string()),
        _ => None,
    });
    Ok(names
        .filter(|name| !words.contains(&name.as_str()))
        .map(|name| format!("{CHAPTER} does not explain {name}"))
        .collect())
}
