//! Names that are nearly the same: one is probably a misspelling of the other.

/// The one of `known` that `written` probably means.
pub(crate) fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = letters(written);
    let near = known.into_iter().filter_map(|known| Some((differences(&written, &letters(known))?, known)));
    near.min().map(|(_, known)| known)
}

/// A name without case and separators.
fn letters(name: &str) -> Vec<char> {
    name.chars().filter(|char| char.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// How many letters two names differ in; `None` if they are not near. A few short names are near to each other by chance.
fn differences(left: &[char], right: &[char]) -> Option<usize> {
    let most = left.len().min(right.len()) / 4;
    // A name from outside may have any length: a comparison with each command would take long.
    if left.len().abs_diff(right.len()) > most {
        return None;
    }
    let differences = distance(left, right);
    (differences <= most).then_some(differences)
}

/// How many letters must be changed, added or left out (Levenshtein).
fn distance(left: &[char], right: &[char]) -> usize {
    // The distances of what is read of `left` so far to each beginning of `right`.
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (read, left) in left.iter().enumerate() {
        let (mut diagonal, mut beside) = (read, read + 1);
        let mut cells = row.iter_mut();
        if let Some(first) = cells.next() {
            *first = beside;
        }
        for (above, right) in cells.zip(right) {
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
    fn a_near_name_is_found_and_no_other() {
        let known = ["order", "bank-account", "car", "größe"];
        for (written, meant) in [
            ("orders", Some("order")),
            ("ordre", None),
            ("oder", Some("order")),
            ("offer", None),
            ("BankAccount", Some("bank-account")),
            ("bank_acount", Some("bank-account")),
            ("cat", None),
            ("Car", Some("car")),
            ("grösse", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, known), meant, "{written}");
        }
    }
}
