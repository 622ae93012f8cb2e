//! The log: a CSV file with one entry a line, each of which becomes a command.
//!
//! The reader uses only the columns that this example needs. It ignores officer, article, points, vehicle and
//! the way in which the letter was sent.

use std::io::{self, BufRead};

use csv::{ReaderBuilder, StringRecord, Trim};
use factum::{InvalidTimestamp, Timestamp};
use thiserror::Error;

use super::fine::{
    AddPenalty, AnswerAppeal, AppealToJudge, CreateFine, FineCommand, ForwardAppeal, LodgeAppeal,
    NotifyAppealAnswer, NotifyFine, ReceivePayment, SendFine, SendForCollection,
};
use super::values::{Cents, Day, FineId, NotAnAmount};

const CASE: &str = "case:concept:name";
const ACTIVITY: &str = "concept:name";
const TIME: &str = "time:timestamp";
const AMOUNT: &str = "amount";
const DISMISSAL: &str = "dismissal";
const EXPENSE: &str = "expense";
const PAYMENT: &str = "paymentAmount";
const TOTAL_PAYMENT: &str = "totalPaymentAmount";

/// A log, read row by row.
pub struct Log<R> {
    lines: Lines<R>,
    header: StringRecord,
}

/// A row that is not blank, and its line.
pub struct Row {
    /// Counted from 1, which is the header.
    pub line: u64,
    pub entry: Result<Entry, Malformed>,
}

/// What a row says.
#[derive(Debug)]
pub struct Entry {
    pub at: Timestamp,
    pub command: FineCommand,
}

/// Why a file is not a log.
#[derive(Debug, Error)]
pub enum LogError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it is empty")]
    Empty,
    #[error("its first line is not text")]
    HeaderNotText,
    #[error("it has no column `{0}`")]
    NoColumn(&'static str),
    #[error("it has more than one column `{0}`")]
    ColumnTwice(&'static str),
}

/// Why a row is not an entry.
#[derive(Debug, Error)]
pub enum Malformed {
    #[error("it is not UTF-8 text")]
    NotText,
    #[error("it has {found} columns, the header has {expected}")]
    Columns { found: usize, expected: usize },
    #[error("`{0}` is empty")]
    Missing(&'static str),
    #[error("unknown activity `{0}`")]
    UnknownActivity(String),
    #[error("{column}: {source}")]
    Amount { column: &'static str, source: NotAnAmount },
    #[error("{TIME}: {0}")]
    Time(#[from] InvalidTimestamp),
}

impl<R: BufRead> Log<R> {
    /// Opens a log, and reads its header.
    pub fn open(input: R) -> Result<Self, LogError> {
        let mut lines = Lines { input, number: 0, bytes: Vec::new() };
        let Some(line) = lines.next_line()? else { return Err(LogError::Empty) };
        let header = record(line).ok_or(LogError::HeaderNotText)?;
        for column in [CASE, ACTIVITY, TIME, AMOUNT, DISMISSAL, EXPENSE, PAYMENT, TOTAL_PAYMENT] {
            match header.iter().filter(|name| *name == column).count() {
                0 => return Err(LogError::NoColumn(column)),
                1 => {}
                _ => return Err(LogError::ColumnTwice(column)),
            }
        }
        Ok(Self { lines, header })
    }

    /// The next row; `None` at the end of the file.
    pub fn next_row(&mut self) -> io::Result<Option<Row>> {
        let Self { lines, header } = self;
        let Some(line) = lines.next_line()? else { return Ok(None) };
        let entry = match record(line) {
            Some(cells) => Cells { header, cells }.entry(),
            None => Err(Malformed::NotText),
        };
        Ok(Some(Row { line: self.lines.number, entry }))
    }
}

/// Lines that are not blank, numbered as an editor numbers them.
///
/// They are split here and not by the CSV reader. No cell of this log has a line break, so a stray quote
/// should spoil its own line only. The CSV reader also miscounts the lines of some files.
struct Lines<R> {
    input: R,
    number: u64,
    bytes: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    fn next_line(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            self.bytes.clear();
            if self.input.read_until(b'\n', &mut self.bytes)? == 0 {
                return Ok(None);
            }
            self.number += 1;
            if !self.bytes.trim_ascii().is_empty() {
                return Ok(Some(self.bytes.trim_ascii_end()));
            }
        }
    }
}

/// The cells of one line; `None` if they are not text. Drops the byte order mark with which Excel begins a
/// file.
fn record(line: &[u8]) -> Option<StringRecord> {
    let mut cells = StringRecord::new();
    let mut reader = ReaderBuilder::new().has_headers(false).trim(Trim::All).from_reader(line);
    reader.read_record(&mut cells).ok().map(|_| cells)
}

/// The cells of a row, found by the names in the header.
struct Cells<'a> {
    header: &'a StringRecord,
    cells: StringRecord,
}

impl Cells<'_> {
    fn entry(&self) -> Result<Entry, Malformed> {
        if self.cells.len() != self.header.len() {
            return Err(Malformed::Columns { found: self.cells.len(), expected: self.header.len() });
        }
        let fine = FineId(self.text(CASE)?.to_owned());
        let activity = self.text(ACTIVITY)?;
        let time = self.text(TIME)?;
        let at = time.parse()?;
        // The day as the log writes it, in Italian time. A time that was parsed has at least ten characters.
        let on = Day(time.chars().take(10).collect());
        let command = match activity {
            "Create Fine" => {
                CreateFine { fine, on, amount: self.amount(AMOUNT)?, dismissed_by: self.dismissal() }.into()
            }
            "Send Fine" => SendFine { fine, on, postage: self.amount(EXPENSE)? }.into(),
            "Insert Fine Notification" => NotifyFine { fine, on }.into(),
            "Add penalty" => AddPenalty { fine, on, new_amount: self.amount(AMOUNT)? }.into(),
            "Payment" => {
                let (amount, total) = (self.amount(PAYMENT)?, self.amount(TOTAL_PAYMENT)?);
                ReceivePayment { fine, on, amount, total }.into()
            }
            "Insert Date Appeal to Prefecture" => LodgeAppeal { fine, on }.into(),
            "Send Appeal to Prefecture" => ForwardAppeal { fine, on, dismissed_by: self.dismissal() }.into(),
            "Receive Result Appeal from Prefecture" => AnswerAppeal { fine, on }.into(),
            "Notify Result Appeal to Offender" => NotifyAppealAnswer { fine, on }.into(),
            "Appeal to Judge" => AppealToJudge { fine, on, dismissed_by: self.dismissal() }.into(),
            "Send for Credit Collection" => SendForCollection { fine, on }.into(),
            unknown => return Err(Malformed::UnknownActivity(unknown.to_owned())),
        };
        Ok(Entry { at, command })
    }

    fn cell(&self, column: &'static str) -> &str {
        let place = self.header.iter().position(|name| name == column);
        place.and_then(|place| self.cells.get(place)).unwrap_or_default()
    }

    fn text(&self, column: &'static str) -> Result<&str, Malformed> {
        Some(self.cell(column)).filter(|text| !text.is_empty()).ok_or(Malformed::Missing(column))
    }

    fn amount(&self, column: &'static str) -> Result<Cents, Malformed> {
        self.text(column)?.parse().map_err(|source| Malformed::Amount { column, source })
    }

    /// The log writes `NIL` for a fine that was not dismissed.
    fn dismissal(&self) -> Option<String> {
        Some(self.cell(DISMISSAL)).filter(|code| !matches!(*code, "" | "NIL")).map(str::to_owned)
    }
}
