//! Encrypted connections, with certificates that the tests make by `openssl`.

use std::fs::write;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use factum::postgres::{ConnectError, PostgresOptions};
use factum::store::StoreError;
use tempfile::TempDir;

use crate::server::{Server, on_server};

/// A server that can encrypt. Its certificate is for `localhost`, and comes from the root certificate `root.pem`.
struct Encrypting {
    server: Server,
    folder: TempDir,
}

impl Encrypting {
    fn start() -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_err() {
            println!("skipped: `openssl` is not installed");
            return None;
        }
        let folder = TempDir::new().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        for root in ["root", "other"] {
            openssl(
                folder.path(),
                &format!("req -x509 -days 2 -subj /CN={root} {NEW_KEY} -keyout {root}.key -out {root}.pem"),
            );
        }
        write(folder.path().join("names"), "subjectAltName=DNS:localhost\n").unwrap();
        openssl(
            folder.path(),
            &format!("req -subj /CN=localhost {NEW_KEY} -keyout server.key -out server.csr"),
        );
        openssl(
            folder.path(),
            "x509 -req -days 2 -in server.csr -CA root.pem -CAkey root.key -CAcreateserial -extfile names -out server.pem",
        );
        Server::give(&folder.path().join("server.key"));
        let path = folder.path().display();
        let settings = format!(
            "fsync = off\nssl = on\nssl_cert_file = '{path}/server.pem'\nssl_key_file = '{path}/server.key'\n"
        );
        Some(Self { server: Server::start_with(&settings)?, folder })
    }

    /// Opens a store by this host and these settings. Returns whether its connections are encrypted.
    fn opens(&self, host: &str, settings: &str) -> Result<bool, ConnectError> {
        let schema = self.server.new_schema();
        let (port, folder) = (self.server.port, self.folder.path().display());
        let settings = settings.replace("{folder}", &folder.to_string());
        let url =
            format!("postgresql://postgres@{host}:{port}/postgres?application_name={schema}&{settings}");
        let _store = PostgresOptions::new().schema(&schema).connect(&url)?;
        let is_encrypted = format!(
            "SELECT DISTINCT ssl::text FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = '{schema}'"
        );
        let is_encrypted = self.server.sql(&is_encrypted);
        assert_eq!(is_encrypted.len(), 1, "all connections or none: {is_encrypted:?}");
        Ok(is_encrypted == ["true"])
    }
}

const NEW_KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

fn openssl(folder: &Path, arguments: &str) {
    let done = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().unwrap();
    assert!(done.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&done.stderr));
}

#[track_caller]
fn check_untrusted<T: std::fmt::Debug>(opened: &Result<T, ConnectError>) {
    assert!(matches!(opened, Err(ConnectError::Store(StoreError::Untrusted(_)))), "{opened:?}");
}

#[test]
fn the_url_says_how_secure_a_connection_is() {
    let Some(bank) = Encrypting::start() else { return };
    let opens = |host: &str, settings: &str| bank.opens(host, settings).unwrap();
    assert!(!opens("localhost", "sslmode=disable"));
    assert!(opens("localhost", "sslmode=prefer"));
    assert!(opens("localhost", "connect_timeout=9"), "`prefer` is the default");
    assert!(opens("localhost", "sslmode=require"));
    let of = |mode: &str, root: &str| format!("sslmode={mode}&sslrootcert={{folder}}/{root}.pem");
    for mode in ["prefer", "require", "verify-ca", "verify-full"] {
        assert!(opens("localhost", &of(mode, "root")), "{mode}");
        check_untrusted(&bank.opens("localhost", &of(mode, "other")));
    }
    // The certificate does not name the address.
    assert!(opens("127.0.0.1", &of("verify-ca", "root")));
    check_untrusted(&bank.opens("127.0.0.1", &of("verify-full", "root")));
}

#[test]
fn a_server_that_can_not_encrypt_is_refused_if_the_url_asks_for_it() {
    on_server!(server);
    let url = Server::url_at(server.port);
    let opens = |url: String| PostgresOptions::new().schema(server.new_schema()).connect(&url);
    check_untrusted(&opens(format!("{url}?sslmode=require")));
    opens(format!("{url}?sslmode=prefer")).unwrap();
    opens(url).unwrap();
    // As libpq does, as no one else hears what is said there.
    opens(format!("{}&sslmode=require", server.url())).unwrap();
}

#[test]
fn root_certificates_are_asked_for_and_read() {
    let opens = |settings: &str| {
        PostgresOptions::new().connect(&format!("postgresql://postgres@localhost/postgres?{settings}"))
    };
    for mode in ["verify-ca", "verify-full"] {
        let opened = opens(&format!("sslmode={mode}"));
        assert!(matches!(opened, Err(ConnectError::Url(_))), "{opened:?}");
    }
    for file in ["/nowhere/root.pem", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")] {
        let opened = opens(&format!("sslmode=require&sslrootcert={file}"));
        assert!(matches!(opened, Err(ConnectError::RootCertificates(_))), "{opened:?}");
    }
}
