//! The names of fields in JSON, as serde makes them.

use syn::LitStr;

use crate::syntax::SerdeOption;

/// The rule in `#[serde(rename_all = "..")]` on the struct, if it has one.
pub(super) struct RenameAll(Option<String>);

impl RenameAll {
    /// The rule among the struct's `serde` options.
    pub(super) fn of(options: &[SerdeOption]) -> Self {
        Self(options.iter().find(|option| option.name == "rename_all").and_then(SerdeOption::text))
    }

    /// The rule in `#[serde(rename_all_fields = "..")]` on an enum, for the fields of its variants.
    pub(super) fn of_fields(options: &[SerdeOption]) -> Self {
        Self(options.iter().find(|option| option.name == "rename_all_fields").and_then(SerdeOption::text))
    }

    /// The name in JSON of a field that an attribute calls `name`. A name that can't be a field's is already the one in
    /// JSON.
    pub(super) fn stored(&self, name: &LitStr) -> String {
        let name = name.value();
        if is_of_field(&name) { self.apply(&name) } else { name }
    }

    /// The name in JSON of the field `name`. No rule changes a name that it has made.
    pub(super) fn apply(&self, name: &str) -> String {
        match self.0.as_deref() {
            Some("UPPERCASE" | "SCREAMING_SNAKE_CASE") => name.to_ascii_uppercase(),
            Some("PascalCase") => pascal(name),
            Some("camelCase") => {
                let mut camel = pascal(name);
                if let Some(first) = camel.get_mut(..1) {
                    first.make_ascii_lowercase();
                }
                camel
            }
            Some("kebab-case") => name.replace('_', "-"),
            Some("SCREAMING-KEBAB-CASE") => name.to_ascii_uppercase().replace('_', "-"),
            _ => name.to_owned(),
        }
    }

    /// The name in JSON of the variant `name`.
    pub(super) fn apply_to_variant(&self, name: &str) -> String {
        match self.0.as_deref() {
            Some("lowercase") => name.to_ascii_lowercase(),
            Some("UPPERCASE") => name.to_ascii_uppercase(),
            Some("camelCase") => {
                let mut camel = name.to_owned();
                if let Some(first) = camel.get_mut(..1) {
                    first.make_ascii_lowercase();
                }
                camel
            }
            Some("snake_case" | "SCREAMING_SNAKE_CASE" | "kebab-case" | "SCREAMING-KEBAB-CASE") => {
                self.apply(&snake(name))
            }
            _ => name.to_owned(),
        }
    }
}

/// The name of a variant as a field has one: `InTransit`, `in_transit`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for char in name.chars() {
        if char.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(char.to_ascii_lowercase());
    }
    snake
}

/// Whether a field can have the name. A keyword can be one, as `r#type`.
fn is_of_field(name: &str) -> bool {
    let is_word = |char: char| char.is_alphanumeric() || char == '_';
    let is_never = ["self", "Self", "super", "crate", "_"].contains(&name);
    !is_never && name.chars().all(is_word) && !name.starts_with(char::is_numeric) && !name.is_empty()
}

fn pascal(name: &str) -> String {
    let mut pascal = String::new();
    for word in name.split('_') {
        let mut chars = word.chars();
        pascal.extend(chars.next().map(|first| first.to_ascii_uppercase()));
        pascal.push_str(chars.as_str());
    }
    pascal
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;

    use super::*;

    const CASES: [(&str, &str); 8] = [
        ("camelCase", "paidAmountÄ"),
        ("PascalCase", "PaidAmountÄ"),
        ("kebab-case", "paid-amountÄ"),
        ("SCREAMING_SNAKE_CASE", "PAID_AMOUNTÄ"),
        ("SCREAMING-KEBAB-CASE", "PAID-AMOUNTÄ"),
        ("lowercase", "paid_amountÄ"),
        ("UPPERCASE", "PAID_AMOUNTÄ"),
        ("snake_case", "paid_amountÄ"),
    ];

    #[test]
    fn names_are_those_that_serde_gives() {
        for (case, name) in CASES {
            assert_eq!(RenameAll(Some(case.to_owned())).apply("paid_amountÄ"), name);
        }
        assert_eq!(RenameAll(None).apply("paid_amount"), "paid_amount");
    }

    #[test]
    fn variants_have_the_names_that_serde_gives() {
        for (case, name) in [
            ("lowercase", "intransitÄ"),
            ("UPPERCASE", "INTRANSITÄ"),
            ("PascalCase", "InTransitÄ"),
            ("camelCase", "inTransitÄ"),
            ("snake_case", "in_transit_Ä"),
            ("SCREAMING_SNAKE_CASE", "IN_TRANSIT_Ä"),
            ("kebab-case", "in-transit-Ä"),
            ("SCREAMING-KEBAB-CASE", "IN-TRANSIT-Ä"),
        ] {
            assert_eq!(RenameAll(Some(case.to_owned())).apply_to_variant("InTransitÄ"), name);
        }
        assert_eq!(RenameAll(None).apply_to_variant("InTransit"), "InTransit");
    }

    #[test]
    fn a_name_as_it_is_in_json_stays() {
        for (case, name) in CASES {
            let rule = RenameAll(Some(case.to_owned()));
            for name in [name, "not-a.field"] {
                assert_eq!(rule.stored(&LitStr::new(name, Span::call_site())), name, "{case}");
            }
        }
    }
}
