//! Writes the crates: a workspace with a package for each arm and size, and one that checks them.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::arms::Arm;
use crate::domain::{Area, Shape};
use crate::source::{self, FIRST_LIMIT};

/// A generated workspace.
pub(crate) struct Generated {
    pub(crate) root: PathBuf,
    shape: Shape,
}

impl Generated {
    pub(crate) fn write(root: &Path, shape: Shape, sizes: &[usize]) -> io::Result<Self> {
        let mut members = String::new();
        for &size in sizes {
            let areas = shape.areas(size);
            for arm in Arm::ALL {
                write_arm(root, arm, shape, size, &areas)?;
                let _ = write!(members, "\"{}\", ", arm.krate(size));
            }
            write_same(root, size, &areas)?;
            let _ = write!(members, "\"same_{size}\", ");
        }
        let manifest = format!("[workspace]\nresolver = \"3\"\nmembers = [{members}]\n");
        fs::write(root.join("Cargo.toml"), manifest)?;
        // The dependency versions of factum's own workspace, so that cargo does not ask the registry.
        fs::copy(factum().join("Cargo.lock"), root.join("Cargo.lock"))?;
        Ok(Self { root: root.to_owned(), shape })
    }

    /// Changes one number in the body of one handler. `edit` counts the changes.
    pub(crate) fn edit(&self, arm: Arm, size: usize, edit: u32) -> io::Result<()> {
        match self.shape.areas(size).first() {
            Some(area) => {
                write_area(&self.root.join(arm.krate(size)), arm, self.shape, area, FIRST_LIMIT + edit)
            }
            None => Ok(()),
        }
    }
}

/// The workspace to which this benchmark belongs.
pub(crate) fn factum() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn write_arm(root: &Path, arm: Arm, shape: Shape, size: usize, areas: &[Area]) -> io::Result<()> {
    let folder = root.join(arm.krate(size));
    fs::create_dir_all(folder.join("src"))?;
    let mut dependencies = String::new();
    if arm.has_serde() {
        dependencies += "serde = { version = \"1\", features = [\"derive\"] }\n";
    }
    if arm == Arm::Hand {
        dependencies += "serde_json = { version = \"1\", features = [\"float_roundtrip\"] }\n";
    }
    if arm.is_whole() {
        dependencies += &on_factum();
    }
    fs::write(folder.join("Cargo.toml"), manifest(&arm.krate(size), &dependencies))?;
    fs::write(folder.join("src/lib.rs"), source::lib(arm, shape, areas))?;
    if shape == Shape::App && arm.is_whole() {
        fs::write(folder.join("src/app.rs"), source::app(arm, areas))?;
    }
    areas.iter().try_for_each(|area| write_area(&folder, arm, shape, area, FIRST_LIMIT))
}

fn write_area(folder: &Path, arm: Arm, shape: Shape, area: &Area, limit: u32) -> io::Result<()> {
    fs::write(folder.join(format!("src/{}.rs", area.module())), source::area(arm, shape, area, limit))
}

fn write_same(root: &Path, size: usize, areas: &[Area]) -> io::Result<()> {
    let folder = root.join(format!("same_{size}"));
    fs::create_dir_all(folder.join("src"))?;
    let mut dependencies = on_factum();
    for arm in Arm::ALL.into_iter().filter(|arm| arm.is_whole()) {
        let _ = writeln!(dependencies, "{0} = {{ path = \"../{0}\" }}", arm.krate(size));
    }
    fs::write(folder.join("Cargo.toml"), manifest(&format!("same_{size}"), &dependencies))?;
    fs::write(folder.join("src/main.rs"), source::same(size, areas))
}

fn manifest(name: &str, dependencies: &str) -> String {
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n[dependencies]\n{dependencies}"
    )
}

fn on_factum() -> String {
    format!("factum = {{ path = '{}' }}\n", factum().join("runtime").display())
}
