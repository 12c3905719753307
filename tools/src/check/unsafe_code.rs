//! Where `unsafe` stands: files and counts, compared with `docs/tables/unsafe.txt`.

use super::source::{parse, relative, rust_files};
use super::{Violations, table};
use anyhow::Result;
use std::collections::BTreeMap;
use std::path::Path;
use syn::visit::{self, Visit};

/// The table, from the root of the tree.
pub const TABLE: &str = "docs/tables/unsafe.txt";

const HEADING: &str = "Files that hold unsafe code: blocks, functions and implementations.
Renewed by `capos check unsafe --write`; the reasons are written by hand.";

/// Compares what the tree holds with the table.
pub fn check(root: &Path, write: bool) -> Result<Violations> {
    let mut found = BTreeMap::new();
    for path in rust_files(root)? {
        let mut counter = Counter::default();
        counter.visit_file(&parse(&path)?);
        if counter.total() > 0 {
            found.insert(relative(root, &path), counter.describe());
        }
    }
    let path = root.join(TABLE);
    let old = table::read(&path)?;
    if write {
        table::write(&path, HEADING, &found, &old)?;
    }
    Ok(table::differences(TABLE, &found, &table::read(&path)?))
}

#[derive(Default)]
struct Counter {
    blocks: usize,
    functions: usize,
    implementations: usize,
}

impl Counter {
    fn total(&self) -> usize {
        self.blocks + self.functions + self.implementations
    }

    fn describe(&self) -> String {
        format!("{} blocks, {} functions, {} implementations", self.blocks, self.functions, self.implementations)
    }

    fn count_function(&mut self, signature: &syn::Signature) {
        self.functions += usize::from(signature.unsafety.is_some());
    }
}

impl<'ast> Visit<'ast> for Counter {
    fn visit_expr_unsafe(&mut self, block: &'ast syn::ExprUnsafe) {
        self.blocks += 1;
        visit::visit_expr_unsafe(self, block);
    }
    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.count_function(signature);
        visit::visit_signature(self, signature);
    }
    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        self.implementations += usize::from(item.unsafety.is_some());
        visit::visit_item_impl(self, item);
    }
}
