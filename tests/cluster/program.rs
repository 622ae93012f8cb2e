//! The programs that write: this test program again, three times.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};
use std::{env, io, thread};

use factum::follow::{FollowError, FollowerOptions, KeepsTables as _, ProjectionError};
use factum::postgres::{PostgresOptions, PostgresStore};
use factum::prelude::*;
use factum::sqlite::SqliteStore;
use factum::{Accepts, Position};
use tempfile::TempDir;

use crate::LONG;
use crate::account::{Account, Refused, deposit, open, withdraw};
use crate::bank::{Balances, Bank, Ledger};
use crate::check::Written;
use crate::nodes::Cluster;
use crate::views::{Counts, Totals};

const URL: &str = "FACTUM_CLUSTER_URL";
const NUMBER: &str = "FACTUM_CLUSTER_PROGRAM";

const PROGRAMS: usize = 3;

/// The account to which all programs write.
const HOT: &str = "hot";

/// How long a call waits for a leader, and an append for those of other programs, which wait for one.
const PATIENCE: Duration = Duration::from_secs(90);

/// A command of a program was acknowledged.
#[derive(Clone, Copy)]
struct Answer {
    number: usize,
    at: Instant,
    position: u64,
}

/// All views of a program have an event.
struct Seen {
    number: usize,
    at: Instant,
    position: u64,
}

/// When each program was back after a failure.
pub(crate) struct Back {
    pub(crate) answers: [Instant; PROGRAMS],
    /// All views of the program have an event that the new leader has acknowledged.
    pub(crate) views: [Instant; PROGRAMS],
    /// The program has heard that the process goes on.
    pub(crate) process: [Instant; PROGRAMS],
}

/// The three programs, as the test sees them.
pub(crate) struct Programs {
    children: Vec<(Child, ChildStdin)>,
    said: Receiver<(usize, Instant, Option<String>)>,
    written: Vec<Written>,
    answers: Vec<Answer>,
    seen: Vec<Seen>,
    /// When programs have heard that the process goes on.
    process: Vec<(usize, Instant)>,
    again: usize,
    lines: Vec<String>,
}

impl Programs {
    pub(crate) fn start(cluster: &Cluster) -> Self {
        let (sender, said) = mpsc::channel();
        let mut children = Vec::new();
        for number in 0..PROGRAMS {
            let mut child = Command::new(env::current_exe().unwrap())
                .args(["program::entry", "--exact", "--nocapture"])
                .envs([(URL, cluster.url()), (NUMBER, number.to_string())])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let input = child.stdin.take().unwrap();
            let output = BufReader::new(child.stdout.take().unwrap());
            let sender = sender.clone();
            thread::spawn(move || {
                for line in output.lines().map_while(Result::ok) {
                    let _ = sender.send((number, Instant::now(), Some(line)));
                }
                let _ = sender.send((number, Instant::now(), None));
            });
            children.push((child, input));
        }
        let mut programs = Self {
            children,
            said,
            written: Vec::new(),
            answers: Vec::new(),
            seen: Vec::new(),
            process: Vec::new(),
            again: 0,
            lines: Vec::new(),
        };
        programs.wait_until_back(Instant::now());
        programs
    }

