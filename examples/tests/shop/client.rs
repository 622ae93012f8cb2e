//! A small client: one request a connection, as HTTP/1.0, so that a body ends where the connection ends.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// However slow the machine is, each answer is there in this time.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// An answer of the service.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Sends a request, and reads the head of the answer. The rest is the body.
fn begin(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<(Answer, BufReader<TcpStream>)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let headers: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let (headers, length) = (headers.concat(), body.len());
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes())?;

    let mut reader = BufReader::new(stream);
    let cut_off = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(cut_off)?;
    let mut headers = Vec::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Err(cut_off());
        }
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    Ok((Answer { status, headers, body: String::new() }, reader))
}

/// Sends a request, and reads the whole answer. Fails if the answer is cut off.
pub fn request(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<Answer> {
    let (mut answer, mut reader) = begin(address, method, path, headers, body)?;
    reader.read_to_string(&mut answer.body)?;
    match answer.header("content-length").map(str::parse::<usize>) {
        Some(Ok(length)) if length == answer.body.len() => Ok(answer),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// A listener to server-sent events.
pub struct Listener(BufReader<TcpStream>);

/// A message, as a browser would read it.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    pub id: Option<u64>,
    pub event: Option<String>,
    pub data: String,
}

impl Message {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).expect("JSON")
    }
}

impl Listener {
    pub fn open(address: &str, path: &str, headers: &[(&str, &str)]) -> Self {
        let (answer, reader) = begin(address, "GET", path, headers, "").expect("the service answers");
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/event-stream")));
        Self(reader)
    }

    /// The next message; `None` at the end.
    pub fn next(&mut self) -> Option<Message> {
        let mut message = Message { id: None, event: None, data: String::new() };
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).expect("a line in time") == 0 {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some(("id", id)) => message.id = id.parse().ok(),
                Some(("event", event)) => message.event = Some(event.to_owned()),
                Some(("data", data)) => data.clone_into(&mut message.data),
                // The end of a message, unless it was only a comment.
                None if line.trim_end().is_empty() && !message.data.is_empty() => return Some(message),
                _ => {}
            }
        }
    }

    /// The next messages.
    pub fn take(&mut self, count: usize) -> Vec<Message> {
        (0..count).map(|_| self.next().expect("one more message")).collect()
    }
}
