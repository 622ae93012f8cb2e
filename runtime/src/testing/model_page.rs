//! The page of a model that is kept beside the code.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use super::difference::difference;
use super::lock::{Mode, write_whole};
use crate::application::model::Model;

/// Checks `model.md` beside the crate's `Cargo.toml` and, outside of CI, writes it if the model is another one.
///
/// Call the macro in a test:
///
/// ```no_run
/// # use factum::prelude::*;
/// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
/// # use bank::*;
/// use factum::application::Model;
///
/// const BANK: Model = Model::new("bank", &[BankAccount::MODEL], &[]);
///
/// factum::testing::model!(BANK);
/// // A crate with two applications has two pages.
/// factum::testing::model!(BANK, "bank.md");
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! __model {
    ($model:expr $(,)?) => {
        $crate::__model!($model, "model.md")
    };
    ($model:expr, $file:expr $(,)?) => {
        $crate::testing::ModelPage::of_crate(::std::env!("CARGO_MANIFEST_DIR")).named($file).check(&$model)
    };
}

/// What [`model!`](crate::testing::model) does, step by step.
#[derive(Debug)]
#[must_use = "nothing is checked before `.check(..)`"]
pub struct ModelPage {
    path: PathBuf,
    mode: Mode,
}

impl ModelPage {
    /// Begins with `model.md` in the `folder` of the crate's `Cargo.toml`.
    ///
    /// The page is written, unless the environment variable `CI` is set: then a stale one is an error.
    pub fn of_crate(folder: impl AsRef<Path>) -> Self {
        Self { path: folder.as_ref().join("model.md"), mode: Mode::of_environment() }
    }

    /// Takes another file of that folder.
    pub fn named(mut self, file: impl AsRef<Path>) -> Self {
        self.path.set_file_name(file.as_ref());
        self
    }

    /// Writes nothing: a stale page is an error, as if `CI` were set.
    pub fn check_only(mut self) -> Self {
        self.mode = Mode::Check;
        self
    }

    /// Writes the page, even if `CI` is set.
    pub fn write_new(mut self) -> Self {
        self.mode = Mode::Write;
        self
    }

    /// Compares the page with the model, and prints what it writes.
    ///
    /// # Panics
    ///
    /// If the page is stale and must not be written, or can't be read or written.
    #[track_caller]
    pub fn check(self, model: &Model) {
        let Self { path, mode } = self;
        let shown = path.display();
        let known = match std::fs::read_to_string(&path) {
            // git may have made other line ends of it.
            Ok(text) => text.replace("\r\n", "\n"),
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => panic!("can't read {shown}: {error}"),
        };
        let page = model.markdown();
        if known == page {
            return;
        }
        let difference = difference(&known, &page);
        assert!(
            mode == Mode::Write,
            "{shown} is stale. Run this test without the environment variable `CI`, and commit the page that it \
             writes:\n{difference}"
        );
        if let Err(error) = write_whole(&path, &page) {
            panic!("can't write {shown}: {error}");
        }
        // Not `eprint!`, whose text a test that passes does not show.
        let written = format!("`model!` has written {shown}; commit it:\n{difference}");
        drop(std::io::stderr().write_all(written.as_bytes()));
    }
}
