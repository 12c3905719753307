//! Says whether a stock Limine is there to be tried.

fn main() {
    println!("cargo::rerun-if-env-changed=CAPOS_LIMINE");
    println!("cargo::rustc-check-cfg=cfg(stock_limine)");
    if std::env::var_os("CAPOS_LIMINE").is_some() {
        println!("cargo::rustc-cfg=stock_limine");
    }
}
