//! A group of appends as the arguments of one function in the server, and its result as their answers.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::error::Error as StdError;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::domain::command_mark::CommandMark;
use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::postgres::server::names::escaped;
use crate::postgres::server::session::gate;
use crate::postgres::store::array::Array;
use crate::postgres::store::keys;
use crate::store::append::{Append, Appended, NewEvent, NewKey};
use crate::store::error::{AppendError, Conflict, StoreError};
use crate::store::group_commit::{Answer, Request};
use crate::store::queue::{Chain, QueueError};
use crate::store::timer::TimerChange;

/// Why the server has refused a part of a request; the functions in `append.sql` write these.
const CONFLICT: i32 = 1;
const VOID: i32 = 2;
const KNOWN_KEY: i32 = 3;
const NOT_WAITING: i32 = 4;

/// The functions that append, as statements.
pub(super) struct AppendSql {
    group: String,
    one: String,
}

impl AppendSql {
    /// Statements within a transaction.
    pub(super) fn new(schema: &str) -> Self {
        Self::with_columns(schema, "")
    }

    /// Statements that are transactions of their own.
    pub(super) fn that_commits(schema: &str) -> Self {
        Self::with_columns(schema, &format!(", {}", gate("$2::text")))
    }

    fn with_columns(schema: &str, more: &str) -> Self {
        let values =
            |count: usize| (1..=count).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ");
        Self {
            group: format!("SELECT *{more} FROM {schema}.append({})", values(44)),
            one: format!("SELECT {schema}.append_one({}){more}", values(14)),
        }
    }
}

/// The arguments for a group of requests.
pub(super) enum Call<'a> {
    One(Box<One<'a>>),
    Group(Box<Columns<'a>>),
}

impl<'a> Call<'a> {
    pub(super) fn of(requests: &[Request<'a>], store: Uuid, token: i64) -> Self {
        match One::of(requests, store, token) {
            Some(one) => Self::One(Box::new(one)),
            None => Self::Group(Box::new(Columns::of(requests, store, token))),
        }
    }

    pub(super) fn sql<'s>(&self, sql: &'s AppendSql) -> &'s str {
        match self {
            Self::One(_) => &sql.one,
            Self::Group(_) => &sql.group,
        }
    }

    pub(super) fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        match self {
            Self::One(one) => one.values(),
            Self::Group(columns) => columns.values(),
        }
    }
}

/// One event for one stream.
pub(super) struct One<'a> {
    store: Uuid,
    token: String,
    category: Cow<'a, str>,
    key: Cow<'a, str>,
    expected: i64,
    last: Option<Uuid>,
    event: NewEvent<'a>,
    event_version: i32,
    recorded_at: i64,
    custom: Option<&'a str>,
}

impl<'a> One<'a> {
    fn of(requests: &[Request<'a>], store: Uuid, token: i64) -> Option<Self> {
        let [request] = requests else { return None };
        let [Append { stream, events: [event], keys: [], expected, timers: [] }] = request.appends else {
            return None;
        };
        Some(Self {
            store,
            token: token.to_string(),
            category: escaped(stream.category()),
            key: escaped(stream.key()),
            expected: number(expected.exact()),
            last: request.last_event(),
            event: *event,
            event_version: event.event_version.cast_signed(),
            recorded_at: event.recorded_at.as_micros(),
            custom: event.metadata.custom_json(),
        })
    }

    fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        let metadata = self.event.metadata;
        vec![
            &self.store,
            &self.token,
            &self.category,
            &self.key,
            &self.expected,
            &self.last,
            &self.event.name,
            &self.event_version,
            &self.event.id,
            &self.recorded_at,
            &metadata.correlation,
            &metadata.causation,
            &self.custom,
            &self.event.payload,
        ]
    }
}

/// The arguments of `append`, in its order; see `append.sql`.
#[derive(Default)]
pub(super) struct Columns<'a> {
    store: Uuid,
    token: String,
    wave_parts: Vec<i32>,
    wave_events: Vec<i32>,
    parts: Parts<'a>,
    events: Events<'a>,
    keys: Keys<'a>,
    timers: Timers<'a>,
    chains: Chains,
}

#[derive(Default)]
struct Parts<'a> {
    category: Array<Cow<'a, str>>,
    key: Array<Cow<'a, str>>,
    expected: Array<i64>,
    last: Array<Option<Uuid>>,
    request: Array<i32>,
    rows: Array<i32>,
}

