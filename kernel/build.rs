//! Links the kernel by its own script, as a position-independent file that needs no dynamic linker. What could not be relocated
//! (an absolute address in code or constants) fails to link.

fn main() {
    let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo names the folder of the package");
    println!("cargo::rerun-if-changed=link.ld");
    for argument in [
        &format!("-T{folder}/link.ld"),
        "--pie",
        "--no-dynamic-linker",
        "--no-undefined",
        "--apply-dynamic-relocs",
        "-ztext",
        "-znorelro",
        "-zrodynamic",
        "-zmax-page-size=4096",
        "-znognustack",
        "--gc-sections",
    ] {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}
