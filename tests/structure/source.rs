//! The files of `runtime/src`, with the paths inside the crate that each of them names.

use std::fs;
use std::path::{Path, PathBuf};

/// A file of the crate.
pub(crate) struct SourceFile {
    /// As in `runtime/src/store/append.rs`.
    pub(crate) path: String,
    /// As in `store::append`; empty for `lib.rs`.
    pub(crate) module: String,
    pub(crate) imports: Vec<Import>,
    pub(crate) text: String,
}

/// A path inside the crate that a file names.
pub(crate) struct Import {
    /// Without the `crate::` at its beginning.
    pub(crate) path: String,
    pub(crate) line: usize,
}

pub(crate) fn runtime() -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/src");
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths.sort();
    paths.iter().map(|path| read(&root, path)).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the runtime's source is beside the tests") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

fn read(root: &Path, path: &Path) -> SourceFile {
    let relative = path.strip_prefix(root).expect("below the root").with_extension("");
    let names: Vec<_> = relative.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    let module = if names == ["lib"] { String::new() } else { names.join("::") };
    let text = fs::read_to_string(path).expect("source is text");
    let imports = imports(&text, &module);
    let path = format!("runtime/src/{}.rs", names.join("/"));
    SourceFile { path, module, imports, text }
}

/// All paths that begin with `crate::` or `super::`, in `use` items and in code; documentation may point anywhere. Unit tests
/// are left out.
fn imports(text: &str, module: &str) -> Vec<Import> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let mut imports = Vec::new();
    let mut lines =
        code.lines().zip(1..).map(|(line, number)| (line.split("//").next().unwrap_or_default(), number));
    while let Some((line, number)) = lines.next() {
        let mut statement = line.trim().to_owned();
        if is_use(&statement) {
            while !statement.contains(';')
                && let Some((line, _)) = lines.next()
            {
                statement.push_str(line.trim());
            }
        }
        for prefix in ["crate::", "super::"] {
            for (begin, _) in statement.match_indices(prefix) {
                let before = statement.get(..begin).and_then(|before| before.chars().next_back());
                // Not `$crate::`, nor a longer word.
                if before.is_some_and(|c| c == '$' || c == '_' || c == ':' || c.is_alphanumeric()) {
                    continue;
                }
                let rest = statement.get(begin + prefix.len()..).unwrap_or_default();
                for path in expanded(rest) {
                    let path = match (prefix, module.rsplit_once("::")) {
                        ("super::", Some((parent, _))) => format!("{parent}::{path}"),
                        _ => path,
                    };
                    imports.push(Import { path, line: number });
                }
            }
        }
    }
    imports
}

fn is_use(line: &str) -> bool {
    ["use ", "pub use ", "pub(crate) use ", "pub(super) use "].iter().any(|begin| line.starts_with(begin))
}

/// The paths of `a::{b, c::d}`, the first one only if there are no braces.
fn expanded(rest: &str) -> Vec<String> {
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
    let (head, tail) = rest.split_at(end);
    let Some(list) = tail.strip_prefix('{') else { return vec![head.trim_end_matches(':').to_owned()] };
    let (mut depth, mut begin, mut paths) = (0, 0, Vec::new());
    for (index, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' | ',' if depth == 0 => {
                let item = list.get(begin..index).unwrap_or_default().trim();
                paths.extend(expanded(item).into_iter().map(|path| format!("{head}{path}")));
                begin = index + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    paths
}

#[test]
fn braces_are_expanded() {
    assert_eq!(expanded("a::{b, c::{d, e},f}; g"), ["a::b", "a::c::d", "a::c::e", "a::f"]);
    assert_eq!(expanded("a::b::C::new()"), ["a::b::C::new"]);
}
