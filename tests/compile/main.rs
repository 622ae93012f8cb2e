//! What does not compile, and what it says; what compiles although it could easily not.
//!
//! The messages are part of the product: a changed one is read before it is accepted. To accept:
//! `TRYBUILD=overwrite cargo test -p factum-tests --test compile`.

mod docs;
mod locked;
mod page;

#[test]
fn messages() {
    let cases = trybuild::TestCases::new();
    cases.pass("compile/pass/*.rs");
    cases.compile_fail("compile/fail/*/*.rs");
}