    /// Waits until each program has heard of a command since then, its views have it, and the process goes on.
    pub(crate) fn wait_until_back(&mut self, since: Instant) -> Back {
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < LONG, "the views do not come back");
            let first = |number| {
                let later = self.answers.iter().rev().take_while(|answer| answer.at > since);
                later.filter(|answer| answer.number == number).last().copied()
            };
            let answers = [0, 1, 2].map(first);
            if let [Some(a), Some(b), Some(c)] = answers {
                let has_seen = |answer: Answer| {
                    self.seen
                        .iter()
                        .find(|seen| seen.number == answer.number && seen.position >= answer.position)
                        .map(|seen| seen.at)
                };
                let goes_on = |number| {
                    let later = self.process.iter().filter(|(of, at)| *of == number && *at > since);
                    later.map(|(_, at)| *at).min()
                };
                if let ([Some(x), Some(y), Some(z)], [Some(u), Some(v), Some(w)]) =
                    ([a, b, c].map(has_seen), [0, 1, 2].map(goes_on))
                {
                    let answers = [a, b, c].map(|answer| answer.at);
                    return Back { answers, views: [x, y, z], process: [u, v, w] };
                }
            }
            self.hear();
        }
    }

    fn hear(&mut self) {
        let (number, at, line) = self.said.recv_timeout(LONG).expect("the programs are silent");
        let line = line.unwrap_or_else(|| panic!("program {number} has ended: {:?}", self.lines.last()));
        self.take(number, at, &line);
    }

    fn take(&mut self, number: usize, at: Instant, line: &str) {
        if let Some(event) = line.strip_prefix("event ") {
            let mut parts = event.splitn(4, ' ');
            let mut next = || parts.next().expect("four parts");
            let (id, position, version) =
                (next().parse().unwrap(), next().parse().unwrap(), next().parse().unwrap());
            self.written.push((id, position, version, next().to_owned()));
            self.answers.push(Answer { number, at, position });
        } else if let Some(position) = line.strip_prefix("seen ") {
            self.seen.push(Seen { number, at, position: position.parse().unwrap() });
        } else if line == "goes on" {
            self.process.push((number, at));
        } else if line.starts_with("slow: ") {
            println!("program {number}: {line}");
        } else if line.starts_with("again ") {
            self.again += 1;
            println!("program {number}: {line}");
        } else {
            self.lines.push(format!("{number} {line}"));
        }
    }

    fn take_waiting(&mut self) {
        while let Ok((number, at, Some(line))) = self.said.try_recv() {
            self.take(number, at, &line);
        }
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.written.len()
    }

    pub(crate) fn sent_again(&self) -> usize {
        self.again
    }

    /// The longest time since then in which no program has heard of a command.
    pub(crate) fn longest_silence(&mut self, since: Instant) -> Duration {
        self.take_waiting();
        self.answers.sort_by_key(|answer| answer.at);
        let later = self.answers.partition_point(|answer| answer.at < since);
        let answers = &self.answers[later.saturating_sub(1)..];
        answers.windows(2).map(|pair| pair[1].at - pair[0].at).max().unwrap_or_default()
    }

    /// Ends the writing. Returns all that was acknowledged.
    pub(crate) fn stop(&mut self) -> Vec<Written> {
        self.tell("stop");
        self.wait_for_lines("stopped");
        self.written.clone()
    }

    /// Compares the views of all programs with the events.
    pub(crate) fn check_views(&mut self, store: &PostgresStore) {
        let mut counts = MemoryProjection::new(store, Counts::default());
        counts.catch_up().unwrap();
        let counts = counts.view();
        assert_eq!((counts.skips, counts.position), (0, store.position().unwrap().get()));
        self.tell("show");
        let wanted = format!(
            "views {} {} {} 0 {} {}",
            counts.accounts, counts.cents, counts.position, counts.accounts, counts.cents
        );
        for line in self.wait_for_lines("views ") {
            assert_eq!(line.split_once(' ').map(|(_, line)| line), Some(&*wanted), "the views of a program");
        }
    }

    fn tell(&mut self, word: &str) {
        for (_, input) in &mut self.children {
            writeln!(input, "{word}").unwrap();
        }
    }

    /// Waits until each program has said a line that begins so.
    fn wait_for_lines(&mut self, begin: &str) -> Vec<String> {
        loop {
            let says_so =
                |line: &&String| line.split_once(' ').is_some_and(|(_, line)| line.starts_with(begin));
            let found: Vec<_> = self.lines.iter().filter(says_so).cloned().collect();
            if found.len() == PROGRAMS {
                return found;
            }
            self.hear();
        }
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        for (child, _) in &mut self.children {
            // Both fail if it has ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The program itself. As a test it does nothing.
#[test]
fn entry() {
    let Ok(number) = env::var(NUMBER) else { return };
    let options = PostgresOptions::new().connect_timeout(Duration::from_secs(2));
    let options = options.statement_timeout(PATIENCE).lock_timeout(PATIENCE).outage_timeout(PATIENCE);
    let store = options.connect(&env::var(URL).unwrap()).unwrap();
    let folder = TempDir::new().unwrap();
    let views = SqliteStore::open(folder.path().join("views.db")).unwrap();
    let totals = SqliteProjection::in_store(&views, &store, Totals).unwrap().follow().start().unwrap();
    let mut counts = MemoryProjection::new(&store, Counts::default());
    // One program appends without the inline view, which the others bring up to date.
    let inline = (number != "0").then(|| store.inline(Balances, &FollowerOptions::new()).unwrap());
    let bank = Bank::new().start(&store).unwrap();
    let is_over = AtomicBool::new(false);
    let mut words = io::stdin().lines().map(Result::unwrap);
    let counted = AtomicU64::new(0);
    let writer = Writer { accounts: store.repository(), number: &number, is_over: &is_over };
    thread::scope(|scope| {
        for thread in 0..2 {
            let writer = &writer;
            scope.spawn(move || writer.write_to(HOT, thread));
        }
        scope.spawn(|| writer.write_to(&format!("own-{}", writer.number), 2));
        scope.spawn(|| writer.open_new());
        scope.spawn(|| writer.is_refused());
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                count(&store, &mut counts);
                counted.store(counts.position().get(), Ordering::SeqCst);
                thread::sleep(Duration::from_millis(50));
            }
        });
        scope.spawn(|| {
            writer.is_seen(&|position| {
                let begun = Instant::now();
                while counted.load(Ordering::SeqCst) < position.get() && writer.goes_on() {
                    thread::sleep(Duration::from_millis(5));
                }
                // It fails if the view has seen what is undone, and has ended.
                let in_memory = begun.elapsed();
                let _ = totals.wait_for(position, LONG);
                let in_file = begun.elapsed();
                bank.wait_for::<Ledger>(position, LONG).unwrap();
                [in_memory, in_file, begun.elapsed()]
            });
        });
        // A process that has much to do goes on long before it has seen everything.
        scope.spawn(|| {
            let mut known = Position::START;
            while writer.goes_on() {
                let health = bank.health();
                let process = health.iter().find(|state| state.follower == "welcome").unwrap();
                if process.position != known {
                    known = process.position;
                    say("goes on");
                }
                thread::sleep(Duration::from_millis(20));
            }
        });
        assert_eq!(words.next().as_deref(), Some("stop"));
        is_over.store(true, Ordering::SeqCst);
    });
    say("stopped");
    assert_eq!(words.next().as_deref(), Some("show"));
    while !count(&store, &mut counts) {}
    if totals.wait_for(counts.position(), LONG).is_err() {
        assert!(is_undone(&totals.stop().unwrap_err()));
        SqliteProjection::in_store(&views, &store, Totals).unwrap().rebuild().unwrap();
    }
    bank.wait_for_all(counts.position(), LONG).unwrap();
    let (accounts, cents): (u64, i64) = views
        .query(|connection| {
            connection.query_row("SELECT count(*), sum(cents) FROM totals", (), |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
        })
        .unwrap();
    let Counts { accounts: opened, cents: deposited, position, skips } = counts.view();
    say(format_args!("views {opened} {deposited} {position} {skips} {accounts} {cents}"));
    // Until the test has read it.
    words.next();
    drop((inline, bank));
}

