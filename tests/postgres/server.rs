//! A PostgreSQL server in a temporary folder, which ends with the test program.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

use factum::postgres::{PostgresOptions, PostgresStore};
use tokio_postgres::NoTls;

use crate::LONG;

/// PostgreSQL refuses to run as root. This is the user `nobody`.
#[cfg(unix)]
const UNPRIVILEGED_USER: u32 = 65534;

/// Runs the server until its input ends, as when the test program is killed. Then it removes the folder.
const KEEPER: &str = r#"
bin=$1; folder=$2
start() { "$bin/postgres" -D "$folder/data" </dev/null >>"$folder/log" 2>&1 & server=$!; }
stop() { kill -QUIT "$server"; wait "$server"; }
start
while read -r word; do
    case $word in
        stop) stop ;;
        start) start ;;
    esac
    echo "$word"
done
stop
rm -rf "$folder"
"#;

pub(crate) struct Server {
    folder: PathBuf,
    pub(crate) port: u16,
    keeper: Mutex<Keeper>,
    schemas: AtomicU32,
}

struct Keeper {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    _process: Child,
}

/// The server that most tests share; `None` if PostgreSQL is not installed.
pub(crate) fn shared() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(Server::start).as_ref()
}

/// The server that most tests share. Without PostgreSQL, the test program ends: the tests that need this run on SQLite too, and have
/// no other way to say that they skip.
pub(crate) fn shared_or_end() -> &'static Server {
    shared().unwrap_or_else(|| std::process::exit(0))
}

/// The folder of PostgreSQL's programs.
fn programs() -> Option<PathBuf> {
    let mut folders: Vec<_> = env::var_os("PATH").iter().flat_map(env::split_paths).collect();
    folders.extend(["/usr/local/bin", "/usr/local/pgsql/bin"].map(PathBuf::from));
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    versions.sort();
    folders.extend(versions.into_iter().rev());
    folders.into_iter().find(|folder| {
        ["initdb", "pg_basebackup", "postgres"].iter().all(|program| folder.join(program).is_file())
    })
}

