//! Links the kernel by its own script.

fn main() {
    let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo names the folder of the package");
    println!("cargo::rerun-if-changed=link.ld");
    for argument in
        [&format!("-T{folder}/link.ld"), "--no-pie", "-zmax-page-size=4096", "-znognustack", "--gc-sections"]
    {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}
