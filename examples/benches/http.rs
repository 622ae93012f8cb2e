//! Commands over HTTP, beside requests that the same server answers without its store.
//!
//! `cargo build --release -p factum-examples --examples && cargo bench -p factum-examples --bench http`
//!
//! Both are `POST /t/commands/add-stock` with as many bytes, over connections that stay open. One body has a quantity that is
//! no number: the server reads the headers and the JSON, and refuses it before it looks at the store.

#[path = "../tests/program/mod.rs"]
#[allow(dead_code, reason = "the tests of the examples use more")]
mod program;

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The callers, each with a connection of its own.
const CALLERS: [usize; 3] = [1, 32, 256];

fn main() -> Outcome<()> {
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let (rounds, time) = if is_bench { (7, Duration::from_secs(1)) } else { (1, Duration::from_millis(20)) };
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path())?;
    println!("requests a second, median of {rounds} rounds of {time:?}\n");
    println!("{:>8}{:>16}{:>16}{:>16}", "callers", "without store", "commands", "share");
    for callers in CALLERS {
        let [mut without, mut commands, mut shares] = [const { Vec::new() }; 3];
        for round in 0..rounds {
            let bare = run(&server.address, callers, time, |_| request("\"many\"", "none"), 422)?;
            let sku = |number| request("     7", &format!("{callers}-{round}-{number}"));
            let stored = run(&server.address, callers, time, sku, 200)?;
            without.push(bare);
            commands.push(stored);
            shares.push(stored / bare);
        }
        let [without, commands, share] = [without, commands, shares].map(median);
        println!("{callers:>8}{without:>16.0}{commands:>16.0}{share:>16.2}");
    }
    Ok(())
}

/// The service as a process of its own, which ends with this.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(data: &std::path::Path) -> Outcome<Self> {
        let mut child = Command::new(program::binary("shop"))
            .args(["--port", "0", "--tenants", "t", "--at-once", "1000", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .spawn()?;
        let out = BufReader::new(child.stdout.take().ok_or("it is piped")?);
        let mut server = Self { child, address: String::new() };
        let mut lines = out.lines();
        for line in lines.by_ref() {
            if let Some((_, address)) = line?.split_once("listening on http://") {
                address.clone_into(&mut server.address);
                break;
            }
        }
        // A full pipe would hold the server.
        thread::spawn(move || lines.for_each(drop));
        if server.address.is_empty() {
            Err("the service ended before it listened".into())
        } else {
            Ok(server)
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn request(quantity: &str, sku: &str) -> String {
    let body = format!(r#"{{"sku": "{sku:>24}", "quantity": {quantity}}}"#);
    let length = body.len();
    format!(
        "POST /t/commands/add-stock HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// The requests a second of so many callers, which all get this status.
fn run(
    address: &str,
    callers: usize,
    time: Duration,
    request: impl Fn(usize) -> String + Sync,
    status: u16,
) -> Outcome<f64> {
    let begun = Instant::now();
    let until = begun + time;
    let done: usize = thread::scope(|scope| {
        let callers: Vec<_> = (0..callers)
            .map(|caller| {
                let request = &request;
                scope.spawn(move || -> Outcome<usize> {
                    let mut connection = BufReader::new(TcpStream::connect(address)?);
                    connection.get_ref().set_nodelay(true)?;
                    let mut done = 0;
                    while Instant::now() < until {
                        connection.get_mut().write_all(request(caller * 1_000_000 + done).as_bytes())?;
                        let answered = answer(&mut connection)?;
                        if answered != status {
                            return Err(format!("status {answered} instead of {status}").into());
                        }
                        done += 1;
                    }
                    Ok(done)
                })
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().expect("no caller panics")).sum::<Outcome<usize>>()
    })?;
    #[expect(clippy::cast_precision_loss, reason = "a few million requests")]
    let done = done as f64;
    Ok(done / begun.elapsed().as_secs_f64())
}

/// Reads an answer, and returns its status.
fn answer(connection: &mut BufReader<TcpStream>) -> Outcome<u16> {
    let mut line = String::new();
    connection.read_line(&mut line)?;
    let status = line.split(' ').nth(1).ok_or("no status")?.parse()?;
    let mut length = 0;
    loop {
        line.clear();
        connection.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse()?,
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body)?;
    Ok(status)
}

/// The middle one of an odd number of values.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