/// Brings the view in memory up to date; `false` if it has to be done again.
///
/// A leader that is cut off shows, as it ends, what it has not acknowledged. Who has seen that begins again.
fn count(store: &PostgresStore, counts: &mut MemoryProjection<Counts, PostgresStore>) -> bool {
    match counts.catch_up() {
        Err(error) if is_undone(&error) => {
            say("slow: the view in memory has seen an event that is undone, and begins again");
            *counts = MemoryProjection::new(store, Counts::default());
            false
        }
        // Other errors of the store are for the next look.
        caught_up => caught_up.is_ok(),
    }
}

fn is_undone(error: &ProjectionError) -> bool {
    let ProjectionError::Follow(error) = error else { return false };
    matches!(error, FollowError::OtherEvents { .. } | FollowError::AheadOfStore { .. })
}

fn say(text: impl std::fmt::Display) {
    println!("\n{text}");
}

/// The threads of a program.
struct Writer<'a> {
    accounts: Repository<Account, PostgresStore>,
    number: &'a str,
    is_over: &'a AtomicBool,
}

impl Writer<'_> {
    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::SeqCst)
    }

    fn write_to(&self, account: &str, thread: u32) {
        self.send(open(account), &format!("open by {}-{thread}", self.number));
        for command in (0_u32..).take_while(|_| self.goes_on()) {
            self.send(
                deposit(account, 1 + i64::from(command % 7)),
                &format!("{}-{thread}-{command}", self.number),
            );
        }
    }

    fn open_new(&self) {
        for account in (0..).take_while(|_| self.goes_on()) {
            let account = format!("{}-{account}", self.number);
            self.send(open(&account), "open");
            self.send(deposit(&account, 3), "deposit");
            // The process has three steps for each account.
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Says when all views have the event of a command.
    fn is_seen(&self, wait_for_views: &dyn Fn(Position) -> [Duration; 3]) {
        let account = format!("seen-{}", self.number);
        self.send(open(&account), "open");
        for command in (0..).take_while(|_| self.goes_on()) {
            let position = self.send(deposit(&account, 5), &format!("seen-{command}"));
            if let Some(position) = position {
                let after = wait_for_views(position);
                say(format_args!("seen {}", position.get()));
                if after[2] > Duration::from_secs(1) {
                    say(format_args!(
                        "slow: {position} in memory, in the file, in the cluster after {after:.2?}"
                    ));
                }
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// A refusal is an answer too: it must be true, whatever fails meanwhile.
    fn is_refused(&self) {
        while self.goes_on() {
            let error = match self.accounts.execute(withdraw(HOT, i64::MAX)) {
                Ok(done) => panic!("more than there is was withdrawn: {:?}", done.state()),
                Err(error) => error,
            };
            // Other errors are those of the store.
            let refusal = error.refusal();
            assert!(
                matches!(refusal, None | Some(Refused::Overdrawn { .. } | Refused::NotOpen)),
                "{refusal:?}"
            );
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Sends a command until it is acknowledged, each time with the same key. Returns the position of its event.
    fn send<C: Clone>(&self, command: C, key: &str) -> Option<Position>
    where
        Account: Accepts<C>,
    {
        let options = ExecuteOptions::new().idempotency_key(key).retry(1_000);
        loop {
            match self.accounts.execute_with(command.clone(), &options) {
                Ok(done) => {
                    for event in done.events() {
                        say(format_args!(
                            "event {} {} {} {}",
                            event.id,
                            event.position.get(),
                            event.version,
                            event.stream
                        ));
                    }
                    return done.position();
                }
                Err(error) => {
                    assert!(error.refusal().is_none(), "refused: {}", factum::with_causes(&error));
                    say(format_args!("again {}", factum::with_causes(&error)));
                    thread::sleep(Duration::from_millis(100));
                }
            }
        }
    }
}
