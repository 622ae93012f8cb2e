//! A bad connection: a proxy before the server, which cuts connections at the worst moments, or holds answers back.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::thread;
use std::time::Duration;

use crate::support::bounded::LONGEST;

/// Passes bytes between clients and the server, and cuts a connection now and then.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: Arc<State>,
}

struct State {
    server: u16,
    /// One of so many messages of a client ends its connection; 0 for none.
    one_in: AtomicU64,
    random: AtomicU64,
    cuts: AtomicU32,
    connections: AtomicU32,
    /// How many statements clients have sent.
    statements: AtomicU64,
    holds_answers: Mutex<bool>,
    lets_answers_go: Condvar,
    has_ended: AtomicBool,
    /// Those of connections that may be open.
    servers: Mutex<Vec<Weak<TcpStream>>>,
}

impl Proxy {
    pub(crate) fn start(server: u16, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            server,
            one_in: AtomicU64::new(0),
            random: AtomicU64::new(seed),
            cuts: AtomicU32::new(0),
            connections: AtomicU32::new(0),
            statements: AtomicU64::new(0),
            holds_answers: Mutex::new(false),
            lets_answers_go: Condvar::new(),
            has_ended: AtomicBool::new(false),
            servers: Mutex::default(),
        });
        let of_thread = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().map(Result::unwrap) {
                if of_thread.has_ended.load(Ordering::SeqCst) {
                    return;
                }
                of_thread.connections.fetch_add(1, Ordering::SeqCst);
                let Ok(server) = TcpStream::connect(("127.0.0.1", of_thread.server)) else { continue };
                // Otherwise, each small message would wait for the acknowledgement of the one before.
                for connection in [&client, &server] {
                    connection.set_nodelay(true).unwrap();
                }
                let [client, server] = [client, server].map(Arc::new);
                let mut servers = of_thread.servers.lock().unwrap();
                servers.retain(|server| server.strong_count() > 0);
                servers.push(Arc::downgrade(&server));
                drop(servers);
                let (to_client, to_server) = (Arc::clone(&client), Arc::clone(&server));
                let states = [Arc::clone(&of_thread), Arc::clone(&of_thread)];
                let [state, other] = states;
                thread::spawn(move || state.pass_requests(&client, &to_server));
                thread::spawn(move || other.pass_answers(&server, &to_client));
            }
        });
        Self { port, state }
    }

    /// From now on, one of so many messages of a client ends its connection.
    pub(crate) fn cut_one_in(&self, messages: u64) {
        self.state.one_in.store(messages, Ordering::SeqCst);
    }

    /// Ends all connections, and takes no more.
    pub(crate) fn cut_off(&self) {
        self.state.has_ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        self.cut_all();
    }

    /// Ends all connections.
    pub(crate) fn cut_all(&self) {
        for server in self.state.servers.lock().unwrap().drain(..).filter_map(|server| server.upgrade()) {
            let _ = server.shutdown(Shutdown::Both);
        }
    }

    /// From now on, no answer of the server arrives, or all do.
    pub(crate) fn hold_answers(&self, hold: bool) {
        *self.state.holds_answers.lock().unwrap() = hold;
        self.state.lets_answers_go.notify_all();
    }

    /// How many connections clients have made.
    pub(crate) fn connections(&self) -> u32 {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// How many statements clients have sent.
    pub(crate) fn statements(&self) -> u64 {
        self.state.statements.load(Ordering::SeqCst)
    }

    pub(crate) fn cuts(&self) -> u32 {
        self.state.cuts.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.has_ended.store(true, Ordering::SeqCst);
        self.hold_answers(false);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl State {
    /// A number below `limit`.
    fn random(&self, limit: u64) -> u64 {
        let state = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb) % limit
    }

    fn pass_requests(&self, mut client: &TcpStream, mut server: &TcpStream) {
        let mut buffer = vec![0; 1 << 16];
        let mut messages = Messages::default();
        while let Ok(length @ 1..) = client.read(&mut buffer) {
            let message = &buffer[..length];
            self.statements.fetch_add(messages.statements_in(message), Ordering::SeqCst);
            let one_in = self.one_in.load(Ordering::SeqCst);
            if one_in == 0 || self.random(one_in) > 0 {
                if server.write_all(message).is_err() {
                    break;
                }
                continue;
            }
            self.cuts.fetch_add(1, Ordering::SeqCst);
            let later = Duration::from_micros(self.random(15_000));
            match self.random(3) {
                // The server gets it, and the client no answer.
                0 => drop(server.write_all(message)),
                // The server gets it after the client has begun to look for what has become of it.
                1 => {
                    let _ = client.shutdown(Shutdown::Both);
                    thread::sleep(later);
                    let _ = server.write_all(message);
                    thread::sleep(later);
                }
                // The server never gets it.
                _ => {}
            }
            break;
        }
        let _ = client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
    }

    fn pass_answers(&self, mut server: &TcpStream, mut client: &TcpStream) {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(length @ 1..) = server.read(&mut buffer) {
            let holds = self.holds_answers.lock().unwrap();
            drop(self.lets_answers_go.wait_timeout_while(holds, LONGEST, |holds| *holds).unwrap());
            if client.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = client.shutdown(Shutdown::Both);
    }
}

/// The messages of one client, as far as they have arrived.
#[derive(Default)]
struct Messages {
    arrived: Vec<u8>,
    has_begun: bool,
}

impl Messages {
    /// How many statements end in these bytes.
    fn statements_in(&mut self, bytes: &[u8]) -> u64 {
        self.arrived.extend_from_slice(bytes);
        let mut statements = 0;
        loop {
            // The first message has no type. A client that asks for encryption would send two of them.
            let head = usize::from(self.has_begun);
            let Some(length) = self.arrived.get(head..head + 4) else { return statements };
            let end = head + u32::from_be_bytes(length.try_into().unwrap()) as usize;
            if self.arrived.len() < end {
                return statements;
            }
            statements += u64::from(self.has_begun && self.arrived[0] == b'E');
            self.arrived.drain(..end);
            self.has_begun = true;
        }
    }
}
