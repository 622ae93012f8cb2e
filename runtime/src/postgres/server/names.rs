//! Names and keys as PostgreSQL can keep them.

use std::borrow::Cow;

/// Begins a sequence of two characters that stands for one.
const ESCAPE: char = '\u{1}';

/// The text, without the NUL that PostgreSQL can't store. [`unescaped`] undoes it.
///
/// Most texts stay as they are. Different texts stay different.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        match char {
            '\0' => escaped.extend([ESCAPE, '0']),
            ESCAPE => escaped.extend([ESCAPE, '1']),
            char => escaped.push(char),
        }
    }
    Cow::Owned(escaped)
}

/// The text that was escaped; `None` if [`escaped`] does not write such a text.
pub(crate) fn unescaped(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(ESCAPE) {
        return Some(Cow::Borrowed(text));
    }
    let mut unescaped = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        unescaped.push(match char {
            ESCAPE => match chars.next() {
                Some('0') => '\0',
                Some('1') => ESCAPE,
                _ => return None,
            },
            char => char,
        });
    }
    Some(Cow::Owned(unescaped))
}

/// The name of a schema in SQL; `None` if no store can be in it.
pub(crate) fn quoted_schema(name: &str) -> Option<String> {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let (first, rest) = name.as_bytes().split_first()?;
    let is_name = is_letter(*first) && rest.iter().all(|byte| is_letter(*byte) || byte.is_ascii_digit());
    // PostgreSQL would cut a longer name off.
    (is_name && name.len() <= 63).then(|| format!("\"{name}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_and_stay_apart() {
        let texts = ["", "a", "a\0", "\0", "\u{1}", "\u{1}0", "\u{1}1", "\u{1}\0", "0", "1", "日\0本"];
        let all: std::collections::HashSet<_> = texts.iter().map(|text| escaped(text)).collect();
        assert_eq!(all.len(), texts.len());
        for text in texts {
            let kept = escaped(text);
            assert!(!kept.contains('\0'), "{kept:?}");
            assert_eq!(unescaped(&kept).as_deref(), Some(text));
        }
        assert_eq!(unescaped("\u{1}"), None);
        assert_eq!(unescaped("\u{1}x"), None);
    }

    #[test]
    fn only_plain_names_are_schemas() {
        assert_eq!(quoted_schema("Bank_2").as_deref(), Some("\"Bank_2\""));
        for name in ["", "2bank", "a b", "a\"b", "a'b", "ä", &"x".repeat(64)] {
            assert_eq!(quoted_schema(name), None, "{name}");
        }
    }
}
