//! Spelling: camel case of schemas to snake and upper case of Rust.

/// `createThread` → `create_thread`, the way capnpc's generated code spells modules.
pub fn snake(camel: &str) -> String {
    let mut out = String::new();
    for (i, c) in camel.chars().enumerate() {
        if c.is_uppercase() && i > 0 {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

/// `createThread` → `CREATE_THREAD`.
pub fn upper(camel: &str) -> String {
    snake(camel).to_uppercase()
}
