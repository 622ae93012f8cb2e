//! How `serde_json` reads numbers: a dependency can change it for the whole program.

/// Whether `serde_json` is built with `arbitrary_precision`.
pub(crate) fn keeps_text_of_numbers() -> bool {
    let number = serde_json::from_str::<serde_json::Value>("1.00").map(|number| number.to_string());
    number.is_ok_and(|number| number == "1.00")
}
