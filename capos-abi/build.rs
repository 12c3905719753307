//! Generates `interface.rs` from the kernel's schema files.
use std::path::{Path, PathBuf};

fn main() {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema");
    println!("cargo:rerun-if-changed={}", schema.join("kernel").display());
    let files = schema_codegen::schema_files(&schema.join("kernel"));
    let request = schema_codegen::Request::compile(&schema, &files);
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("interface.rs");
    std::fs::write(out, schema_codegen::kernel::interfaces(&request)).expect("write interface.rs");
}