#[derive(Default)]
struct Events<'a> {
    part: Array<i32>,
    place: Array<i32>,
    name: Array<&'a str>,
    event_version: Array<i32>,
    id: Array<Uuid>,
    recorded_at: Array<i64>,
    correlation: Array<Option<Uuid>>,
    causation: Array<Option<Uuid>>,
    custom: Array<Option<&'a str>>,
    payload: Array<&'a str>,
}

#[derive(Default)]
struct Keys<'a> {
    part: Array<i32>,
    key: Array<Cow<'a, str>>,
    before: Array<i32>,
    after: Array<i32>,
    recorded_at: Array<i64>,
    command: Array<Option<Cow<'a, str>>>,
    shape: Array<Option<i64>>,
    content: Array<Option<i64>>,
    structs: Array<Option<Vec<u8>>>,
    waiting: Array<Option<i64>>,
    sent_at: Array<Option<i64>>,
}

#[derive(Default)]
struct Timers<'a> {
    part: Array<i32>,
    key: Array<Cow<'a, str>>,
    due: Array<Option<i64>>,
    id: Array<Option<Uuid>>,
    command: Array<Option<&'a str>>,
    version: Array<Option<i64>>,
    content: Array<Option<&'a str>>,
    cause: Array<Option<Uuid>>,
    correlation: Array<Option<Uuid>>,
}

#[derive(Default)]
struct Chains {
    request: Array<i32>,
    chain: Array<i32>,
    rests: Array<bool>,
    is_base: Array<bool>,
}

