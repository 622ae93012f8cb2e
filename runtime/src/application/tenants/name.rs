//! Which names tenants can have.

use crate::application::tenants::error::TenantError;

/// How many bytes a name has at most. The name of a file may be longer by a suffix on every system.
const LONGEST: usize = 100;

/// Names that Windows has for devices, with any suffix.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// How the names of the files end that SQLite keeps beside a store.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Checks that a name is a file's name on every system, and that no other name is the name of the same file.
pub(super) fn check(tenant: &str) -> Result<(), TenantError> {
    let refuse = |reason| Err(TenantError::BadName { tenant: tenant.to_owned(), reason });
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    match tenant.bytes().next() {
        None => return refuse("it is empty"),
        Some(first) if !is_plain(first) => return refuse("it does not begin with one of a-z and 0-9"),
        Some(_) => {}
    }
    if !tenant.bytes().all(|byte| is_plain(byte) || b"-_.".contains(&byte)) {
        return refuse("it has other characters than a-z, 0-9, `-`, `_` and `.`");
    }
    if tenant.len() > LONGEST {
        return refuse("it has more than 100 characters");
    }
    if tenant.ends_with('.') {
        return refuse("it ends with `.`, which Windows leaves out");
    }
    if BESIDE.iter().any(|end| tenant.ends_with(end)) {
        return refuse(
            "SQLite has files of such names beside a store: it ends with `-wal`, `-shm` or `-journal`",
        );
    }
    let stem = tenant.split('.').next().unwrap_or_default();
    let device = stem.strip_suffix(|last: char| last.is_ascii_digit()).unwrap_or(stem);
    if DEVICES.contains(&device) {
        return refuse("Windows has a device of this name");
    }
    Ok(())
}
