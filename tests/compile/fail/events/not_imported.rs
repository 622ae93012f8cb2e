//! The derive is not in scope.

use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Opened;

fn main() {}

// errors: 1
