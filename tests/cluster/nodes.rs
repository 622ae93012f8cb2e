//! Three nodes, each with PostgreSQL, Patroni and etcd, in a temporary folder. They end with the test program.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs, io};

use serde_json::Value;

use crate::LONG;

/// How long the cluster waits for a leader that is silent, before another one takes over.
pub(crate) const TTL: Duration = Duration::from_secs(20);

const NODES: usize = 3;

/// PostgreSQL refuses to run as root. This is the user `nobody`.
const UNPRIVILEGED_USER: u32 = 65534;

/// Where Patroni is looked for, if Python does not find it by itself.
const PATRONI: &str = "/opt/patroni";

/// Waits until its input ends, as when the test program is killed. Then it ends all that works in the folder, and removes it.
const KEEPER: &str = r#"
cat >/dev/null
for pass in 1 2 3; do
    for process in /proc/[0-9]*; do
        case $(readlink "$process/cwd") in "$1"/*) kill -KILL "${process#/proc/}" ;; esac
    done
done 2>/dev/null
rm -rf "$1"
"#;

pub(crate) struct Cluster {
    folder: PathBuf,
    /// Of each node: PostgreSQL, Patroni, etcd's clients, etcd's peers.
    ports: [[u16; 4]; NODES],
    programs: PathBuf,
    _keeper_input: ChildStdin,
    _keeper: Child,
}

impl Cluster {
    /// Starts all nodes, and waits until one leads and the others follow it.
    pub(crate) fn start() -> Self {
        let programs = programs();
        let folder = tempfile::Builder::new().prefix("factum-cluster").tempdir().unwrap().keep();
        own(&folder);
        let mut keeper = Command::new("/bin/sh");
        let keeper = keeper.args(["-c", KEEPER, "sh"]).arg(&folder).current_dir("/").stdin(Stdio::piped());
        let mut keeper = keeper.spawn().unwrap();
        let keeper_input = keeper.stdin.take().unwrap();
        let listeners = [(); NODES].map(|()| [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").unwrap()));
        let ports = listeners.each_ref().map(|node| node.each_ref().map(port));
        drop(listeners);
        let cluster = Self { folder, ports, programs, _keeper_input: keeper_input, _keeper: keeper };
        for node in 0..NODES {
            let folder = cluster.folder_of(node);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("patroni.yml"), cluster.settings(node)).unwrap();
            own(&folder);
            cluster.start_node(node);
        }
        cluster.wait_until_whole();
        cluster
    }

    /// The URL with all nodes, of which the leader is used.
    pub(crate) fn url(&self) -> String {
        let hosts: Vec<_> = self.ports.iter().map(|[port, ..]| format!("127.0.0.1:{port}")).collect();
        format!("postgresql://postgres@{}/postgres?target_session_attrs=read-write", hosts.join(","))
    }

    /// Starts what is missing of a node.
    pub(crate) fn start_node(&self, node: usize) {
        let [.., clients, peers] = self.ports[node];
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let members: Vec<_> = self
            .ports
            .iter()
            .enumerate()
            .map(|(node, [.., peers])| format!("e{node}={}", url(*peers)))
            .collect();
        self.spawn(
            node,
            "etcd",
            Command::new("etcd")
                .args(["--unsafe-no-fsync", "--data-dir", "etcd", "--initial-cluster-state", "new"])
                .args([
                    &format!("--name=e{node}"),
                    &format!("--listen-client-urls={}", url(clients)),
                    &format!("--advertise-client-urls={}", url(clients)),
                    &format!("--listen-peer-urls={}", url(peers)),
                    &format!("--initial-advertise-peer-urls={}", url(peers)),
                    &format!("--initial-cluster={}", members.join(",")),
                ]),
        );
        self.spawn(node, "patroni", patroni().arg("patroni.yml"));
    }

    fn spawn(&self, node: usize, name: &str, command: &mut Command) {
        let log = self.folder.join(format!("{name}-{node}.log"));
        let log = fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        command
            .env("LC_ALL", "C")
            .env("HOME", self.folder_of(node))
            .env("PATH", env::join_paths(self.path()).unwrap());
        command.current_dir(self.folder_of(node)).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        if is_root() {
            command.uid(UNPRIVILEGED_USER).gid(UNPRIVILEGED_USER);
        }
        let child = command.spawn().unwrap_or_else(|error| panic!("can't start {name}: {error}"));
        // A child that ends is a zombie until it is waited for.
        thread::spawn(move || child.wait_with_output());
    }

    fn path(&self) -> impl Iterator<Item = PathBuf> {
        let path = env::var_os("PATH").unwrap_or_default();
        [self.programs.clone()].into_iter().chain(env::split_paths(&path).collect::<Vec<_>>())
    }

    fn folder_of(&self, node: usize) -> PathBuf {
        self.folder.join(format!("n{node}"))
    }

    /// With `quorum` and `strict`, a commit is acknowledged when it is on two nodes, and never without a standby.
    fn settings(&self, node: usize) -> String {
        let [postgres, rest, ..] = self.ports[node];
        let etcd: Vec<_> = self.ports.iter().map(|[.., clients, _]| format!("127.0.0.1:{clients}")).collect();
        let (data, programs) = (self.folder_of(node).join("data"), self.programs.display());
        format!(
            "scope: factum
name: n{node}
restapi: {{listen: 127.0.0.1:{rest}, connect_address: 127.0.0.1:{rest}}}
etcd3: {{hosts: [{}]}}
bootstrap:
  dcs:
    ttl: {}
    loop_wait: 2
    retry_timeout: 5
    synchronous_mode: quorum
    synchronous_mode_strict: true
    synchronous_node_count: 1
    postgresql:
      use_pg_rewind: true
      parameters: {{max_connections: 64, shared_buffers: 64MB, synchronous_commit: 'on', wal_log_hints: 'on', wal_keep_size: 128MB}}
  initdb: [{{encoding: UTF8}}, {{locale: C}}, data-checksums, no-sync]
postgresql:
  listen: 127.0.0.1:{postgres}
  connect_address: 127.0.0.1:{postgres}
  data_dir: {}
  bin_dir: {programs}
  pg_hba: ['local all all trust', 'host all all 127.0.0.1/32 trust', 'host replication all 127.0.0.1/32 trust']
  authentication: {{superuser: {{username: postgres}}, replication: {{username: postgres}}}}
  parameters: {{unix_socket_directories: ''}}
",
            etcd.join(", "),
            TTL.as_secs(),
            data.display()
        )
    }

    /// The node that leads, as one of the others sees it.
    pub(crate) fn leader(&self) -> Option<usize> {
        self.members().and_then(|members| number(leader_of(&members)?))
    }

    pub(crate) fn wait_for_other_leader(&self, before: usize) -> usize {
        self.wait("another leader", || self.leader().filter(|leader| *leader != before))
    }

    /// Waits until one node leads, the others follow it, and one of them confirms commits.
    pub(crate) fn wait_until_whole(&self) {
        self.wait("a whole cluster", || {
            let members = self.members()?;
            let timeline = leader_of(&members)?.get("timeline")?;
            let follow = members.iter().filter(|member| {
                member["state"] == "streaming" && member["timeline"] == *timeline && member["lag"] == 0
            });
            let confirms = members.iter().any(|member| member["role"] == "quorum_standby");
            (members.len() == NODES && follow.count() == NODES - 1 && confirms).then_some(())
        });
    }

    fn wait<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(started.elapsed() < LONG, "no {what}: {:?}\n{}", self.members(), self.ends_of_logs());
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn ends_of_logs(&self) -> String {
        let logs = fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path());
        let logs = logs.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
        let end = |path: PathBuf| {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let lines: Vec<_> = text.lines().collect();
            format!("{}:\n{}\n", path.display(), lines[lines.len().saturating_sub(8)..].join("\n"))
        };
        logs.map(end).collect()
    }

    /// What Patroni says of each node; `None` if no node answers.
    fn members(&self) -> Option<Vec<Value>> {
        let answer = self.ports.iter().find_map(|[_, rest, ..]| ask(*rest, "GET", "/cluster", "").ok())?;
        answer.get("members")?.as_array().cloned()
    }

    /// Asks Patroni to make another node the leader.
    pub(crate) fn switch_over(&self, leader: usize) {
        let [_, rest, ..] = self.ports[leader];
        let wish = format!("{{\"leader\": \"n{leader}\"}}");
        ask(rest, "POST", "/switchover", &wish).unwrap_or_else(|error| panic!("no switchover: {error}"));
    }

    /// Sends a signal to all processes of a node.
    pub(crate) fn signal(&self, node: usize, signal: &str) {
        // Twice, as a process may begin another one before it gets the signal.
        for _ in 0..2 {
            let processes = self.processes(node);
            if !processes.is_empty() {
                // Some may have ended since.
                let _ = Command::new("kill").arg(format!("-{signal}")).args(processes).output().unwrap();
            }
        }
    }

    /// All processes of a node work in its folder.
    fn processes(&self, node: usize) -> Vec<String> {
        let folder = self.folder_of(node);
        let works_there = |process: &Path| {
            fs::read_link(process.join("cwd")).is_ok_and(|works_in| works_in.starts_with(&folder))
        };
        let processes = fs::read_dir("/proc").unwrap().map(|process| process.unwrap().path());
        let names = processes.filter(|process| works_there(process));
        let names = names.filter_map(|process| Some(process.file_name()?.to_str()?.to_owned()));
        names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).collect()
    }
}

/// A node that is silent for long is not among them.
fn leader_of(members: &[Value]) -> Option<&Value> {
    members.iter().find(|member| member["role"] == "leader" && member["state"] == "running")
}

fn number(member: &Value) -> Option<usize> {
    member["name"].as_str()?.strip_prefix('n')?.parse().ok()
}

/// Asks Patroni on a port of this machine.
fn ask(port: u16, method: &str, path: &str, body: &str) -> io::Result<Value> {
    let patience = if method == "GET" { Duration::from_secs(1) } else { LONG };
    // A node that is frozen takes some connections, and then none.
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), patience)?;
    stream.set_read_timeout(Some(patience))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.split(' ').nth(1) != Some("200") {
        return Err(io::Error::other(answer));
    }
    // What changes the cluster is answered in words.
    Ok(serde_json::from_str(body).unwrap_or_default())
}

/// Patroni as a command: `python3 -m patroni`, or in the folder [`PATRONI`].
fn patroni() -> Command {
    let command = |path: Option<&str>| {
        let mut command = Command::new("python3");
        command.args(["-m", "patroni"]);
        if let Some(path) = path {
            command.env("PYTHONPATH", path);
        }
        command
    };
    let is_there = |path| command(path).arg("--version").output().is_ok_and(|answer| answer.status.success());
    let Some(path) = [None, Some(PATRONI)].into_iter().find(|path| is_there(*path)) else {
        panic!(
            "Patroni is missing: pip install --target {PATRONI} 'patroni[etcd3]==4.1.5' 'psycopg[binary]'"
        );
    };
    command(path)
}

/// The folder of PostgreSQL's programs.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.extend(env::var_os("PATH").iter().flat_map(env::split_paths));
    folders
        .into_iter()
        .find(|folder| folder.join("initdb").is_file())
        .expect("PostgreSQL is missing: install it")
}

fn port(listener: &TcpListener) -> u16 {
    listener.local_addr().unwrap().port()
}

fn own(folder: &Path) {
    if is_root() {
        chown(folder, Some(UNPRIVILEGED_USER), Some(UNPRIVILEGED_USER)).unwrap();
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}
