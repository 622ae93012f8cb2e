//! Builds the library on the model checker's locks and threads.

fn main() {
    println!("cargo::rustc-cfg=factum_shuttle");
    println!("cargo::rerun-if-changed=build.rs");
}
