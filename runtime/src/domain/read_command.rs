//! Why a command can't be read from its name and its JSON.

use crate::domain::json_path::path_of;

/// A command that can't be read from its name and its JSON.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadCommandError {
    /// No command has this name.
    #[error("no command has the name `{name}`{}", meant.map(|meant| format!(": did you mean `{meant}`?")).unwrap_or_default())]
    #[non_exhaustive]
    UnknownName {
        /// The name that was asked for. A longer one ends after 64 characters, with `…`.
        name: String,
        /// A command with nearly this name.
        meant: Option<&'static str>,
    },
    /// The command does not derive `Deserialize`.
    #[error("the command `{name}` can't be read from JSON: it does not derive `Deserialize`")]
    #[non_exhaustive]
    NotReadable {
        /// The command's name.
        name: &'static str,
    },
    /// The JSON is not that of the command.
    #[error("the JSON does not fit the command `{name}`{}", if path.is_empty() { String::new() } else { format!(", at `{path}`") })]
    #[non_exhaustive]
    Malformed {
        /// The command's name.
        name: &'static str,
        /// The path to the field that is wrong, as `lines[2].sku`; empty for the whole command.
        path: String,
        /// serde's own error.
        source: serde_json::Error,
    },
}

impl ReadCommandError {
    /// The error for JSON that serde can't read as the command of this name.
    pub(crate) fn malformed(name: &'static str, json: &str, source: serde_json::Error) -> Self {
        Self::Malformed { name, path: path_of(json, source.line(), source.column()), source }
    }
}
