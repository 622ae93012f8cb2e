//! Where the store is, and how a session with its server begins.

use std::cell::{Cell, OnceCell};
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::TlsStream;
use tokio_postgres::{AsyncMessage, Config, Connection, NoTls, Notification, Socket};

use uuid::Uuid;

use crate::domain::hash::{FNV_OFFSET, hashed};
use crate::domain::new_id::new_id;
use crate::postgres::server::error::{ConnectError, Failure};
use crate::postgres::server::hosts::first_of_use;
use crate::postgres::server::names::quoted_schema;
use crate::postgres::server::options::{Durability, PostgresOptions};
use crate::postgres::server::session::Session;
use crate::postgres::server::ssl::Ssl;
use crate::postgres::server::timelines::{TIMELINE, Timeline, Timelines};
use crate::postgres_tls::Tls;
use crate::store::error::StoreError;
use crate::store::identity::DatabaseIdentity;

/// How much longer the client waits for an answer than the server may work on it.
const ON_THE_WAY: Duration = Duration::from_secs(5);

/// How long to wait before a host is asked again whether it leads, and before another attempt to connect to it.
const ASK_AGAIN: Duration = Duration::from_millis(200);
const CONNECT_AGAIN: Duration = Duration::from_secs(1);

/// The hosts of a store's server, and what its sessions are set to.
pub(crate) struct Address {
    /// One for each host, in the order of the URL.
    hosts: Vec<Config>,
    /// What encrypts; `None` if nothing does.
    tls: Option<Tls>,
    /// The schema, quoted for SQL.
    pub(crate) schema: String,
    /// The id of the store, once it was opened.
    pub(crate) store_id: OnceCell<Uuid>,
    /// A number of this program alone. All of its sessions share a lock on it, so that others can tell whether one is left.
    pub(crate) program: i64,
    pub(crate) timelines: Arc<Timelines>,
    /// The number of the host that has taken over last while sessions waited for another one.
    leader: Cell<usize>,
    pub(crate) options: PostgresOptions,
}

/// What to do with a notification of the server; `None` once the session has ended, and no more come.
pub(crate) type OnNotification = Rc<dyn Fn(Option<&Notification>)>;

impl Address {
    pub(crate) fn new(options: PostgresOptions, url: &str) -> Result<Self, ConnectError> {
        let Some(schema) = quoted_schema(&options.schema) else {
            return Err(ConnectError::SchemaName { schema: options.schema });
        };
        let (ssl, url) = Ssl::take_from(url);
        let (ssl_mode, tls) = ssl.check()?;
        let config: Config =
            url.parse().map_err(|error: tokio_postgres::Error| ConnectError::Url(error.into()))?;
        let count = config.get_hosts().len().max(config.get_hostaddrs().len());
        if count == 0 {
            return Err(ConnectError::Url("it names no host".into()));
        }
        let hosts = (0..count).map(|index| one_host(&config, index, ssl_mode, &options)).collect();
        Ok(Self {
            hosts,
            tls,
            schema,
            store_id: OnceCell::new(),
            program: new_token(),
            timelines: Arc::default(),
            leader: Cell::new(0),
            options,
        })
    }

    /// What tells the schema from others, as far as the URL tells the servers.
    pub(crate) fn database(&self) -> DatabaseIdentity {
        let hosts = self.hosts.iter().map(|host| (host.get_hosts(), host.get_hostaddrs(), host.get_ports()));
        let database = self.hosts.first().map(|host| (host.get_dbname(), host.get_user()));
        let text = format!("{:?} {database:?} {}", hosts.collect::<Vec<_>>(), self.schema);
        DatabaseIdentity::Schema(hashed(FNV_OFFSET, &text))
    }

    /// Begins a session with the first host that accepts writes.
    pub(crate) async fn connect(&self, notified: Option<&OnNotification>) -> Result<Session, Failure> {
        first_of_use(&self.likely_leader_first(), |host| {
            self.ask(host, TargetSessionAttrs::ReadWrite, notified)
        })
        .await
    }

    /// The hosts. One that is known to have taken over comes first: those before it may be silent.
    fn likely_leader_first(&self) -> Vec<&Config> {
        let mut hosts: Vec<_> = self.hosts.iter().collect();
        if let Some(before) = hosts.get_mut(..=self.leader.get()) {
            before.rotate_right(1);
        }
        hosts
    }

    /// Begins a session with a host, in the time that it has.
    async fn ask(
        &self,
        host: &Config,
        attributes: TargetSessionAttrs,
        notified: Option<&OnNotification>,
    ) -> Result<Session, Failure> {
        let host = host.clone().target_session_attrs(attributes).to_owned();
        self.in_time(&host, self.connect_to(&host, notified)).await
    }

