//! Programs that must not compile, with their messages, and programs that must compile although that is hard.
//!
//! The messages are part of the product: read a changed one before you accept it. To accept:
//! `TRYBUILD=overwrite cargo test -p factum-tests --test compile`.

mod counts;
mod docs;
mod features;
mod locked;
mod page;
mod renamed;
mod workspace;

#[test]
fn messages() {
    let cases = trybuild::TestCases::new();
    cases.pass("compile/pass/*.rs");
    cases.compile_fail("compile/fail/*/*.rs");
}
