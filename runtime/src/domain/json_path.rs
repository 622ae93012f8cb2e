//! The place in a JSON text that an error of serde names by line and column, as a path of fields.

/// What encloses a place.
enum Around {
    /// An object, with the key that was read last. Its value may be still to come.
    Object { key: String, has_key: bool },
    /// An array, with the index of the element.
    Array(usize),
}

/// The path of the value that ends at this line and column, as `lines[2].sku`. Empty, if that is the whole text.
///
/// Reads the text a second time: a deserializer that keeps the path would be compiled for every command.
pub(crate) fn path_of(json: &str, line: usize, column: usize) -> String {
    let before: usize = json.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let mut bytes = json.bytes().take(before + column);
    let mut around = Vec::new();
    while let Some(byte) = bytes.next() {
        match (byte, around.last_mut()) {
            (b'{', _) => around.push(Around::Object { key: String::new(), has_key: false }),
            (b'[', _) => around.push(Around::Array(0)),
            (b'}' | b']', _) => drop(around.pop()),
            (b',', Some(Around::Array(index))) => *index += 1,
            (b',', Some(Around::Object { has_key, .. })) => *has_key = false,
            (b':', Some(Around::Object { has_key, .. })) => *has_key = true,
            (b'"', Some(Around::Object { key, has_key: false })) => *key = text(&mut bytes),
            (b'"', _) => drop(text(&mut bytes)),
            _ => {}
        }
    }
    let steps = around.into_iter().map(|around| match around {
        Around::Object { key, .. } if key.is_empty() => key,
        Around::Object { key, .. } => format!(".{key}"),
        Around::Array(index) => format!("[{index}]"),
    });
    steps.collect::<String>().trim_start_matches('.').to_owned()
}

/// A text, as it is written, up to its closing quote.
fn text(bytes: &mut impl Iterator<Item = u8>) -> String {
    let mut text = Vec::new();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => break,
            b'\\' => text.extend([Some(byte), bytes.next()].into_iter().flatten()),
            _ => text.push(byte),
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Order {
        id: String,
        lines: Vec<Line>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Line {
        sku: String,
        count: Option<u8>,
    }

    #[test]
    fn an_error_of_serde_has_a_path() {
        for (json, expected) in [
            (r#"{"id": 7, "lines": []}"#, "id"),
            (r#"{"id": "a", "lines": 7}"#, "lines"),
            (r#"{"id": "a", "lines": {"sku": 1}}"#, "lines"),
            (r#"{"id": "a,[{\"", "lines": [{"sku": "a"}, {"sku": 1}]}"#, "lines[1].sku"),
            (
                "{\"id\": \"ö\\\"\",\n\"lines\": [{\"sku\": \"ö\"},\n\n {\"sku\": \"b\", \"count\": 256}]}",
                "lines[1].count",
            ),
            (r#"{"id": "a", "lines": [{"sku": "a"}, {"count": 1}]}"#, "lines[1]"),
            (r#"{"id": "a", "lines": [{"sku": "a", "count": [}]}"#, "lines[0].count"),
            (r#"{"id": "a", "lines": [], "note": 1}"#, "note"),
            (r#"{"id": "a"}"#, ""),
            (r#"{"id": "a", "lines": []} 1"#, ""),
            (r#"{"id": "a"#, "id"),
            ("7", ""),
            ("", ""),
        ] {
            let error = serde_json::from_str::<Order>(json).unwrap_err();
            assert_eq!(path_of(json, error.line(), error.column()), expected, "{json}: {error}");
        }
    }
}
