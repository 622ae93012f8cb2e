//! What is between the nodes, and between them and the programs.
//!
//! As root, each node is in a network namespace of its own, with two links: one to a switch, to which all nodes are linked,
//! and one to the programs. So a node can lose the others while the programs still reach it. Otherwise all is on loopback.

use std::os::unix::process::CommandExt;
use std::process::{self, Command};

/// How the nodes are linked.
pub(crate) enum Network {
    Loopback,
    /// The begin of the names of the namespaces.
    Namespaces(String),
}

impl Network {
    /// Links the nodes. Without the right to do so, it says that, and all nodes are on loopback.
    pub(crate) fn start(nodes: usize, is_root: bool) -> Self {
        if !is_root {
            println!("skipped: cutting the leader off needs root; it is frozen instead");
            return Self::Loopback;
        }
        let network = Self::Namespaces(format!("fc{}", process::id()));
        match network.link(nodes) {
            Ok(()) => network,
            Err(problem) => {
                println!(
                    "skipped: cutting the leader off needs network namespaces ({problem}); it is frozen instead"
                );
                for namespace in network.namespaces(nodes) {
                    let _ = ip(&["netns", "del", &namespace]);
                }
                Self::Loopback
            }
        }
    }

    fn link(&self, nodes: usize) -> Result<(), String> {
        let Self::Namespaces(name) = self else { return Ok(()) };
        for namespace in self.namespaces(nodes) {
            ip(&["netns", "add", &namespace])?;
            ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
        }
        let switch = self.switch();
        ip(&["-n", &switch, "link", "add", "name", "switch", "type", "bridge"])?;
        ip(&["-n", &switch, "link", "set", "switch", "up"])?;
        for node in 0..nodes {
            let (namespace, port) = (self.namespace(node), format!("n{node}"));
            ip(&[
                "-n", &switch, "link", "add", "name", &port, "type", "veth", "peer", "name", "nodes",
                "netns", &namespace,
            ])?;
            ip(&["-n", &switch, "link", "set", &port, "master", "switch", "up"])?;
            ip(&[
                "-n",
                &namespace,
                "addr",
                "add",
                &format!("{}/24", self.among_nodes(node)),
                "dev",
                "nodes",
            ])?;
            ip(&["-n", &namespace, "link", "set", "nodes", "up"])?;

            let here = format!("{name}n{node}");
            ip(&[
                "link", "add", "name", &here, "type", "veth", "peer", "name", "programs", "netns", &namespace,
            ])?;
            ip(&["addr", "add", &format!("{}/30", to_programs(node, 1)), "dev", &here])?;
            ip(&["link", "set", &here, "up"])?;
            ip(&[
                "-n",
                &namespace,
                "addr",
                "add",
                &format!("{}/30", to_programs(node, 2)),
                "dev",
                "programs",
            ])?;
            ip(&["-n", &namespace, "link", "set", "programs", "up"])?;
        }
        Ok(())
    }

    pub(crate) fn can_cut(&self) -> bool {
        matches!(self, Self::Namespaces(_))
    }

    /// The namespaces, which outlive their processes.
    pub(crate) fn namespaces(&self, nodes: usize) -> Vec<String> {
        match self {
            Self::Loopback => Vec::new(),
            Self::Namespaces(_) => {
                (0..nodes).map(|node| self.namespace(node)).chain([self.switch()]).collect()
            }
        }
    }

    fn namespace(&self, node: usize) -> String {
        match self {
            Self::Loopback => String::new(),
            Self::Namespaces(name) => format!("{name}-n{node}"),
        }
    }

    fn switch(&self) -> String {
        match self {
            Self::Loopback => String::new(),
            Self::Namespaces(name) => format!("{name}-switch"),
        }
    }

    /// A node's address, as other nodes know it.
    pub(crate) fn among_nodes(&self, node: usize) -> String {
        match self {
            Self::Loopback => "127.0.0.1".to_owned(),
            Self::Namespaces(_) => format!("10.0.0.{}", node + 1),
        }
    }

    /// A node's address, as programs know it.
    pub(crate) fn for_programs(&self, node: usize) -> String {
        match self {
            Self::Loopback => "127.0.0.1".to_owned(),
            Self::Namespaces(_) => to_programs(node, 2),
        }
    }

    /// Where the processes of a node listen.
    pub(crate) fn listen(&self) -> &'static str {
        match self {
            Self::Loopback => "127.0.0.1",
            Self::Namespaces(_) => "0.0.0.0",
        }
    }

    /// A command that runs on a node, as another user if this one is root.
    pub(crate) fn command(&self, node: usize, user: Option<u32>, program: &str) -> Command {
        let mut command;
        match self {
            Self::Loopback => {
                command = Command::new(program);
                if let Some(user) = user {
                    command.uid(user).gid(user);
                }
            }
            Self::Namespaces(_) => {
                command = Command::new("nsenter");
                command.arg(format!("--net=/run/netns/{}", self.namespace(node)));
                if let Some(user) = user {
                    command.args([format!("--setuid={user}"), format!("--setgid={user}")]);
                }
                command.args(["--", program]);
            }
        }
        command
    }

    /// Takes a node from the switch: nothing that is sent arrives, and nothing says so.
    pub(crate) fn cut(&self, node: usize) {
        ip(&["-n", &self.switch(), "link", "set", &format!("n{node}"), "nomaster"]).unwrap();
    }

    pub(crate) fn heal(&self, node: usize) {
        ip(&["-n", &self.switch(), "link", "set", &format!("n{node}"), "master", "switch"]).unwrap();
    }
}

/// An address of the link between a node and the programs, in a range that is for tests of networks.
fn to_programs(node: usize, end: usize) -> String {
    format!("198.18.{}.{}", process::id() % 256, 4 * node + end)
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let done = Command::new("ip").args(arguments).output().map_err(|error| format!("ip: {error}"))?;
    if done.status.success() {
        return Ok(());
    }
    Err(format!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&done.stderr).trim()))
}
