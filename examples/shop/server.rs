//! From start to shutdown.

use std::future::Future;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use factum::application::RunsOn;
use factum::prelude::*;
use tokio::net::TcpListener;
use tokio::runtime::{self, Runtime};
use tokio::sync::watch;

use crate::fulfilment::shop::Shop;
use crate::http::{self, Service};
use crate::options::Options;
use crate::tenants::{self, ShopStore, Shops};
use crate::traffic::{self, Story};

/// How long requests may take after the program was asked to stop, and then the followers.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// How many threads may block at once, on a disk or on a lock.
const BLOCKING_THREADS: usize = 64;

/// Runs the service until the system asks it to stop.
pub fn run(options: &Options) -> Result<(), BoxError> {
    if let Some(url) = &options.postgres {
        return on_postgres(url, options);
    }
    let folder = match &options.data {
        Some(folder) => folder.clone(),
        None => std::env::temp_dir().join(format!("factum-shop-{}", std::process::id())),
    };
    std::fs::create_dir_all(&folder)?;
    let files = folder.clone();
    let result = run_on(move |tenant| Ok(SqliteStore::open(files.join(format!("{tenant}.db")))?), options);
    if options.data.is_none() {
        std::fs::remove_dir_all(&folder)?;
    }
    result
}

/// Each tenant has a schema of its own in the database.
#[cfg(feature = "postgres")]
fn on_postgres(url: &str, options: &Options) -> Result<(), BoxError> {
    use factum::postgres::PostgresOptions;

    let url = url.to_owned();
    // The name of a schema has no such characters, and that of a tenant no capitals.
    let schema = |tenant: &str| format!("shop_{}", tenant.replace('-', "D").replace('.', "P"));
    run_on(move |tenant| Ok(PostgresOptions::new().schema(schema(tenant)).connect(&url)?), options)
}

#[cfg(not(feature = "postgres"))]
fn on_postgres(_url: &str, _options: &Options) -> Result<(), BoxError> {
    Err("this program is built without PostgreSQL: add `--features postgres`".into())
}

fn run_on<S: ShopStore>(
    open_store: impl Fn(&str) -> Result<S, BoxError> + Send + Sync + 'static,
    options: &Options,
) -> Result<(), BoxError>
where
    Shop: RunsOn<S>,
{
    let shops = Arc::new(open(open_store, &options.tenants)?);
    let story = options.tenants.first().filter(|_| options.story);
    let story = story.map(|tenant| Story::begin(Arc::clone(&shops), tenant.clone())).transpose()?;

    let runtime =
        runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(BLOCKING_THREADS).build()?;
    let served = serve(&runtime, Arc::clone(&shops), options);
    // Requests that are still at work after the limit end here. A command that has begun is carried out.
    runtime.shutdown_timeout(STOP_LIMIT);

    if let Some(story) = story {
        story.end();
    }
    // Last, so that commands of requests and of the story still find their followers.
    let stopped = shops.stop(STOP_LIMIT);
    served?;
    stopped?;
    println!("stopped");
    Ok(())
}

/// Opens each shop once: a time-out of a closed one is due only after the shop was opened in this run.
fn open<S: ShopStore>(
    open_store: impl Fn(&str) -> Result<S, BoxError> + Send + Sync + 'static,
    tenants: &[String],
) -> Result<Shops<S>, BoxError>
where
    Shop: RunsOn<S>,
{
    let (outbox, mails) = channel();
    let postman = move || {
        for mail in mails {
            // Not by `println`, which panics once nothing reads what the program prints.
            let _ = writeln!(io::stdout(), "mail: {mail}");
        }
    };
    thread::Builder::new().name("mail".to_owned()).spawn(postman)?;
    let shops = Shops::new(move |tenant| tenants::start(&open_store(tenant)?, outbox.clone()));
    for tenant in tenants {
        traffic::seed(&*shops.get(tenant)?)?;
    }
    Ok(shops)
}

fn serve<S: ShopStore>(runtime: &Runtime, shops: Arc<Shops<S>>, options: &Options) -> Result<(), BoxError> {
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", options.port)).await?;
        println!("listening on http://{}", listener.local_addr()?);
        for tenant in &options.tenants {
            println!("  a page to look at: http://{}/{tenant}", listener.local_addr()?);
        }
        println!("  stop it with Ctrl-C");

        let (stop, stopping) = watch::channel(false);
        let router = http::router(Service::new(shops, options, stopping.clone()));
        let mut stop_accepting = stopping.clone();
        let server = axum::serve(listener, router).with_graceful_shutdown(async move {
            let _ = stop_accepting.wait_for(|stops| *stops).await;
        });
        let asked = asked_to_stop()?;
        tokio::spawn(async move {
            asked.await;
            // Ends the streams of events too, which would keep their connections open.
            stop.send_replace(true);
        });
        let mut limit = stopping;
        let after_limit = async move {
            let _ = limit.wait_for(|stops| *stops).await;
            tokio::time::sleep(STOP_LIMIT).await;
        };
        first_of(server, after_limit).await
    })
}

/// The result of the server; an error if the limit ends first.
async fn first_of(
    server: impl IntoFuture<Output = io::Result<()>>,
    limit: impl Future<Output = ()>,
) -> Result<(), BoxError> {
    use futures_util::future::{Either, select};
    match select(std::pin::pin!(server.into_future()), std::pin::pin!(limit)).await {
        Either::Left((result, _)) => Ok(result?),
        Either::Right(_) => Err(format!("some requests did not end within {STOP_LIMIT:?}").into()),
    }
}

/// Ends when the system asks the program to stop: Ctrl-C, or SIGTERM.
#[cfg(unix)]
fn asked_to_stop() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(std::future::poll_fn(move |context| {
        if interrupt.poll_recv(context).is_ready() {
            std::task::Poll::Ready(())
        } else {
            terminate.poll_recv(context).map(drop)
        }
    }))
}

#[cfg(not(unix))]
fn asked_to_stop() -> io::Result<impl Future<Output = ()>> {
    Ok(async { drop(tokio::signal::ctrl_c().await) })
}
