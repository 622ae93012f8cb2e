//! The schema of a view's tables.

use crate::domain::hash::{FNV_OFFSET, hashed};
use crate::follow::definition::FollowerDefinition;

/// How many bytes a name has at most in PostgreSQL. It cuts a longer one off.
const LONGEST: usize = 63;

/// The schema of a view's tables, which is apart from that of the store.
///
/// Handlers name their tables without it. It is the one schema of the search path while they run, so that they can run in
/// another schema while the view is rebuilt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ViewSchema {
    pub(crate) name: String,
    /// Begins each statement of the view, so that a session keeps those of different tables apart.
    pub(crate) mark: String,
}

impl ViewSchema {
    /// That of a follower of the store in the schema `store`.
    pub(crate) fn of(store: &str, definition: &FollowerDefinition) -> Self {
        let name = name(store, definition.name);
        let (tables, version) = (definition.fingerprint(), definition.version);
        let mark = format!("/*{:x} {tables:x} {version}*/", hashed(FNV_OFFSET, &name));
        Self { name, mark }
    }

    pub(crate) fn quoted(&self) -> String {
        quoted(&self.name)
    }

    /// Lets names without a schema be those of the view, until the transaction ends.
    pub(crate) fn enter(&self) -> String {
        format!("SET LOCAL search_path TO {}", self.quoted())
    }
}

/// The name of the schema: that of the store's schema, a slash, and the view's name. The schema of a store has no slash.
pub(crate) fn name(store: &str, view: &str) -> String {
    let name = format!("{store}/{view}");
    if name.len() <= LONGEST && !name.contains('\0') {
        return name;
    }
    let hash = format!("-{:016x}", hashed(FNV_OFFSET, &name));
    let mut short = name.replace('\0', "-");
    while short.len() + hash.len() > LONGEST {
        short.pop();
    }
    short + &hash
}

/// A name as an SQL identifier.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_view_has_a_name_that_postgresql_keeps() {
        assert_eq!(name("factum", "balances"), "factum/balances");
        let long = "ä".repeat(40);
        let names = [&long, &format!("{long}b"), "a\0b", "a-b"].map(|view| name("factum", view));
        for (index, name) in names.iter().enumerate() {
            assert!(name.len() <= LONGEST && !name.contains('\0'), "{name}");
            assert!(!names[..index].contains(name), "{name}");
        }
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
    }
}
