//! The words of a statement, to tell what it is.

/// A part of a statement that is no comment and no literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part<'s> {
    Word(&'s str),
    /// A name in double quotes.
    Quoted(&'s str),
    Symbol(char),
}

impl Part<'_> {
    /// Whether this is the name, as PostgreSQL reads names.
    pub(crate) fn is_name(&self, name: &str) -> bool {
        match self {
            Self::Word(word) => word.eq_ignore_ascii_case(name),
            Self::Quoted(quoted) => quoted.replace("\"\"", "\"") == name,
            Self::Symbol(_) => false,
        }
    }
}

/// The parts of a statement, in order. What is not closed ends with the text: the database reports it.
pub(crate) fn parts(sql: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = sql;
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_start();
            let first = rest.chars().next()?;
            if let Some(comment) = rest.strip_prefix("--") {
                rest = after(comment, "\n");
            } else if let Some(comment) = rest.strip_prefix("/*") {
                rest = after_comment(comment);
            } else if let Some(literal) = rest.strip_prefix('\'') {
                rest = after(literal, "'");
            } else if let Some(literal) = rest.strip_prefix(['e', 'E']).and_then(|it| it.strip_prefix('\'')) {
                rest = after_escapes(literal);
            } else if let Some(quoted) = rest.strip_prefix('"') {
                let name = until_quote(quoted);
                rest = quoted.get(name.len() + 1..).unwrap_or_default();
                return Some(Part::Quoted(name));
            } else if let Some(tag) = dollar_tag(rest) {
                rest = after(rest.get(tag.len()..).unwrap_or_default(), tag);
            } else if is_of_word(first) {
                let length = rest.find(|next| !is_of_word(next)).unwrap_or(rest.len());
                let (word, after) = rest.split_at(length);
                rest = after;
                return Some(Part::Word(word));
            } else {
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
                return Some(Part::Symbol(first));
            }
        }
    })
}

/// How many values a statement takes: the largest number among `$1`, `$2`, ..
pub(crate) fn parameters(sql: &str) -> usize {
    let number = |part| match part {
        Part::Word(word) => word.strip_prefix('$')?.parse().ok(),
        _ => None,
    };
    parts(sql).filter_map(number).max().unwrap_or(0)
}

fn is_of_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '$'
}

/// What comes after the first `end`.
fn after<'s>(text: &'s str, end: &str) -> &'s str {
    text.split_once(end).map_or("", |(_, after)| after)
}

/// What comes after a comment, which may have others inside.
fn after_comment(mut text: &str) -> &str {
    let mut depth = 1;
    while depth > 0 {
        let Some(index) = text.find(['/', '*']) else { return "" };
        text = text.get(index..).unwrap_or_default();
        let skipped = match text.get(..2) {
            Some("/*") => {
                depth += 1;
                2
            }
            Some("*/") => {
                depth -= 1;
                2
            }
            _ => 1,
        };
        text = text.get(skipped..).unwrap_or_default();
    }
    text
}

/// What comes after a literal with escapes by backslashes.
fn after_escapes(text: &str) -> &str {
    let mut is_escaped = false;
    let end = text.find(|next| {
        let ends = next == '\'' && !is_escaped;
        is_escaped = next == '\\' && !is_escaped;
        ends
    });
    end.and_then(|end| text.get(end + 1..)).unwrap_or_default()
}

/// A quoted name up to its end; a doubled quote is a part of it.
fn until_quote(text: &str) -> &str {
    let mut from = 0;
    while let Some(index) = text.get(from..).and_then(|rest| rest.find('"')) {
        let end = from + index;
        if !text.get(end + 1..).is_some_and(|rest| rest.starts_with('"')) {
            return text.get(..end).unwrap_or_default();
        }
        from = end + 2;
    }
    text
}

/// The tag that begins a literal, as `$$` or `$body$`.
fn dollar_tag(text: &str) -> Option<&str> {
    let tag = text.strip_prefix('$')?;
    let length = tag.find('$')?;
    let name = tag.get(..length)?;
    let is_tag = name.chars().all(|next| next.is_alphanumeric() || next == '_')
        && !name.starts_with(|first: char| first.is_ascii_digit());
    if is_tag { text.get(..length + 2) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(sql: &str) -> Vec<String> {
        parts(sql)
            .map(|part| match part {
                Part::Word(word) => word.to_owned(),
                Part::Quoted(name) => format!("\"{name}\""),
                Part::Symbol(symbol) => symbol.to_string(),
            })
            .collect()
    }

    #[test]
    fn literals_and_comments_are_no_parts() {
        for (sql, expected) in [
            ("SELECT 'a; COMMIT' FROM t", "SELECT FROM t"),
            ("SELECT 'it''s; x', 1", "SELECT , 1"),
            (r"SELECT E'it\'s; COMMIT', e'\\', b", "SELECT , , b"),
            ("-- COMMIT\nSELECT $1 /* a /* b */ ; */ + $2", "SELECT $1 + $2"),
            ("SELECT $$a; COMMIT$$, $tag$ $$ ; $tag$, $1", "SELECT , , $1"),
            (r#"SELECT "a;""b" . c"#, r#"SELECT "a;""b" . c"#),
            ("SELECT 'open; COMMIT", "SELECT"),
            ("/* open; COMMIT", ""),
            ("SELECT \"open", "SELECT \"open\""),
            ("SELECT ä, größe_1", "SELECT ä , größe_1"),
            ("SELECT names'a'", "SELECT names"),
        ] {
            assert_eq!(shown(sql).join(" "), expected, "{sql}");
        }
    }

    #[test]
    fn the_values_of_a_statement_are_counted() {
        assert_eq!(parameters("SELECT $2, a$9, '$5', $1::bigint + $1 -- $7"), 2);
        assert_eq!(parameters("SELECT 1"), 0);
    }

    #[test]
    fn a_name_is_one_in_any_case_unless_it_is_quoted() {
        let is_name = |sql: &str| parts(sql).next().is_some_and(|part| part.is_name("a\"b"));
        assert!(is_name(r#""a""b""#));
        assert!(!is_name(r#""A""b""#));
        assert!(parts("FACTUM.x").next().is_some_and(|part| part.is_name("factum")));
    }
}
