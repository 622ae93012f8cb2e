//! Three nodes, each with PostgreSQL, Patroni and etcd, in a temporary folder. They end with the test program.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs, io};

use serde_json::Value;

use crate::LONG;
use crate::network::Network;

/// How long the cluster waits for a leader that is silent, before another one takes over.
pub(crate) const TTL: Duration = Duration::from_secs(20);

const NODES: usize = 3;

/// Which port of a node is whose.
const POSTGRES: usize = 0;
const PATRONI_REST: usize = 1;
const ETCD: usize = 2;
const ETCD_PEERS: usize = 3;

/// PostgreSQL refuses to run as root. This is the user `nobody`.
const UNPRIVILEGED_USER: u32 = 65534;

/// Where Patroni is looked for, if Python does not find it by itself.
const PATRONI: &str = "/opt/patroni";

/// Waits until its input ends, as when the test program is killed. Then it ends all that works in the folder, and removes it and the
/// namespaces.
const KEEPER: &str = r#"
cat >/dev/null
folder=$1; shift
for pass in 1 2 3; do
    for process in /proc/[0-9]*; do
        case $(readlink "$process/cwd") in "$folder"/*) kill -KILL "${process#/proc/}" ;; esac
    done
done 2>/dev/null
for namespace in "$@"; do ip netns del "$namespace"; done
rm -rf "$folder"
"#;

pub(crate) struct Cluster {
    folder: PathBuf,
    /// Those of each node.
    ports: [[u16; 4]; NODES],
    programs: PathBuf,
    pub(crate) network: Network,
    _keeper_input: ChildStdin,
    _keeper: Child,
}

impl Cluster {
    /// Starts all nodes, and waits until one leads and the others follow it.
    pub(crate) fn start() -> Self {
        let programs = programs();
        let folder = tempfile::Builder::new().prefix("factum-cluster").tempdir().unwrap().keep();
        own(&folder);
        let network = Network::start(NODES, is_root());
        let mut keeper = Command::new("/bin/sh");
        let keeper = keeper.args(["-c", KEEPER, "sh"]).arg(&folder).args(network.namespaces(NODES));
        let keeper = keeper.current_dir("/").stdin(Stdio::piped());
        let mut keeper = keeper.spawn().unwrap();
        let keeper_input = keeper.stdin.take().unwrap();
        let listeners = [(); NODES].map(|()| [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").unwrap()));
        let ports = listeners.each_ref().map(|node| node.each_ref().map(port));
        drop(listeners);
        let cluster = Self { folder, ports, programs, network, _keeper_input: keeper_input, _keeper: keeper };
        for node in 0..NODES {
            let folder = cluster.folder_of(node);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("patroni.yml"), cluster.settings(node)).unwrap();
            own(&folder);
            cluster.start_etcd(node);
        }
        // Until they have agreed on a version, Patroni takes them for older ones, and ends.
        cluster.wait("version of etcd", || {
            let version = |node| ask(&cluster.for_programs(node, ETCD), "GET", "/version", "").ok();
            let agreed = |node| {
                version(node)
                    .is_some_and(|of| of["etcdcluster"] != "3.0.0" && of["etcdcluster"] != "not_decided")
            };
            (0..NODES).all(agreed).then_some(())
        });
        (0..NODES).for_each(|node| cluster.start_patroni(node));
        cluster.wait_until_whole(None);
        cluster
    }

    /// The URL with all nodes, of which the leader is used.
    pub(crate) fn url(&self) -> String {
        let hosts: Vec<_> = (0..NODES).map(|node| self.for_programs(node, POSTGRES)).collect();
        format!("postgresql://postgres@{}/postgres?target_session_attrs=read-write", hosts.join(","))
    }

    /// The URLs of the nodes but one.
    pub(crate) fn urls_but(&self, but: usize) -> Vec<String> {
        let url = |node| format!("postgresql://postgres@{}/postgres", self.for_programs(node, POSTGRES));
        (0..NODES).filter(|node| *node != but).map(url).collect()
    }

    /// Another node than this one.
    pub(crate) fn next(&self, node: usize) -> usize {
        (node + 1) % self.ports.len()
    }

    /// Starts what is missing of a node.
    pub(crate) fn start_node(&self, node: usize) {
        self.start_etcd(node);
        self.start_patroni(node);
    }

    fn start_etcd(&self, node: usize) {
        let listen = |port: usize| format!("http://{}:{}", self.network.listen(), self.ports[node][port]);
        let advertise = |node: usize, port: usize| format!("http://{}", self.among_nodes(node, port));
        let members: Vec<_> =
            (0..NODES).map(|node| format!("e{node}={}", advertise(node, ETCD_PEERS))).collect();
        self.spawn(
            node,
            "etcd",
            self.command(node, "etcd")
                .args(["--unsafe-no-fsync", "--data-dir", "etcd", "--initial-cluster-state", "new"])
                .args([
                    &format!("--name=e{node}"),
                    &format!("--listen-client-urls={}", listen(ETCD)),
                    &format!("--advertise-client-urls={}", advertise(node, ETCD)),
                    &format!("--listen-peer-urls={}", listen(ETCD_PEERS)),
                    &format!("--initial-advertise-peer-urls={}", advertise(node, ETCD_PEERS)),
                    &format!("--initial-cluster={}", members.join(",")),
                ]),
        );
    }

    fn start_patroni(&self, node: usize) {
        self.spawn(node, "patroni", patroni(&|program| self.command(node, program)).arg("patroni.yml"));
    }

    fn command(&self, node: usize, program: &str) -> Command {
        self.network.command(node, is_root().then_some(UNPRIVILEGED_USER), program)
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
    ///
    /// Each Patroni asks the etcd of its own node alone. A connection to that of a node that is cut off would be silent for the TTL.
    fn settings(&self, node: usize) -> String {
        let (listen, ports) = (self.network.listen(), self.ports[node]);
        let (postgres, rest) = (self.among_nodes(node, POSTGRES), self.among_nodes(node, PATRONI_REST));
        let etcd = self.among_nodes(node, ETCD);
        let (data, programs) = (self.folder_of(node).join("data"), self.programs.display());
        format!(
            "scope: factum
name: n{node}
restapi: {{listen: '{listen}:{}', connect_address: '{rest}'}}
etcd3: {{hosts: ['{etcd}'], use_proxies: true}}
bootstrap:
  dcs:
    ttl: {}
    loop_wait: 10
    retry_timeout: 5
    synchronous_mode: quorum
    synchronous_mode_strict: true
    synchronous_node_count: 1
    postgresql:
      use_pg_rewind: true
      parameters: {{max_connections: 64, shared_buffers: 64MB, synchronous_commit: 'on', wal_log_hints: 'on', wal_keep_size: 128MB}}
  initdb: [{{encoding: UTF8}}, {{locale: C}}, data-checksums, no-sync]
postgresql:
  listen: '{listen}:{}'
  connect_address: '{postgres}'
  data_dir: {}
  bin_dir: {programs}
  pg_hba: ['local all all trust', 'host all all all trust', 'host replication all all trust']
  authentication: {{superuser: {{username: postgres}}, replication: {{username: postgres}}}}
  parameters: {{unix_socket_directories: ''}}
",
            ports[PATRONI_REST],
            TTL.as_secs(),
            ports[POSTGRES],
            data.display()
        )
    }

    fn among_nodes(&self, node: usize, port: usize) -> String {
        format!("{}:{}", self.network.among_nodes(node), self.ports[node][port])
    }

    fn for_programs(&self, node: usize, port: usize) -> String {
        format!("{}:{}", self.network.for_programs(node), self.ports[node][port])
    }

    /// The node that leads.
    pub(crate) fn leader(&self) -> Option<usize> {
        self.members_but(None).and_then(|members| number(leader_of(&members)?))
    }

    /// Waits until the others have another leader than the one before.
    pub(crate) fn wait_for_other_leader(&self, before: usize) -> usize {
        self.wait("another leader", || {
            let leader = number(leader_of(&self.members_but(Some(before))?)?)?;
            (leader != before).then_some(leader)
        })
    }

    /// Waits until one node leads, the others follow it, and one of them confirms commits. A node that was cut off says for long
    /// what was true before.
    pub(crate) fn wait_until_whole(&self, cut_off: Option<usize>) {
        self.wait("a whole cluster", || {
            let members = self.members_but(cut_off)?;
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
            assert!(
                started.elapsed() < LONG,
                "no {what}: {:?}\n{}",
                self.members_but(None),
                self.ends_of_logs()
            );
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

    /// What Patroni says of each node; `None` if none but the one that is cut off answers.
    fn members_but(&self, cut_off: Option<usize>) -> Option<Vec<Value>> {
        let ask = |node| ask(&self.for_programs(node, PATRONI_REST), "GET", "/cluster", "").ok();
        let answer = (0..NODES).filter(|node| cut_off != Some(*node)).find_map(ask)?;
        answer.get("members")?.as_array().cloned()
    }

    /// Makes the etcd of a node the leader of those of the others.
    pub(crate) fn lead_etcd(&self, node: usize) {
        let status = |node| self.ask_etcd(node, "status", "{}");
        self.wait("leader of etcd", || {
            let wanted = status(node).ok()?["header"]["member_id"].clone();
            let leader = status(node).ok()?["leader"].clone();
            if leader == wanted {
                return Some(());
            }
            let leader =
                (0..NODES).find(|node| status(*node).is_ok_and(|of| of["header"]["member_id"] == leader))?;
            let wish = format!("{{\"targetID\": {wanted}}}");
            // If it fails, another one leads by now.
            let _ = self.ask_etcd(leader, "transfer-leadership", &wish);
            None
        });
    }

    fn ask_etcd(&self, node: usize, what: &str, body: &str) -> io::Result<Value> {
        ask(&self.for_programs(node, ETCD), "POST", &format!("/v3/maintenance/{what}"), body)
    }

    /// Asks Patroni to make another node the leader.
    pub(crate) fn switch_over(&self, leader: usize) {
        let rest = self.for_programs(leader, PATRONI_REST);
        let wish = format!("{{\"leader\": \"n{leader}\"}}");
        ask(&rest, "POST", "/switchover", &wish).unwrap_or_else(|error| panic!("no switchover: {error}"));
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

/// Asks Patroni or etcd.
fn ask(address: &str, method: &str, path: &str, body: &str) -> io::Result<Value> {
    let patience = if method == "GET" { Duration::from_secs(1) } else { LONG };
    // A node that is frozen takes some connections, and then none.
    let mut stream = TcpStream::connect_timeout(&address.parse().expect("an address"), patience)?;
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
fn patroni(on_node: &dyn Fn(&str) -> Command) -> Command {
    let command = |path: Option<&str>| {
        let mut command = on_node("python3");
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
