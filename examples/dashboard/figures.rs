//! The figures of the page, read from the views.

use factum::sqlite::QueryError;
use factum::sqlite::SqliteStore;
use factum::sqlite::rusqlite::{Connection, Result, Row};

use super::bars::bars;
use super::columns::columns;
use super::lines::{Sums, lines};

/// A chart, and its numbers as a table.
#[derive(Debug)]
pub struct Figure {
    pub title: &'static str,
    pub text: String,
    pub svg: String,
    pub head: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
}

/// All figures, of one state of the store.
pub fn all(store: &SqliteStore) -> std::result::Result<Vec<Figure>, QueryError> {
    store.query(|views| {
        Ok(vec![outcomes(views)?, by_year(views)?, money(views)?, delays(views)?, steps(views)?])
    })
}

fn rows<T>(views: &Connection, sql: &str, read: impl FnMut(&Row<'_>) -> Result<T>) -> Result<Vec<T>> {
    views.prepare(sql)?.query_map((), read)?.collect()
}

fn counted(title: &'static str, text: String, head: [&'static str; 2], counts: &[(String, u64)]) -> Figure {
    Figure {
        title,
        text,
        svg: bars(title, counts),
        head: head.to_vec(),
        rows: counts.iter().map(|(name, count)| vec![name.clone(), count.to_string()]).collect(),
    }
}

fn outcomes(views: &Connection) -> Result<Figure> {
    let counts = rows(
        views,
        "SELECT outcome, count(*) FROM outcomes GROUP BY outcome ORDER BY count(*) DESC, outcome",
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let all: u64 = counts.iter().map(|(_, count)| count).sum();
    let text = format!("{all} fines, by their present outcome.");
    Ok(counted("How fines end", text, ["outcome", "fines"], &counts))
}

fn by_year(views: &Connection) -> Result<Figure> {
    const TITLE: &str = "Fines and payments by year";
    let groups: Vec<(String, [u64; 2])> = rows(
        views,
        "WITH RECURSIVE years (year, last) AS (
             SELECT min(year), max(year) FROM steps WHERE step IN ('created', 'payment')
             UNION ALL SELECT year + 1, last FROM years WHERE year < last
         )
         SELECT year,
                coalesce((SELECT count FROM steps WHERE step = 'created' AND steps.year = years.year), 0),
                coalesce((SELECT count FROM steps WHERE step = 'payment' AND steps.year = years.year), 0)
         FROM years WHERE year IS NOT NULL ORDER BY year",
        |row| Ok((row.get::<_, i64>(0)?.to_string(), [row.get(1)?, row.get(2)?])),
    )?;
    let row = |(year, [created, paid]): &(String, [u64; 2])| {
        vec![year.clone(), created.to_string(), paid.to_string()]
    };
    Ok(Figure {
        title: TITLE,
        text: "How many fines were written in each year, and how many payments came in.".into(),
        svg: columns(TITLE, ["fines written", "payments"], &groups),
        head: vec!["year", "fines written", "payments"],
        rows: groups.iter().map(row).collect(),
    })
}

fn money(views: &Connection) -> Result<Figure> {
    const TITLE: &str = "Asked for and paid, in euros";
    let days: Vec<(String, Sums)> = rows(
        views,
        "SELECT day, julianday(day), sum(asked) OVER (ORDER BY day) / 100.0, sum(paid) OVER (ORDER BY day) / 100.0
         FROM money ORDER BY day",
        |row| Ok((row.get(0)?, Sums { day: row.get(1)?, sums: [row.get(2)?, row.get(3)?] })),
    )?;
    let years = rows(
        views,
        "SELECT DISTINCT julianday(substr(day, 1, 4) || '-01-01'), substr(day, 1, 4) FROM money ORDER BY 1",
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let sums: Vec<Sums> = days.iter().map(|(_, sums)| *sums).collect();
    let [asked, paid] = sums.last().map_or([0.0; 2], |last| last.sums);
    Ok(Figure {
        title: TITLE,
        text: format!(
            "The total asked for by each day, with postage and penalties, and the total paid: {asked:.2} and {paid:.2} \
             in the end."
        ),
        svg: lines(TITLE, ["asked for", "paid"], &sums, &years),
        head: vec!["by", "asked for", "paid"],
        rows: days
            .iter()
            .map(|(day, Sums { sums: [asked, paid], .. })| {
                vec![day.clone(), format!("{asked:.2}"), format!("{paid:.2}")]
            })
            .collect(),
    })
}

fn delays(views: &Connection) -> Result<Figure> {
    let counts = rows(
        views,
        "WITH spans (number, name, first, last) AS (VALUES
             (1, 'within 5 days', 0, 5), (2, '6 to 30 days', 6, 30), (3, '31 to 60 days', 31, 60),
             (4, '61 to 120 days', 61, 120), (5, '121 to 365 days', 121, 365), (6, 'after a year', 366, 1000000)
         )
         SELECT name, (SELECT count(*) FROM delays WHERE days BETWEEN first AND last) FROM spans
         UNION ALL SELECT 'not at all', count(*) FROM delays WHERE days IS NULL",
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let text = "How long after a fine was written its first payment came.".to_owned();
    Ok(counted("Until the first payment", text, ["first payment", "fines"], &counts))
}

fn steps(views: &Connection) -> Result<Figure> {
    let counts = rows(
        views,
        "WITH names (number, name) AS (VALUES
             (1, 'created'), (2, 'sent'), (3, 'notified'), (4, 'penalty added'), (5, 'appeal'), (6, 'credit collection')
         )
         SELECT name, (SELECT coalesce(sum(count), 0) FROM steps WHERE step = name) FROM names ORDER BY number",
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let text = "How many fines have reached each step, from the roadside to the collector.".to_owned();
    Ok(counted("How far fines go", text, ["step", "fines"], &counts))
}
