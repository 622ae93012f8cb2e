//! Messages of a build with fewer features than these tests have.

use crate::locked::Crate;

const MAILS: &str = r#"
use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
pub struct Opened;

#[derive(Reaction)]
#[reaction(events(Opened), from("door"))]
pub struct Mails;

#[handlers]
impl Mails {
    #[react]
    async fn opened(&self, _: &Opened) {}
}
"#;

#[test]
fn an_async_handler_asks_for_the_feature() {
    let (success, text) = Crate::new("features", MAILS).cargo("check");
    assert!(!success, "{text}");
    let errors: Vec<_> = text.lines().filter(|line| line.starts_with("error")).collect();
    assert_eq!(errors.len(), 2, "one error, and one that the crate could not compile: {text}");
    assert!(
        errors[0].ends_with("an `async fn` with `#[react]` needs the feature `tokio` of factum"),
        "{text}"
    );
    assert!(text.contains("15 |     async fn opened(&self, _: &Opened) {}"), "{text}");
}