impl<'a> Columns<'a> {
    fn of(requests: &[Request<'a>], store: Uuid, token: i64) -> Self {
        let mut columns = Self { store, token: token.to_string(), ..Self::default() };
        let mut wave = Wave::default();
        wave.streams.reserve(requests.len());
        for (number, request) in (1..).zip(requests) {
            if !wave.takes(request) {
                columns.end_wave();
                wave.clear();
                wave.takes(request);
            }
            for append in request.appends {
                columns.add_part(number, request, append);
            }
        }
        columns.end_wave();
        columns.add_chains(requests);
        columns
    }

    fn end_wave(&mut self) {
        self.wave_parts.push(length(&self.parts.request));
        self.wave_events.push(length(&self.events.part));
    }

    fn add_part(&mut self, number: i32, request: &Request<'a>, append: &Append<'a>) {
        let parts = &mut self.parts;
        parts.category.push(escaped(append.stream.category()));
        parts.key.push(escaped(append.stream.key()));
        parts.expected.push(self::number(append.expected.exact()));
        parts.last.push_optional(request.last_event());
        parts.request.push(number);
        parts.rows.push(length(append.events).saturating_add(length(append.keys)));
        let part = length(&parts.request);
        for (place, event) in (1..).zip(append.events) {
            self.events.add(part, place, event);
        }
        for key in append.keys {
            self.keys.add(part, key);
        }
        for change in append.timers {
            self.timers.add(part, change);
        }
    }

    /// Adds the chains that several of the requests have. What a chain rests on outside of the group is known already.
    fn add_chains(&mut self, requests: &[Request<'a>]) {
        if let [_] | [] = requests {
            return;
        }
        let mut counts = HashMap::new();
        for chain in requests.iter().flat_map(|request| request.chains) {
            *counts.entry(chain.epoch()).or_insert(0_u32) += 1;
        }
        let numbers: HashMap<_, i32> = counts
            .iter()
            .filter(|(_, count)| **count > 1)
            .zip(1..)
            .map(|((epoch, _), number)| (*epoch, number))
            .collect();
        for (request, chains) in (1..).zip(requests.iter().map(|request| request.chains)) {
            for chain in chains {
                if let Some(number) = numbers.get(&chain.epoch()) {
                    self.chains.request.push(request);
                    self.chains.chain.push(*number);
                    self.chains.rests.push(chain.rests());
                    self.chains.is_base.push(chain.is_base());
                }
            }
        }
    }

    fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        let Self { store, token, wave_parts, wave_events, parts: p, events: e, keys: k, timers, chains: h } =
            self;
        vec![
            store,
            token,
            wave_parts,
            wave_events,
            &p.category,
            &p.key,
            &p.expected,
            &p.last,
            &p.request,
            &p.rows,
            &e.part,
            &e.place,
            &e.name,
            &e.event_version,
            &e.id,
            &e.recorded_at,
            &e.correlation,
            &e.causation,
            &e.custom,
            &e.payload,
            &k.part,
            &k.key,
            &k.before,
            &k.after,
            &k.recorded_at,
            &k.command,
            &k.shape,
            &k.content,
            &k.structs,
            &k.waiting,
            &k.sent_at,
            &timers.part,
            &timers.key,
            &timers.due,
            &timers.id,
            &timers.command,
            &timers.version,
            &timers.content,
            &timers.cause,
            &timers.correlation,
            &h.request,
            &h.chain,
            &h.rests,
            &h.is_base,
        ]
    }
}

impl<'a> Events<'a> {
    fn add(&mut self, part: i32, place: i32, event: &NewEvent<'a>) {
        self.part.push(part);
        self.place.push(place);
        self.name.push(event.name);
        self.event_version.push(event.event_version.cast_signed());
        self.id.push(event.id);
        self.recorded_at.push(event.recorded_at.as_micros());
        self.correlation.push_optional(event.metadata.correlation);
        self.causation.push_optional(event.metadata.causation);
        self.custom.push_optional(event.metadata.custom_json());
        self.payload.push(event.payload);
    }
}

impl<'a> Keys<'a> {
    fn add(&mut self, part: i32, key: &'a NewKey<'a>) {
        let count = |index: usize| i32::try_from(index).unwrap_or(i32::MAX);
        let command = key.command.as_ref();
        self.part.push(part);
        self.key.push(escaped(key.key));
        self.before.push(count(key.events.start));
        self.after.push(count(key.events.end));
        self.recorded_at.push(key.recorded_at.as_micros());
        self.command.push_optional(command.map(|command| escaped(&command.name)));
        self.shape.push_optional(command.map(|command| command.shape.cast_signed()));
        self.content.push_optional(command.map(|command| command.content.cast_signed()));
        self.structs.push_optional(command.map(CommandMark::stored_structs));
        self.waiting.push_optional(key.waiting.map(|waiting| waiting.id));
        self.sent_at.push_optional(key.waiting.map(|waiting| waiting.sent_at.as_micros()));
    }
}

impl<'a> Timers<'a> {
    fn add(&mut self, part: i32, change: &'a TimerChange) {
        let (key, set) = match change {
            TimerChange::Set(timer) => (&timer.key, Some(timer)),
            TimerChange::Cancel(key) => (key, None),
        };
        self.part.push(part);
        self.key.push(escaped(key));
        self.due.push_optional(set.map(|timer| timer.due.as_micros()));
        self.id.push_optional(set.map(|timer| timer.id));
        self.command.push_optional(set.map(|timer| timer.command));
        self.version.push_optional(set.map(|timer| i64::from(timer.version)));
        self.content.push_optional(set.map(|timer| &*timer.content));
        self.cause.push_optional(set.map(|timer| timer.cause.id));
        self.correlation.push_optional(set.map(|timer| timer.cause.correlation));
    }
}

/// A run of requests in which no stream and no chain occurs twice: a request must find what one before it has stored, and
/// must not be stored if one that it rests on was not.
#[derive(Default)]
struct Wave<'a> {
    streams: HashSet<&'a StreamName>,
    chains: HashSet<(usize, u64)>,
}

impl<'a> Wave<'a> {
    fn clear(&mut self) {
        self.streams.clear();
        self.chains.clear();
    }

    /// Adds the request. Returns false, and ends the wave, if the request has to wait for one of it.
    fn takes(&mut self, request: &Request<'a>) -> bool {
        let mut chains = request.chains.iter().map(Chain::epoch);
        if chains.any(|chain| self.chains.contains(&chain)) {
            return false;
        }
        self.chains.extend(request.chains.iter().map(Chain::epoch));
        request.appends.iter().all(|append| self.streams.insert(append.stream))
    }
}

/// The answers to a group, and the position of its last event, if it has stored one.
pub(super) struct Stored {
    pub(super) answers: Vec<Answer>,
    pub(super) newest: Option<Position>,
    /// The store has all events up to here, also if nothing was stored.
    pub(super) known: u64,
}

