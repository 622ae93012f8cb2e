//! The pages that rustdoc writes for generated code.

use std::path::Path;
use std::process::Command;

/// The variants of the bank's enums have the docs of their structs, and link to them.
#[test]
fn variants_bear_the_docs_of_their_structs() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let rustdoc = Command::new(env!("CARGO"))
        .args(["rustdoc", "--quiet", "-p", "factum-examples", "--example", "bank", "--target-dir"])
        .arg(target)
        .args(["--", "--document-private-items", "-Dwarnings", "-Arustdoc::private_intra_doc_links"])
        .output()
        .unwrap();
    assert!(rustdoc.status.success(), "{}", String::from_utf8_lossy(&rustdoc.stderr));
    let page = target.join("doc/bank/account/enum.BankAccountEvent.html");
    let page = std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
    for (variant, said) in [
        ("MoneyDeposited", "Money came in over the counter."),
        ("TransferReceived", "Money came from another account."),
    ] {
        let (_, variant_on) = page.split_once(&format!("id=\"variant.{variant}\"")).unwrap();
        let section = variant_on.split("id=\"variant.").next().unwrap();
        assert!(section.contains(said), "{variant}: {section}");
        assert!(section.contains(&format!("struct.{variant}.html")), "{variant}: {section}");
    }
}