impl Server {
    /// Starts a server that loses commits if the machine crashes, but not if it does; `None`, and a line that says so, if
    /// PostgreSQL is not installed.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with("fsync = off\n")
    }

    /// Starts a server with these settings.
    pub(crate) fn start_with(settings: &str) -> Option<Self> {
        let Some(programs) = programs() else {
            println!(
                "skipped: PostgreSQL is not installed (no `initdb` and `pg_basebackup` in PATH or /usr/lib/postgresql/*/bin)"
            );
            return None;
        };
        let folder = new_folder();
        let made = as_user(&programs.join("initdb"))
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(folder.join("data"))
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        Some(Self::run(&programs, folder, settings))
    }

    /// Starts a standby of this server.
    pub(crate) fn start_standby(&self) -> Self {
        let programs = programs().expect("this server runs");
        let folder = new_folder();
        let made = as_user(&programs.join("pg_basebackup"))
            .args([
                "--write-recovery-conf",
                "--checkpoint=fast",
                "--no-sync",
                "--username=postgres",
                "--host",
            ])
            .arg(&self.folder)
            .args(["--port", &self.port.to_string(), "--pgdata"])
            .arg(folder.join("data"))
            .output()
            .unwrap();
        assert!(made.status.success(), "pg_basebackup: {}", String::from_utf8_lossy(&made.stderr));
        Self::run(&programs, folder, "")
    }

    fn run(programs: &Path, folder: PathBuf, settings: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{}'\nmax_connections = 200\n\
             shared_buffers = '32MB'\n{settings}",
            folder.display()
        );
        let configuration = folder.join("data/postgresql.conf");
        let mut file = fs::OpenOptions::new().append(true).open(configuration).unwrap();
        file.write_all(settings.as_bytes()).unwrap();
        let mut process = as_user(Path::new("/bin/sh"))
            .args(["-c", KEEPER, "sh"])
            .args([programs, &folder])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        let keeper = Mutex::new(Keeper { input, output, _process: process });
        let server = Self { folder, port, keeper, schemas: AtomicU32::new(0) };
        server.wait_until_ready();
        server
    }

    /// Gives a file to the user that servers run as.
    pub(crate) fn give(file: &Path) {
        #[cfg(unix)]
        if is_root() {
            std::os::unix::fs::chown(file, Some(UNPRIVILEGED_USER), None).unwrap();
        }
    }

    /// The URL by the server's socket.
    pub(crate) fn url(&self) -> String {
        format!("postgresql://postgres@/postgres?host={}&port={}", self.folder.display(), self.port)
    }

    /// The URL of a port of this machine.
    pub(crate) fn url_at(port: u16) -> String {
        format!("postgresql://postgres@127.0.0.1:{port}/postgres")
    }

    /// The name of a schema that no test has used.
    pub(crate) fn new_schema(&self) -> String {
        format!("s{}", self.schemas.fetch_add(1, Ordering::Relaxed))
    }

    /// An empty store.
    pub(crate) fn new_store(&self) -> PostgresStore {
        self.store(&self.new_schema())
    }

    /// The store in a schema. Each call is as another program.
    pub(crate) fn store(&self, schema: &str) -> PostgresStore {
        PostgresOptions::new().schema(schema).lock_timeout(LONG).connect(&self.url()).unwrap()
    }

    /// Stops the server without a checkpoint, as by a crash.
    pub(crate) fn crash(&self) {
        self.say("stop");
    }

    pub(crate) fn restart(&self) {
        self.say("start");
        self.wait_until_ready();
    }

    fn say(&self, word: &str) {
        let mut keeper = self.keeper.lock().unwrap();
        writeln!(keeper.input, "{word}").unwrap();
        let mut answer = String::new();
        keeper.output.read_line(&mut answer).unwrap();
        assert_eq!(answer.trim(), word);
    }

    fn wait_until_ready(&self) {
        let started = Instant::now();
        while let Err(error) = try_sql(&self.url(), "SELECT 1") {
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(started.elapsed() < LONG, "the server does not start: {error}\n{log}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Runs SQL in a session of its own. Returns the first column of each row.
    pub(crate) fn sql(&self, sql: &str) -> Vec<String> {
        try_sql(&self.url(), sql).unwrap()
    }

    /// A session in which statements can be run one after another.
    pub(crate) fn session(&self) -> RawSession {
        RawSession::new(&self.url()).unwrap()
    }
}

/// A session beside the store's.
pub(crate) struct RawSession {
    runtime: tokio::runtime::Runtime,
    client: tokio_postgres::Client,
}

impl RawSession {
    fn new(url: &str) -> Result<Self, tokio_postgres::Error> {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().expect("a runtime");
        let client = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
            tokio::spawn(connection);
            Ok(client)
        })?;
        Ok(Self { runtime, client })
    }

    /// Returns the first column of each row.
    pub(crate) fn sql(&self, sql: &str) -> Result<Vec<String>, tokio_postgres::Error> {
        let messages = self.runtime.block_on(self.client.simple_query(sql))?;
        let row = |message: tokio_postgres::SimpleQueryMessage| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
            _ => None,
        };
        Ok(messages.into_iter().filter_map(row).collect())
    }
}

fn try_sql(url: &str, sql: &str) -> Result<Vec<String>, tokio_postgres::Error> {
    RawSession::new(url)?.sql(sql)
}

fn new_folder() -> PathBuf {
    let folder = tempfile::Builder::new().prefix("factum-pg").tempdir().unwrap().keep();
    Server::give(&folder);
    folder
}

fn as_user(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C").current_dir("/");
    #[cfg(unix)]
    if is_root() {
        std::os::unix::process::CommandExt::uid(&mut command, UNPRIVILEGED_USER);
    }
    command
}

#[cfg(unix)]
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    tempfile::tempfile().unwrap().metadata().unwrap().uid() == 0
}

/// Runs the test, unless PostgreSQL is missing.
macro_rules! on_server {
    ($server:ident) => {
        let Some($server) = $crate::server::shared() else { return };
    };
}
pub(crate) use on_server;
