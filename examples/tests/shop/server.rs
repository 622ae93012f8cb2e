//! The service as a process of its own.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::client::{self, Answer, Listener, PATIENCE};
use crate::program;

const JSON: (&str, &str) = ("Content-Type", "application/json");

/// A running service. It is killed when this is dropped.
pub struct Server {
    child: Child,
    pub address: String,
    /// Reads what the service prints, so that it never waits for that.
    out: Option<JoinHandle<String>>,
}

impl Server {
    /// Starts the service on a port that is free, with the tenant `t`, whose store is in a folder.
    pub fn start(data: &Path, more: &[&str]) -> Self {
        let store = [OsStr::new("--data"), data.as_os_str()];
        Self::start_with(store.into_iter().chain(more.iter().map(OsStr::new)))
    }

    /// Starts the service on a port that is free, with the tenant `t` and these options.
    pub fn start_with(options: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        let mut child = Command::new(program::binary("shop"))
            .args(["--port", "0", "--tenants", "t"])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the service starts");
        let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
        let address = address(&mut out).unwrap_or_else(|| panic!("no address: {}", errors(&mut child)));
        let rest = move || {
            let mut text = String::new();
            out.read_to_string(&mut text).map(|_| text).unwrap_or_default()
        };
        Self { child, address, out: Some(thread::spawn(rest)) }
    }

    pub fn get(&self, path: &str) -> Answer {
        client::request(&self.address, "GET", path, &[], "").expect("an answer")
    }

    /// Sends a command to the tenant `t`.
    pub fn send(&self, command: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        send(&self.address, command, headers, body).expect("an answer")
    }

    /// Sends a command that is carried out.
    pub fn done(&self, command: &str, body: &Value) -> Value {
        let answer = self.send(command, &[], body);
        assert_eq!(answer.status, 200, "{command} {body}: {answer:?}");
        answer.json()
    }

    /// The content of a view.
    pub fn view(&self, view: &str) -> Value {
        self.get(&format!("/t/views/{view}")).json()
    }

    /// The status of an order on the board.
    pub fn status(&self, number: &str) -> Option<String> {
        let board = self.view("board");
        let row = board.as_array()?.iter().find(|row| row["number"] == number)?;
        row["status"].as_str().map(str::to_owned)
    }

    /// Waits until an order has a status.
    pub fn wait_for_status(&self, number: &str, status: &str) {
        until(|| self.status(number).as_deref() == Some(status));
    }

    pub fn listen(&self, path: &str, headers: &[(&str, &str)]) -> Listener {
        Listener::open(&self.address, path, headers)
    }

    /// Kills the service, as `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it has ended");
    }

    /// Asks the service to stop, as the system does.
    pub fn terminate(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("there is `kill`").success());
    }

    /// Waits for its end. Returns the status, what it has printed, and what it has reported.
    pub fn end(mut self) -> (ExitStatus, String, String) {
        let status = self.child.wait().expect("it ends");
        let out = self.out.take().map(|out| out.join().expect("it reads")).unwrap_or_default();
        (status, out, errors(&mut self.child))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already, or is to end now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a command to the tenant `t`. Fails if the connection fails.
pub fn send(address: &str, command: &str, headers: &[(&str, &str)], body: &Value) -> std::io::Result<Answer> {
    let headers = [&[JSON], headers].concat();
    client::request(address, "POST", &format!("/t/commands/{command}"), &headers, &body.to_string())
}

/// Waits until something is true.
#[track_caller]
pub fn until(mut is_true: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_true() {
        assert!(begun.elapsed() < PATIENCE, "it does not become true");
        thread::sleep(Duration::from_millis(20));
    }
}

fn address(out: &mut BufReader<ChildStdout>) -> Option<String> {
    loop {
        let mut line = String::new();
        if out.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some((_, address)) = line.trim_end().split_once("listening on http://") {
            return Some(address.to_owned());
        }
    }
}

fn errors(child: &mut Child) -> String {
    let mut text = String::new();
    child.stderr.take().map(|mut errors| errors.read_to_string(&mut text));
    text
}
