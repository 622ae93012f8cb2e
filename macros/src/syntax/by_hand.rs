//! The traits that users implement by hand, as their source files say it: who does so has forgotten no derive.

use std::path::PathBuf;

/// Traits of others that users implement by hand.
const OF_OTHERS: [&str; 22] = [
    "Add",
    "AsRef",
    "Clone",
    "Copy",
    "Debug",
    "Default",
    "Deref",
    "Deserialize",
    "Display",
    "Drop",
    "Eq",
    "Error",
    "From",
    "FromStr",
    "Hash",
    "Iterator",
    "Ord",
    "PartialEq",
    "PartialOrd",
    "Serialize",
    "ToString",
    "TryFrom",
];

/// The traits that the text implements for a type of this name, by the last words of their paths.
fn implemented<'t>(text: &'t str, name: &str) -> impl Iterator<Item = &'t str> {
    let is_name = |ty: &str| {
        let ty = ty.split(['<', '{']).next().unwrap_or_default();
        ty.rsplit("::").next() == Some(name)
    };
    let mut words = text.split_whitespace();
    let (mut of, mut before) = ("", "");
    std::iter::from_fn(move || {
        for word in words.by_ref() {
            let found = (before == "for" && is_name(word)).then_some(of);
            (of, before) = (before, word);
            if let Some(found) = found {
                let path = found.split('<').next().unwrap_or_default();
                return Some(path.rsplit("::").next().unwrap_or_default());
            }
        }
        None
    })
}

/// Whether the text implements this trait for a type of this name.
pub(super) fn has_impl(text: &str, of: &str, name: &str) -> bool {
    implemented(text, name).any(|found| found == of)
}

/// Whether the text implements a trait for a type of this name that may be one of ours, under any name.
pub(super) fn may_have_impl(text: &str, name: &str) -> bool {
    implemented(text, name).any(|found| !OF_OTHERS.contains(&found))
}

/// Whether a source file of the package may implement one of these traits, or another one of ours, for a type of this name. It is asked
/// before an error only.
pub(super) fn has_impl_elsewhere(of: &[&str], name: &str) -> bool {
    let folders = ["CARGO_MANIFEST_DIR", "OUT_DIR"].into_iter().filter_map(std::env::var_os);
    let mut folders: Vec<_> = folders.map(PathBuf::from).collect();
    let has_it = |text: String| may_have_impl(&text, name) || of.iter().any(|of| has_impl(&text, of, name));
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if path.is_dir() && !path.is_symlink() {
                // Folders of build results have the tag.
                folders.extend((!is_hidden && !path.join("CACHEDIR.TAG").exists()).then_some(path));
            } else if path.extension().is_some_and(|ending| ending == "rs" || ending == "in")
                && std::fs::read_to_string(path).is_ok_and(has_it)
            {
                return true;
            }
        }
    }
    false
}
