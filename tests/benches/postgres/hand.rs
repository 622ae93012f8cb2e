//! Appends by hand, as a program without a library could do them.

use std::mem;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use factum::{Timestamp, Uuid};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio_postgres::{Client, NoTls, Statement};

/// The settings that factum's sessions have.
const SETTINGS: &str =
    "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off;
    SET enable_mergejoin = off; SET jit = off";

pub(crate) const PAYLOAD: &str = r#"{"cents":4711,"reference":"0f8fad5b-d9cb-469f-a165-70867728950e","note":"one hundred and ten bytes of payload"}"#;

pub(crate) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the server is there");
    tokio::spawn(connection);
    client.batch_execute(SETTINGS).await.expect("the settings are known");
    client
}

/// A session for each caller.
pub(crate) struct Session<'r> {
    runtime: &'r Runtime,
    client: Client,
    statements: Vec<Statement>,
}

impl<'r> Session<'r> {
    fn new(runtime: &'r Runtime, url: &str, statements: &[&str]) -> Self {
        runtime.block_on(async {
            let client = connect(url).await;
            let mut prepared = Vec::new();
            for sql in statements {
                prepared.push(client.prepare(sql).await.expect("the statement is right"));
            }
            Self { runtime, client, statements: prepared }
        })
    }

    pub(crate) fn naive(runtime: &'r Runtime, url: &str) -> Self {
        let statements = [
            "BEGIN",
            "UPDATE hand.counter SET position = position + 1 RETURNING position",
            "INSERT INTO hand.streams (category, key) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            "SELECT id, (SELECT max(version) FROM hand.naive_events WHERE stream = s.id) FROM hand.streams AS s
             WHERE category = $1 AND key = $2",
            "INSERT INTO hand.naive_events (position, stream, version, recorded_at, event_version, id, name, payload)
             VALUES ($1, $2, $3, $4, 1, $5, $6, $7)",
            "COMMIT",
        ];
        Self::new(runtime, url, &statements)
    }

    /// Appends one event in six round trips.
    pub(crate) fn append_naive(&self, key: &str) {
        let [begin, count, register, find, insert, commit] = &self.statements[..] else {
            unreachable!("six")
        };
        let append = async {
            self.client.execute(begin, &[]).await?;
            let position: i64 = self.client.query_one(count, &[]).await?.get(0);
            self.client.execute(register, &[&"account", &key]).await?;
            let row = self.client.query_one(find, &[&"account", &key]).await?;
            let (stream, version): (i64, Option<i64>) = (row.get(0), row.get(1));
            let version = version.unwrap_or(0) + 1;
            let now = Timestamp::now().as_micros();
            let id = Uuid::now_v7();
            self.client
                .execute(insert, &[&position, &stream, &version, &now, &id, &"money-deposited", &PAYLOAD])
                .await?;
            self.client.execute(commit, &[]).await
        };
        self.runtime.block_on(append).expect("the event is stored");
    }

    pub(crate) fn xmin(runtime: &'r Runtime, url: &str) -> Self {
        Self::new(runtime, url, &["SELECT hand.append_xmin($1, $2, $3, $4, $5, $6)"])
    }

    /// Appends one event in one round trip, without waiting for other writers.
    pub(crate) fn append_xmin(&self, key: &str) {
        let (now, id) = (Timestamp::now().as_micros(), Uuid::now_v7());
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
            [&"account", &key, &id, &now, &"money-deposited", &PAYLOAD];
        self.runtime
            .block_on(self.client.query_one(&self.statements[0], &values))
            .expect("the event is stored");
    }
}

/// A group commit by hand: a thread takes all that wait, and stores them in one statement.
pub(crate) struct Group {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<(Vec<Arc<Slot>>, bool)>,
    changed: Notify,
}

struct Slot {
    key: String,
    id: Uuid,
    recorded_at: i64,
    done: Mutex<bool>,
    changed: Condvar,
}

impl Group {
    pub(crate) fn start(url: &str) -> Self {
        let shared = Arc::<Shared>::default();
        let (of_thread, url) = (Arc::clone(&shared), url.to_owned());
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(of_thread.serve(&url));
        });
        Self { shared }
    }

    pub(crate) fn append(&self, key: String) {
        let slot = Arc::new(Slot {
            key,
            id: Uuid::now_v7(),
            recorded_at: Timestamp::now().as_micros(),
            done: Mutex::new(false),
            changed: Condvar::new(),
        });
        self.shared.queue.lock().expect("no panic").0.push(Arc::clone(&slot));
        self.shared.changed.notify_one();
        let done = slot.done.lock().expect("no panic");
        drop(slot.changed.wait_while(done, |done| !*done).expect("no panic"));
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.shared.queue.lock().expect("no panic").1 = true;
        self.shared.changed.notify_one();
    }
}

impl Shared {
    async fn serve(&self, url: &str) {
        let client = connect(url).await;
        let group =
            client.prepare("SELECT hand.append_group($1, $2, $3, $4, $5, $6)").await.expect("a function");
        let one = client.prepare("SELECT hand.append_one($1, $2, $3, $4, $5, $6)").await.expect("a function");
        loop {
            let (slots, has_ended) = {
                let mut queue = self.queue.lock().expect("no panic");
                (mem::take(&mut queue.0), queue.1)
            };
            if let [slot] = &slots[..] {
                let values: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
                    [&"account", &slot.key, &slot.id, &slot.recorded_at, &"money-deposited", &PAYLOAD];
                client.query_one(&one, &values).await.expect("the event is stored");
            } else if !slots.is_empty() {
                let keys: Vec<_> = slots.iter().map(|slot| &*slot.key).collect();
                let ids: Vec<_> = slots.iter().map(|slot| slot.id).collect();
                let times: Vec<_> = slots.iter().map(|slot| slot.recorded_at).collect();
                let (categories, names) =
                    (vec!["account"; slots.len()], vec!["money-deposited"; slots.len()]);
                let payloads = vec![PAYLOAD; slots.len()];
                client
                    .query_one(&group, &[&categories, &keys, &ids, &times, &names, &payloads])
                    .await
                    .expect("the events are stored");
            } else if has_ended {
                return;
            } else {
                self.changed.notified().await;
            }
            for slot in slots {
                *slot.done.lock().expect("no panic") = true;
                slot.changed.notify_one();
            }
        }
    }
}
