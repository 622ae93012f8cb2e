//! Names: how they are made, what they may contain, which one a misspelling means.

/// `MoneyDeposited` as `money-deposited`; runs of capitals and digits stay together: `HTTPCall2` is `http-call2`.
pub(crate) fn kebab(name: &str) -> String {
    let mut chars = name.trim_start_matches("r#").chars().peekable();
    let mut kebab = String::new();
    let mut before: Option<char> = None;
    while let Some(char) = chars.next() {
        if char == '_' {
            kebab.push('-');
        } else {
            if let Some(before) = before
                && char.is_uppercase()
            {
                let after_lower = before.is_lowercase() || before.is_numeric();
                let before_lower = chars.peek().is_some_and(|next| next.is_lowercase());
                if after_lower || (before_lower && before.is_uppercase()) {
                    kebab.push('-');
                }
            }
            kebab.extend(char.to_lowercase());
        }
        before = Some(char);
    }
    kebab
}

/// What is wrong with a name that goes into the store, if something is.
pub(crate) fn illegal(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("is empty")
    } else if name.chars().any(char::is_whitespace) {
        Some("has white space in it")
    } else if name.chars().any(char::is_control) {
        Some("has a control character in it")
    } else if name.contains('/') {
        Some("has a `/` in it, which ends the category in a stream's name")
    } else {
        None
    }
}

/// The one of `known` that `written` probably means.
pub(crate) fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    if let Some(exactly) = known.iter().find(|known| **known == written) {
        return Some(exactly);
    }
    let written = &written.to_lowercase();
    let (distance, best) = known.iter().map(|&known| (distance(written, known), known)).min()?;
    (distance <= written.len().max(best.len()) / 3 + 1 && distance < best.len()).then_some(best)
}

/// How many letters must be changed, added or left out (Levenshtein).
pub(crate) fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    // The distances of what is read of `left` so far to each beginning of `right`.
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (read, left) in left.chars().enumerate() {
        let mut diagonal = read;
        let mut beside = read + 1;
        let mut cells = row.iter_mut();
        if let Some(first) = cells.next() {
            *first = beside;
        }
        for (above, &right) in cells.zip(&right) {
            let replaced = diagonal + usize::from(left != right);
            diagonal = *above;
            beside = replaced.min(diagonal + 1).min(beside + 1);
            *above = beside;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kebab_case() {
        for (name, expected) in [
            ("Opened", "opened"),
            ("MoneyDeposited", "money-deposited"),
            ("HTTPCallMade", "http-call-made"),
            ("Version2Released", "version2-released"),
            ("snake_case", "snake-case"),
            ("r#Type", "type"),
            ("ÄrgerGemeldet", "ärger-gemeldet"),
        ] {
            assert_eq!(kebab(name), expected);
        }
    }

    #[test]
    fn misspelled_keys() {
        assert_eq!(nearest("command", &["commands", "events", "id"]), Some("commands"));
        assert_eq!(nearest("evnets", &["commands", "events", "id"]), Some("events"));
        assert_eq!(nearest("snapshot", &["id", "name"]), None);
        for (left, right, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("flaw", "lawn", 2),
            ("added", "added", 0),
        ] {
            assert_eq!(distance(left, right), expected, "{left} {right}");
        }
    }

    #[test]
    fn illegal_names() {
        for name in ["", "two words", "tab\t", "a/b", "\u{1}"] {
            assert!(illegal(name).is_some(), "{name:?}");
        }
        assert_eq!(illegal("größe-geändert.v2"), None);
    }
}
