//! The compiled schema: the stock compiler's `CodeGeneratorRequest`, indexed.
use capnp::message::{Reader, ReaderOptions};
use capnp::schema_capnp::{code_generator_request, method, node};
use capnp::serialize::OwnedSegments;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// All `.capnp` files below a folder, sorted.
pub fn schema_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    for entry in entries {
        let path = entry.expect("directory entry").path();
        if path.is_dir() {
            files.extend(schema_files(&path));
        } else if path.extension().is_some_and(|e| e == "capnp") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// A compiled set of schema files.
pub struct Request {
    message: Reader<OwnedSegments>,
}

impl Request {
    /// Compiles `files`, whose absolute imports start at `root`.
    pub fn compile(root: &Path, files: &[PathBuf]) -> Self {
        let output = Command::new("capnp")
            .arg("compile")
            .arg("-o-")
            .arg(format!("--src-prefix={}", root.display()))
            .arg(format!("--import-path={}", root.display()))
            .args(files)
            .output()
            .unwrap_or_else(|e| panic!("cannot run `capnp` ({e}); `make setup` installs it"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let options = ReaderOptions { traversal_limit_in_words: None, nesting_limit: 256 };
        let message =
            capnp::serialize::read_message(&output.stdout[..], options).expect("request of the capnp compiler");
        Self { message }
    }

    fn root(&self) -> code_generator_request::Reader<'_> {
        self.message.get_root().expect("code generator request")
    }

    /// The nodes of the requested files' interfaces, sorted by name, each with the stem of its file.
    pub fn interfaces(&self) -> Vec<(String, node::Reader<'_>)> {
        let stems = self.file_stems();
        let mut found: Vec<_> = self
            .nodes()
            .filter(|n| matches!(n.which(), Ok(node::Interface(_))))
            .filter_map(|n| Some((stems.get(&n.get_scope_id())?.clone(), n)))
            .collect();
        found.sort_by_key(|(_, n)| short_name(n));
        found
    }

    /// The node with this id.
    pub fn node(&self, id: u64) -> node::Reader<'_> {
        self.nodes().find(|n| n.get_id() == id).unwrap_or_else(|| panic!("schema node {id:#x} is missing"))
    }

    /// Doc comment of a node and of its members (methods or fields), in order of declaration.
    pub fn docs(&self, id: u64) -> (String, Vec<String>) {
        let info = self.root().get_source_info().expect("source info").iter().find(|i| i.get_id() == id);
        let Some(info) = info else { return Default::default() };
        let text =
            |t: capnp::Result<capnp::text::Reader<'_>>| t.map_or("", |t| t.to_str().unwrap_or("")).trim().to_owned();
        let members = info.get_members().expect("members").iter().map(|m| text(m.get_doc_comment())).collect();
        (text(info.get_doc_comment()), members)
    }

    /// Every interface that `id` extends, directly or not.
    pub fn ancestors(&self, id: u64) -> Vec<u64> {
        let mut all = Vec::new();
        if let Ok(node::Interface(interface)) = self.node(id).which() {
            for superclass in interface.get_superclasses().expect("superclasses") {
                all.push(superclass.get_id());
                all.extend(self.ancestors(superclass.get_id()));
            }
        }
        all
    }

    /// Whether a method carries an annotation.
    pub fn has_annotation(method: &method::Reader<'_>, annotation: u64) -> bool {
        method.get_annotations().expect("annotations").iter().any(|a| a.get_id() == annotation)
    }

    fn nodes(&self) -> impl Iterator<Item = node::Reader<'_>> {
        self.root().get_nodes().expect("nodes").iter()
    }

    fn file_stems(&self) -> HashMap<u64, String> {
        let files = self.root().get_requested_files().expect("requested files");
        let stem = |name: &str| Path::new(name).file_stem().and_then(|s| s.to_str()).expect("file stem").to_owned();
        files.iter().map(|f| (f.get_id(), stem(f.get_filename().expect("name").to_str().expect("UTF-8")))).collect()
    }
}

/// Name of a node without its file: `Ledger`, `Process.State`.
pub fn short_name(node: &node::Reader<'_>) -> String {
    let name = node.get_display_name().expect("name").to_str().expect("UTF-8");
    name[node.get_display_name_prefix_length() as usize..].to_owned()
}