    /// Waits for the answer of a host, in the time that it has.
    async fn in_time<T>(
        &self,
        host: &Config,
        answer: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let time = host.get_connect_timeout().copied().unwrap_or(self.options.connect_timeout);
        timeout(time, answer)
            .await
            .unwrap_or_else(|_| Err(Failure::Broken(format!("no answer in {time:?}").into())))
    }

    /// Asks each host again and again whether it leads, as long as sessions wait long for answers. If another one does by now, all
    /// sessions with the earlier leader end.
    pub(crate) fn watch_leaders(self: &Rc<Self>) {
        if self.hosts.len() > 1 {
            for index in 0..self.hosts.len() {
                spawn_local(Rc::clone(self).watch_host(index));
            }
        }
    }

    async fn watch_host(self: Rc<Self>, index: usize) {
        let Some(host) = self.hosts.get(index) else { return };
        loop {
            self.timelines.wait_for_doubt().await;
            // A session with a standby goes on when that becomes the leader. Its own timeline does not matter.
            let mut session = None;
            while self.timelines.is_in_doubt() {
                let answer = self.in_time(host, async {
                    let session = match session.take() {
                        Some(session) => session,
                        None => self.open(host, None).await?,
                    };
                    let timeline = timeline(&session).await?;
                    Ok((session, timeline))
                });
                match answer.await {
                    Ok((asked, timeline)) => {
                        session = Some(asked);
                        if timeline.is_some_and(|timeline| self.timelines.hear(timeline)) {
                            self.leader.set(index);
                        }
                        sleep(ASK_AGAIN).await;
                    }
                    Err(_) => sleep(CONNECT_AGAIN).await,
                }
            }
        }
    }

    /// Begins a session with the store that was opened.
    pub(crate) async fn begin(&self, notified: Option<&OnNotification>) -> Result<Session, Failure> {
        let session = self.connect(notified).await?;
        self.check_store(session).await
    }

    /// Begins a session with a standby that has the store that was opened.
    pub(crate) async fn begin_with_standby(&self) -> Result<Session, Failure> {
        let session =
            first_of_use(&self.hosts, |host| self.ask(host, TargetSessionAttrs::ReadOnly, None)).await?;
        self.check_store(session).await
    }

    async fn check_store(&self, session: Session) -> Result<Session, Failure> {
        let rows = session.query(&format!("SELECT id FROM {}.store", self.schema), &[]).await?;
        let found = rows.first().map(|row| row.try_get(0)).transpose().map_err(Failure::of)?;
        match (self.store_id.get(), found) {
            (Some(opened), Some(found)) if *opened != found => {
                Err(Failure::Final(StoreError::OtherStore { opened: *opened, found }))
            }
            _ => Ok(session),
        }
    }

    async fn connect_to(&self, host: &Config, notified: Option<&OnNotification>) -> Result<Session, Failure> {
        let mut session = self.open(host, notified).await?;
        if let Some(timeline) = timeline(&session).await? {
            // A session with another system ends those before it. A host that has no such store must not.
            if self.timelines.is_of_another_system(timeline) {
                session = self.check_store(session).await?;
            }
            session.stands(self.timelines.standing(timeline)?);
        }
        Ok(session)
    }

    async fn open(&self, host: &Config, notified: Option<&OnNotification>) -> Result<Session, Failure> {
        let warned = Rc::new(Cell::new(false));
        let (of_connection, notified) = (Rc::clone(&warned), notified.cloned());
        let client = match &self.tls {
            Some(tls) => {
                let (client, connection) = host.connect(tls.clone()).await.map_err(Failure::of)?;
                spawn_local(drive(connection, of_connection, notified));
                client
            }
            None => {
                let (client, connection) = host.connect(NoTls).await.map_err(Failure::of)?;
                spawn_local(drive(connection, of_connection, notified));
                client
            }
        };
        let token = new_token();
        let session =
            Session::new(client, token, warned, self.options.statement_timeout.saturating_add(ON_THE_WAY));
        session.run(&self.settings(token)).await?;
        Ok(session)
    }