impl Call<'_> {
    /// Reads the server's result. An error means that the requests may be stored, but not which of them.
    pub(super) fn read(&self, requests: &[Request<'_>], rows: &[Row]) -> Result<Stored, StoreError> {
        let unreadable = |error: Box<dyn StdError + Send + Sync>| StoreError::CommitUnknown(error);
        let [row] = rows else { return Err(unreadable("the server has not returned one row".into())) };
        let result = match self {
            Self::One(_) => Outcomes::of_one(row),
            Self::Group(_) => Outcomes::of_group(row),
        };
        let result = result.map_err(unreadable)?;
        result.answers(requests).ok_or_else(|| unreadable("the server has returned too few answers".into()))
    }
}

/// The server's result, by part.
struct Outcomes {
    base: u64,
    versions: Vec<i64>,
    problems: Vec<i32>,
    known: Vec<(i32, keys::KnownKey)>,
}

impl Outcomes {
    fn of_one(row: &Row) -> Result<Self, Box<dyn StdError + Send + Sync>> {
        let result: Vec<i64> = row.try_get(0)?;
        let [base, version, problem] = *result else {
            return Err("the server has not returned three numbers".into());
        };
        let (versions, problems) = (vec![version], vec![i32::try_from(problem)?]);
        Ok(Self { base: base.unsigned_abs(), versions, problems, known: Vec::new() })
    }

    fn of_group(row: &Row) -> Result<Self, Box<dyn StdError + Send + Sync>> {
        let known = match row.try_get::<_, Option<Vec<i32>>>(3)? {
            Some(parts) => parts.into_iter().zip(keys::KnownKey::of_arrays(row, 4)?).collect(),
            None => Vec::new(),
        };
        let base = row.try_get::<_, i64>(0)?.unsigned_abs();
        Ok(Self { base, versions: row.try_get(1)?, problems: row.try_get(2)?, known })
    }

    fn answers(mut self, requests: &[Request<'_>]) -> Option<Stored> {
        let mut answers = Vec::with_capacity(requests.len());
        let (mut newest, mut part) = (self.base, 0);
        for request in requests {
            let parts = part..part + request.appends.len();
            part = parts.end;
            let (versions, problems) = (self.versions.get(parts.clone())?, self.problems.get(parts.clone())?);
            let refused = problems.iter().position(|problem| *problem != 0);
            answers.push(match refused {
                Some(index) => {
                    let (append, version) = (request.appends.get(index)?, *versions.get(index)?);
                    let place = parts.start + index;
                    Err(Self::refusal(&mut self.known, append, *problems.get(index)?, version, place)?)
                }
                None => {
                    let count = |append: &Append<'_>| append.events.len() as u64;
                    let first = newest + 1;
                    newest += request.appends.iter().map(count).sum::<u64>();
                    let after =
                        |(append, version): (&Append<'_>, &i64)| version.unsigned_abs() + count(append);
                    let versions = request.appends.iter().zip(versions).map(after).collect();
                    Ok(Appended::new((newest >= first).then(|| Position::new(first)), versions))
                }
            });
        }
        let known = newest;
        let newest = (newest > self.base).then(|| Position::new(newest));
        Some(Stored { answers, newest, known })
    }

    fn refusal(
        known: &mut Vec<(i32, keys::KnownKey)>,
        append: &Append<'_>,
        problem: i32,
        version: i64,
        part: usize,
    ) -> Option<QueueError> {
        let stream = append.stream;
        Some(match problem {
            CONFLICT => {
                AppendError::from(Conflict::new(stream.clone(), append.expected, version.unsigned_abs()))
                    .into()
            }
            VOID => QueueError::Void,
            KNOWN_KEY => {
                let index =
                    known.iter().position(|(of, _)| usize::try_from(*of).is_ok_and(|of| of == part + 1))?;
                let (_, found) = known.swap_remove(index);
                let key = append.keys.iter().find(|key| escaped(key.key) == found.key)?.key.to_owned();
                match found.outcome(stream, &key) {
                    Ok(outcome) => {
                        AppendError::KnownKey { stream: stream.clone(), key, outcome: outcome.into() }.into()
                    }
                    Err(damaged) => AppendError::store(stream, damaged).into(),
                }
            }
            NOT_WAITING => AppendError::NotWaiting { stream: stream.clone() }.into(),
            _ => return None,
        })
    }
}

/// An expected version for the server; -1 for any.
pub(super) fn number(expected: Option<u64>) -> i64 {
    expected.map_or(-1, |version| i64::try_from(version).unwrap_or(i64::MAX))
}

fn length<T>(list: &[T]) -> i32 {
    i32::try_from(list.len()).unwrap_or(i32::MAX)
}
