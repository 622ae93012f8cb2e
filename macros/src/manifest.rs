//! The name of factum in the crate that is being compiled: its own, unless the crate's manifest has it under another one.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use proc_macro2::Span;
use syn::{Ident, Token};

/// The path of factum, unless `crate = path` says another one.
pub(crate) fn factum() -> syn::Path {
    let name = renamed().unwrap_or_else(|| "factum".to_owned());
    let mut path = syn::Path::from(Ident::new(&name, Span::call_site()));
    path.leading_colon = Some(<Token![::]>::default());
    path
}

thread_local! {
    /// The manifest that was read last, and the name in it. rustc compiles one crate, an editor several.
    static LAST: RefCell<Option<(PathBuf, Option<String>)>> = const { RefCell::new(None) };
}

/// The name that rustc or the crate's manifest gives to factum, if it is another one.
pub(crate) fn renamed() -> Option<String> {
    if let Some(name) = given_to_rustc(std::env::args_os().filter_map(|argument| argument.into_string().ok()))
    {
        return Some(name).filter(|name| name != "factum");
    }
    let manifest = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR")?).join("Cargo.toml");
    LAST.with_borrow_mut(|last| {
        if let Some((_, name)) = last.as_ref().filter(|(path, _)| *path == manifest) {
            return name.clone();
        }
        let name = read(&manifest);
        *last = Some((manifest, name.clone()));
        name
    })
}

/// The name in the arguments of rustc, as in `--extern es=target/libfactum-0123.rmeta`. An editor has no such arguments.
fn given_to_rustc(arguments: impl Iterator<Item = String>) -> Option<String> {
    let mut is_library = false;
    for argument in arguments {
        if is_library && let Some((name, file)) = argument.split_once('=') {
            let stem = Path::new(file).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let library = stem.strip_prefix("lib").unwrap_or(stem).split('-').next();
            if library == Some("factum") {
                return Some(name.rsplit(':').next().unwrap_or(name).to_owned());
            }
        }
        is_library = argument == "--extern";
    }
    None
}

fn read(manifest: &Path) -> Option<String> {
    let text = std::fs::read_to_string(manifest).ok()?;
    if let Some(name) = name_in(&text, |section| section.ends_with("dependencies")) {
        return Some(name).filter(|name| name != "factum");
    }
    // A dependency of the workspace has the name that it has there.
    let roots = manifest.ancestors().skip(2).map(|folder| folder.join("Cargo.toml"));
    let root = roots
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .find(|text| text.contains("[workspace"))?;
    let name = name_in(&root, |section| section == "workspace.dependencies")?;
    let is_inherited = |line: &str| {
        line.strip_prefix(&*name)
            .is_some_and(|rest| rest.contains("workspace") && !rest.starts_with(char::is_alphanumeric))
    };
    text.replace('-', "_").lines().any(|line| is_inherited(line.trim_start())).then_some(name)
}

/// Reads a manifest line by line, as cargo writes it. What is not understood leaves the name as it is.
fn name_in(manifest: &str, is_list: impl Fn(&str) -> bool) -> Option<String> {
    let mut renamed = None;
    let mut section = "";
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']').trim();
            if is_list(section.strip_suffix(".factum").unwrap_or_default()) {
                return Some("factum".to_owned());
            }
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        let key = key.trim().trim_matches('"');
        let of_section = section.rsplit_once('.').filter(|(list, _)| is_list(list)).map(|(_, name)| name);
        let name = match of_section {
            Some(name) if key == "package" && is_factum(value) => name,
            None if is_list(section) => {
                if matches!(key, "factum" | "factum.path" | "factum.workspace" | "factum.version") {
                    return Some("factum".to_owned());
                }
                match (key.strip_suffix(".package"), value.split_once("package")) {
                    (Some(name), _) if is_factum(value) => name,
                    (None, Some((_, package))) if is_factum(package) => key,
                    _ => continue,
                }
            }
            _ => continue,
        };
        renamed.get_or_insert_with(|| name.trim_matches('"').replace('-', "_"));
    }
    renamed.filter(|name| syn::parse_str::<Ident>(name).is_ok())
}

/// Whether a value, behind its `=` or with it, begins with the name of factum in quotes.
fn is_factum(value: &str) -> bool {
    value.trim_start_matches([' ', '=']).starts_with("\"factum\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_of_rustc_say_the_name_of_factum() {
        let arguments = [
            "--crate-name",
            "shop",
            "--extern",
            "serde=libserde-1.rmeta",
            "--extern",
            "priv:es=a/libfactum-12.rmeta",
        ];
        assert_eq!(given_to_rustc(arguments.map(str::to_owned).into_iter()).as_deref(), Some("es"));
        let arguments = ["--extern", "factum_macros=libfactum_macros-1.so", "es=libfactum-1.rmeta"];
        assert_eq!(given_to_rustc(arguments.map(str::to_owned).into_iter()), None);
    }

    #[test]
    fn a_manifest_says_the_name_of_factum() {
        let of_crate = |manifest| name_in(manifest, |section| section.ends_with("dependencies"));
        for (manifest, name) in [
            ("[dependencies]\nfactum = { path = \"..\" }", Some("factum")),
            ("[dependencies]\nes = { package = \"factum\" }\nfactum.workspace = true", Some("factum")),
            (
                "[dependencies]\nserde = \"1\"\nledger = { path = \"..\", package = \"factum\" }",
                Some("ledger"),
            ),
            ("[target.'cfg(unix)'.dependencies]\nevent-store = { package=\"factum\" }", Some("event_store")),
            ("[dependencies.es]\npath = \"..\"\npackage = \"factum\"", Some("es")),
            ("[dependencies]\nes.package = \"factum\"\nes.path = \"..\"", Some("es")),
            (
                "[dependencies.es]\npackage = \"factum\"\n[dev-dependencies.factum]\npath = \"..\"",
                Some("factum"),
            ),
            ("[dependencies]\nes = { package = \"factum-macros\" }", None),
            ("[package]\nname = \"factum\"", None),
        ] {
            assert_eq!(of_crate(manifest).as_deref(), name, "{manifest}");
        }
        let of_workspace = "[workspace.dependencies]\nes = { package = \"factum\" }";
        assert_eq!(
            name_in(of_workspace, |section| section == "workspace.dependencies").as_deref(),
            Some("es")
        );
    }
}