    /// The settings of each session. Those of the user or the database may be others.
    ///
    /// Statements are prepared once, perhaps while the tables are empty, so their plans must not depend on the number of
    /// rows. The checks of an append rely on READ COMMITTED.
    fn settings(&self, token: i64) -> String {
        let millis = |time: Duration| time.as_millis().clamp(1, i32::MAX.unsigned_abs().into());
        let durability = match self.options.durability {
            Some(level) => format!("SET synchronous_commit = {}", level.setting()),
            None => format!(
                "SELECT set_config('synchronous_commit', '{}', false) WHERE current_setting('synchronous_commit') <> '{}'",
                Durability::On.setting(),
                Durability::RemoteApply.setting()
            ),
        };
        format!(
            "SET default_transaction_isolation = 'read committed';
             SET search_path = '';
             SET plan_cache_mode = force_generic_plan;
             SET enable_seqscan = off;
             SET enable_hashjoin = off;
             SET enable_mergejoin = off;
             SET jit = off;
             SET bytea_output = 'hex';
             SET client_min_messages = warning;
             SET statement_timeout = {};
             SET lock_timeout = {};
             SET factum.token = '{token}';
             SELECT pg_advisory_lock_shared({});
             {durability}",
            millis(self.options.statement_timeout),
            millis(self.options.lock_timeout),
            self.program,
        )
    }
}

/// The timeline of a session's server, if it accepts writes.
async fn timeline(session: &Session) -> Result<Option<Timeline>, Failure> {
    let rows = session.query(TIMELINE, &[]).await?;
    rows.first().map_or(Ok(None), Timeline::of)
}

/// A number that no other session has.
fn new_token() -> i64 {
    let (high, low) = new_id().as_u64_pair();
    (high.rotate_left(32) ^ low).cast_signed()
}

/// The part of the URL that is about one host.
fn one_host(all: &Config, index: usize, ssl_mode: SslMode, options: &PostgresOptions) -> Config {
    let mut config = Config::new();
    match all.get_hosts().get(index) {
        Some(Host::Tcp(host)) => {
            config.host(host);
        }
        #[cfg(unix)]
        Some(Host::Unix(path)) => {
            config.host_path(path);
        }
        None => {}
    }
    if let Some(address) = all.get_hostaddrs().get(index) {
        config.hostaddr(*address);
    }
    // One port is that of all hosts.
    if let Some(port) = all.get_ports().get(index).or(all.get_ports().first()) {
        config.port(*port);
    }
    if let Some(user) = all.get_user() {
        config.user(user);
    }
    if let Some(password) = all.get_password() {
        config.password(password);
    }
    if let Some(database) = all.get_dbname() {
        config.dbname(database);
    }
    if let Some(settings) = all.get_options() {
        config.options(settings);
    }
    config.application_name(all.get_application_name().unwrap_or("factum"));
    // libpq does not encrypt a socket of the machine either.
    let is_local = matches!(all.get_hosts().get(index), Some(host) if !matches!(host, Host::Tcp(_)));
    config.ssl_mode(if is_local { SslMode::Disable } else { ssl_mode });
    config.channel_binding(all.get_channel_binding());
    config.connect_timeout(all.get_connect_timeout().copied().unwrap_or(options.connect_timeout));
    // A server that is gone without a word is noticed by the system.
    config.tcp_user_timeout(all.get_tcp_user_timeout().copied().unwrap_or(options.outage_timeout));
    config.keepalives(all.get_keepalives());
    config.keepalives_idle(all.get_keepalives_idle().min(Duration::from_mins(1)));
    if let Some(interval) = all.get_keepalives_interval() {
        config.keepalives_interval(interval);
    }
    if let Some(retries) = all.get_keepalives_retries() {
        config.keepalives_retries(retries);
    }
    config
}

/// Moves messages between the socket and the client, until one of them ends.
async fn drive(
    mut connection: Connection<Socket, impl TlsStream + Unpin>,
    warned: Rc<Cell<bool>>,
    notified: Option<OnNotification>,
) {
    while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
        match message {
            // Not those with a code of their own, as that the server is about to stop.
            AsyncMessage::Notice(notice) if *notice.code() == SqlState::WARNING => warned.set(true),
            AsyncMessage::Notification(notification) => {
                if let Some(notified) = &notified {
                    notified(Some(&notification));
                }
            }
            _ => {}
        }
    }
    // From now on, the client knows that the session is closed.
    drop(connection);
    if let Some(notified) = &notified {
        notified(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_has_taken_over_is_asked_first() {
        let url = "postgresql://a:1,b:2,c:3/bank";
        let address = Address::new(PostgresOptions::new(), url).unwrap();
        let order =
            || address.likely_leader_first().iter().map(|host| host.get_ports()[0]).collect::<Vec<_>>();
        assert_eq!(order(), [1, 2, 3]);
        address.leader.set(2);
        assert_eq!(order(), [3, 1, 2]);
    }
}
