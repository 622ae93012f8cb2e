//! Names: how they are made, what they may contain, which was meant.

/// `MoneyDeposited` as `money-deposited`; runs of capitals and digits stay together: `HTTPCall2` is `http-call2`.
pub(crate) fn kebab(name: &str) -> String {
    let chars: Vec<char> = name.trim_start_matches("r#").chars().collect();
    let mut kebab = String::new();
    for (index, &char) in chars.iter().enumerate() {
        if char == '_' {
            kebab.push('-');
            continue;
        }
        if char.is_uppercase() && index > 0 {
            let after_lower = chars[index - 1].is_lowercase() || chars[index - 1].is_numeric();
            let before_lower = chars.get(index + 1).is_some_and(|next| next.is_lowercase());
            if after_lower || (before_lower && chars[index - 1].is_uppercase()) {
                kebab.push('-');
            }
        }
        kebab.extend(char.to_lowercase());
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

/// The one of `known` that was probably meant by `written`.
pub(crate) fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    if let Some(exactly) = known.iter().find(|known| **known == written) {
        return Some(exactly);
    }
    let (distance, best) = known.iter().map(|&known| (distance(written, known), known)).min()?;
    (distance <= written.len().max(best.len()) / 3 + 1 && distance < best.len()).then_some(best)
}

/// How many letters must be changed, added or left out (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, left) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (column, &right) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
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
    fn what_was_meant() {
        assert_eq!(nearest("command", &["commands", "events", "id"]), Some("commands"));
        assert_eq!(nearest("evnets", &["commands", "events", "id"]), Some("events"));
        assert_eq!(nearest("snapshot", &["id", "name"]), None);
    }

    #[test]
    fn illegal_names() {
        for name in ["", "two words", "tab\t", "a/b", "\u{1}"] {
            assert!(illegal(name).is_some(), "{name:?}");
        }
        assert_eq!(illegal("größe-geändert.v2"), None);
    }
}
