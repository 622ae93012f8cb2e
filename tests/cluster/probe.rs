//! When the next leader is there, as PostgreSQL itself says: what a program loses after that is the program's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::time::{sleep, timeout};
use tokio_postgres::{Client, NoTls};

/// How often each node is asked, and how long an answer may take.
const ASK_AGAIN: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(500);

/// Sessions with nodes, one of which becomes the leader.
pub(crate) struct Probe {
    nodes: Vec<JoinHandle<Option<Leads>>>,
    is_over: Arc<AtomicBool>,
}

/// What a node that has become the leader has said.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leads {
    /// It accepts writes.
    pub(crate) writes: Instant,
    /// A standby has confirmed a commit.
    pub(crate) confirms: Instant,
}

impl Probe {
    /// Asks nodes that do not lead, by their URLs.
    pub(crate) fn start(urls: Vec<String>) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let ask = |url| {
            let is_over = Arc::clone(&is_over);
            thread::spawn(move || {
                let runtime = Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(ask(url, &is_over))
            })
        };
        Self { nodes: urls.into_iter().map(ask).collect(), is_over }
    }

    /// What the new leader has said, once there is one.
    pub(crate) fn end(self) -> Leads {
        while !self.nodes.iter().any(JoinHandle::is_finished) {
            thread::sleep(ASK_AGAIN);
        }
        self.is_over.store(true, Ordering::SeqCst);
        self.nodes.into_iter().find_map(|node| node.join().unwrap()).expect("one node leads")
    }
}

async fn ask(url: String, is_over: &AtomicBool) -> Option<Leads> {
    let mut client = None;
    let mut writes = None;
    while !is_over.load(Ordering::SeqCst) {
        let asked = match client.take() {
            Some(client) => Some(client),
            None => connect(&url).await,
        };
        if let Some(asked) = asked {
            let leads = timeout(LONGEST, asked.query_one("SELECT NOT pg_is_in_recovery()", &[])).await;
            if let Ok(Ok(row)) = leads {
                if row.get(0) {
                    let writes = *writes.get_or_insert_with(Instant::now);
                    let commit = "SELECT pg_logical_emit_message(true, 'probe', '')";
                    if asked.query_one(commit, &[]).await.is_ok() {
                        return Some(Leads { writes, confirms: Instant::now() });
                    }
                }
                client = Some(asked);
            }
        }
        sleep(ASK_AGAIN).await;
    }
    None
}

async fn connect(url: &str) -> Option<Client> {
    let (client, connection) = timeout(LONGEST, tokio_postgres::connect(url, NoTls)).await.ok()?.ok()?;
    tokio::spawn(connection);
    Some(client)
}
