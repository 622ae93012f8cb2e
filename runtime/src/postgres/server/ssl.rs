//! What a URL says about encryption, in the words of libpq: `sslmode` and `sslrootcert`.

use std::fmt::Write as _;
use std::str::Chars;

use tokio_postgres::config::SslMode;

use crate::domain::error::BoxError;
use crate::postgres::server::error::ConnectError;
use crate::postgres_tls::Tls;

/// How much of a connection is checked. Each mode asks for more than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mode {
    /// Encrypted if the server can.
    Prefer,
    Require,
    /// The certificate comes from a root certificate.
    VerifyCa,
    /// It is also that of the host.
    VerifyFull,
}

/// What a URL says.
#[derive(Debug, Default)]
pub(crate) struct Ssl {
    mode: Option<String>,
    root_certificates: Option<String>,
}

impl Ssl {
    /// Takes what is about encryption out of a URL, or out of a list as `host=db sslmode=require`.
    pub(crate) fn take_from(url: &str) -> (Self, String) {
        let mut ssl = Self::default();
        let is_url = ["postgresql://", "postgres://"].iter().any(|scheme| url.starts_with(scheme));
        let rest = if is_url { ssl.take_from_url(url) } else { ssl.take_from_list(url) };
        (ssl, rest)
    }

    fn take_from_url(&mut self, url: &str) -> String {
        let Some((before, parameters)) = url.split_once('?') else { return url.to_owned() };
        let others = parameters.split('&').filter(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            !self.takes(name, || decoded(value))
        });
        let others: Vec<_> = others.collect();
        if others.is_empty() { before.to_owned() } else { format!("{before}?{}", others.join("&")) }
    }

    fn take_from_list(&mut self, list: &str) -> String {
        let mut others = String::new();
        let mut rest = list;
        loop {
            let text = rest.trim_start();
            let Some((name, after)) = text.split_once('=') else { return others + rest };
            let after = after.trim_start();
            let (value, length) = quoted(after.chars());
            let (setting, left) = after.split_at_checked(length).unwrap_or((after, ""));
            if !self.takes(name.trim_end(), || value) {
                let _ = write!(others, "{name}={setting} ");
            }
            rest = left;
        }
    }

    /// Whether the setting is one about encryption.
    fn takes(&mut self, name: &str, value: impl FnOnce() -> String) -> bool {
        match name {
            "sslmode" => self.mode = Some(value()),
            "sslrootcert" => self.root_certificates = Some(value()),
            _ => return false,
        }
        true
    }

    /// The mode for the client, and what encrypts.
    pub(crate) fn check(self) -> Result<(SslMode, Option<Tls>), ConnectError> {
        self.check_with(Tls::new)
    }

    fn check_with<T>(
        self,
        make_tls: impl FnOnce(Option<&str>, bool) -> Result<Option<T>, BoxError>,
    ) -> Result<(SslMode, Option<T>), ConnectError> {
        let mode = match self.mode.as_deref() {
            Some("disable") => return Ok((SslMode::Disable, None)),
            None | Some("allow" | "prefer") => Mode::Prefer,
            Some("require") => Mode::Require,
            Some("verify-ca") => Mode::VerifyCa,
            Some("verify-full") => Mode::VerifyFull,
            Some(other) => {
                let problem = format!(
                    "`sslmode={other}` is unknown: use disable, prefer, require, verify-ca or verify-full"
                );
                return Err(ConnectError::Url(problem.into()));
            }
        };
        let roots = self.root_certificates.as_deref();
        if mode >= Mode::VerifyCa && roots.is_none() {
            let problem: BoxError =
                "`sslmode=verify-ca` and `verify-full` need a file of root certificates: `sslrootcert=path`"
                    .into();
            return Err(ConnectError::Url(problem));
        }
        let tls = make_tls(roots, mode == Mode::VerifyFull).map_err(ConnectError::RootCertificates)?;
        match (mode, tls) {
            (Mode::Prefer, None) => Ok((SslMode::Disable, None)),
            (_, None) => Err(ConnectError::NoTls),
            (Mode::Prefer, tls) => Ok((SslMode::Prefer, tls)),
            (_, tls) => Ok((SslMode::Require, tls)),
        }
    }
}

/// The value at the begin of a list, and the number of bytes that it takes there.
fn quoted(mut text: Chars<'_>) -> (String, usize) {
    let whole = text.as_str().len();
    let is_quoted = text.as_str().starts_with('\'');
    if is_quoted {
        text.next();
    }
    let mut value = String::new();
    loop {
        let before = text.as_str().len();
        match text.next() {
            Some('\\') => value.extend(text.next()),
            Some('\'') if is_quoted => return (value, whole - text.as_str().len()),
            Some(end) if !is_quoted && end.is_whitespace() => return (value, whole - before),
            Some(other) => value.push(other),
            None => return (value, whole),
        }
    }
}

/// A part of a URL without `%` escapes.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        match after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(b'%');
                rest = after;
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, mode: Option<&str>, roots: Option<&str>, rest: &str) {
        let (ssl, found) = Ssl::take_from(url);
        assert_eq!((ssl.mode.as_deref(), ssl.root_certificates.as_deref()), (mode, roots));
        assert_eq!(found.trim(), rest);
    }

    #[test]
    fn settings_are_taken_out() {
        check("postgresql://bank@db/bank", None, None, "postgresql://bank@db/bank");
        check("postgres://db?sslmode=require", Some("require"), None, "postgres://db");
        let url = "postgresql://db/bank?host=/a%20b&sslrootcert=%2Fa%20b%zz&sslmode=verify-ca&user=u";
        check(url, Some("verify-ca"), Some("/a b%zz"), "postgresql://db/bank?host=/a%20b&user=u");
        check("host=db user = me", None, None, "host=db user =me");
        let list = r"host=db  sslmode='verify-full' password='it\'s me' sslrootcert=/a\ b port=5";
        check(list, Some("verify-full"), Some("/a b"), r"host=db password='it\'s me' port=5");
        check("", None, None, "");
    }

    /// As in a program without the feature `postgres-tls`.
    #[test]
    fn a_program_that_can_not_encrypt_refuses_to_be_asked() {
        let mode = |mode| {
            let (ssl, _) = Ssl::take_from(&format!("postgresql://db?sslrootcert=/a&sslmode={mode}"));
            ssl.check_with(|_, _| Ok(None::<()>))
        };
        for wanted in ["disable", "allow", "prefer"] {
            assert!(matches!(mode(wanted), Ok((SslMode::Disable, None))), "{wanted}");
        }
        for wanted in ["require", "verify-ca", "verify-full"] {
            assert!(matches!(mode(wanted), Err(ConnectError::NoTls)), "{wanted}");
        }
        assert!(matches!(mode("on"), Err(ConnectError::Url(_))));
    }
}
