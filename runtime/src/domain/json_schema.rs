//! The shapes of events as JSON Schema 2020-12.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::domain::event_schema::Shape;
use crate::domain::type_shape::{
    FLATTENED, FieldTypes, Form, OPAQUE, OPTIONAL, Tagging, TypeKind, TypeShape,
};

/// The types that are not Rust's own, by their text.
type Parts<'p> = &'p [(&'static str, Option<fn() -> TypeShape>)];

/// The schema of an event's payload.
pub(crate) fn of_event(shape: &Shape) -> Value {
    let structure = &shape.structure;
    let fields = shape.fields.iter().map(|field| {
        let is_it = |(version, name, _): &&(u32, &str, u8)| (*version, *name) == (shape.version, field.name);
        let flags = structure.notes.iter().find(is_it).map_or(0, |(_, _, flags)| *flags);
        // The lock marks a flattened field by dots, and its type stands there already.
        (field.name, field.ty, flags)
    });
    let fields: Vec<_> = fields.collect();
    let mut definitions = Definitions::default();
    let parts: Vec<_> = structure.parts.structures().collect();
    let mut schema = definitions.fields(structure.form, &fields, &parts);
    if let Value::Object(schema) = &mut schema {
        schema.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
        schema.insert("title".into(), format!("{} version {}", shape.event, shape.version).into());
        if !definitions.schemas.is_empty() {
            let schemas =
                definitions.schemas.into_iter().map(|(name, schema)| (name, schema.unwrap_or_default()));
            schema.insert("$defs".into(), schemas.collect::<Map<_, _>>().into());
        }
    }
    schema
}

/// The schemas of the types that an event leads to, so that a type may contain itself.
#[derive(Default)]
struct Definitions {
    /// The name of each type, by its path.
    names: BTreeMap<&'static str, String>,
    /// `None` while the schema is made.
    schemas: BTreeMap<String, Option<Value>>,
}

impl Definitions {
    /// A reference to the schema of a type with a structure.
    fn reference(&mut self, shape: &TypeShape) -> Value {
        if let Some(name) = self.names.get(shape.path) {
            return reference(name);
        }
        let name = self.new_name(shape.path);
        self.names.insert(shape.path, name.clone());
        self.schemas.insert(name.clone(), None);
        let schema = self.of_type(shape);
        self.schemas.insert(name.clone(), Some(schema));
        reference(&name)
    }

    /// The last name in the path, with a number if another type has that already.
    fn new_name(&self, path: &str) -> String {
        let last = path.rsplit("::").next().unwrap_or(path);
        let numbered = (2_u64..).map(|number| format!("{last}{number}"));
        let mut names = std::iter::once(last.to_owned()).chain(numbered);
        names.find(|name| !self.schemas.contains_key(name)).unwrap_or_default()
    }

    fn of_type(&mut self, shape: &TypeShape) -> Value {
        match shape.kind {
            TypeKind::Opaque => unknown(shape.path),
            TypeKind::Same(text) => self.of_text(text, shape.parts),
            TypeKind::Array(length) => array(length, &self.of_text("T", shape.parts)),
            TypeKind::Struct(form, fields) => self.fields(form, fields, shape.parts),
            TypeKind::Enum(tagging, variants) => self.variants(tagging, variants, shape.parts),
        }
    }

    fn fields(&mut self, form: Form, fields: &[(&'static str, &'static str, u8)], parts: Parts<'_>) -> Value {
        match (form, fields) {
            (Form::Opaque, _) => json!({}),
            (Form::Unit, _) => json!({ "type": "null" }),
            (Form::Tuple, &[(_, ty, flags)]) => self.field(ty, flags, parts),
            (Form::Tuple, _) => {
                let items = fields.iter().map(|&(_, ty, flags)| self.field(ty, flags, parts));
                tuple(&items.collect::<Vec<_>>())
            }
            (Form::Named, _) => {
                let (mut properties, mut required, mut flattened) = (Map::new(), Vec::new(), Vec::new());
                for &(name, ty, flags) in fields {
                    let schema = self.field(ty, flags, parts);
                    if flags & FLATTENED != 0 {
                        // A flattened `None` gives no fields.
                        flattened.extend((!is_option(ty)).then_some(schema));
                        continue;
                    }
                    properties.insert(name.to_owned(), schema);
                    // serde's derive reads a missing `Option` as `None`, unless a function reads it.
                    let may_be_missing = flags & OPTIONAL != 0 || (flags & OPAQUE == 0 && is_option(ty));
                    if !may_be_missing {
                        required.push(name);
                    }
                }
                let mut schema = json!({ "type": "object", "properties": properties, "required": required });
                if let (Value::Object(schema), false) = (&mut schema, flattened.is_empty()) {
                    schema.insert("allOf".into(), flattened.into());
                }
                schema
            }
        }
    }

    fn field(&mut self, ty: &'static str, flags: u8, parts: Parts<'_>) -> Value {
        if flags & OPAQUE != 0 { unknown(ty) } else { self.of_text(ty, parts) }
    }

    fn variants(
        &mut self,
        tagging: Tagging,
        variants: &'static [(&'static str, Form, FieldTypes)],
        parts: Parts<'_>,
    ) -> Value {
        let mut plain = Vec::new();
        let mut schemas = Vec::new();
        for &(name, form, fields) in variants {
            let mut inner = || self.fields(form, fields, parts);
            let is_unit = form == Form::Unit;
            schemas.push(match tagging {
                Tagging::External if is_unit => {
                    plain.push(name);
                    continue;
                }
                Tagging::External => object(&[(name, inner())]),
                Tagging::Untagged => inner(),
                Tagging::Adjacent(tag, _) if is_unit => object(&[(tag, json!({ "const": name }))]),
                Tagging::Adjacent(tag, content) => {
                    object(&[(tag, json!({ "const": name })), (content, inner())])
                }
                Tagging::Internal(tag) => {
                    let tagged = object(&[(tag, json!({ "const": name }))]);
                    if is_unit { tagged } else { json!({ "allOf": [tagged, inner()] }) }
                }
            });
        }
        if !plain.is_empty() {
            schemas.insert(0, json!({ "enum": plain }));
        }
        match &mut schemas[..] {
            [only] => only.take(),
            _ => json!({ "anyOf": schemas }),
        }
    }

    /// The schema of a type that the source calls `text`.
    fn of_text(&mut self, text: &str, parts: Parts<'_>) -> Value {
        if let Some((_, shape)) = parts.iter().find(|(name, _)| *name == text)
            && let Some(shape) = shape
        {
            let shape = shape();
            // A container is no type of the user's that has a name.
            return match shape.kind {
                TypeKind::Same(_) | TypeKind::Array(_) => self.of_type(&shape),
                _ => self.reference(&shape),
            };
        }
        if let Some(inner) = inside(text, '(', ')') {
            let items: Vec<_> = split(inner).into_iter().map(|part| self.of_text(part, parts)).collect();
            return if items.is_empty() { json!({ "type": "null" }) } else { tuple(&items) };
        }
        if let Some((element, length)) = inside(text, '[', ']').and_then(|inner| inner.rsplit_once(';')) {
            let element = self.of_text(element, parts);
            return match length.parse() {
                Ok(length) => array(length, &element),
                Err(_) => json!({ "type": "array", "items": element }),
            };
        }
        let (name, arguments) = match text.split_once('<') {
            Some((name, rest)) => (name, split(rest.strip_suffix('>').unwrap_or(rest))),
            None => (text, Vec::new()),
        };
        let types: Vec<_> = arguments.into_iter().filter(|argument| !argument.starts_with('\'')).collect();
        match (name, &types[..]) {
            ("Option", [inner]) => {
                let inner = self.of_text(inner, parts);
                json!({ "anyOf": [inner, { "type": "null" }] })
            }
            ("Box" | "Arc" | "Rc" | "Cow", [inner]) => self.of_text(inner, parts),
            ("Vec" | "VecDeque" | "BTreeSet" | "LinkedList" | "BinaryHeap", [item])
            | ("HashSet", [item, ..]) => {
                let items = self.of_text(item, parts);
                json!({ "type": "array", "items": items })
            }
            ("BTreeMap", [_, value]) | ("HashMap", [_, value, ..]) => {
                let values = self.of_text(value, parts);
                json!({ "type": "object", "additionalProperties": values })
            }
            (_, []) => plain(text),
            _ => unknown(text),
        }
    }
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

/// An object with these fields, all of which must be there.
fn object(fields: &[(&str, Value)]) -> Value {
    let required: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
    let properties: Map<_, _> =
        fields.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

fn tuple(items: &[Value]) -> Value {
    let length = items.len();
    json!({ "type": "array", "prefixItems": items, "minItems": length, "maxItems": length })
}

fn array(length: usize, item: &Value) -> Value {
    json!({ "type": "array", "items": item, "minItems": length, "maxItems": length })
}

/// The schema of a type without parameters that has a name of Rust's or of factum's.
fn plain(name: &str) -> Value {
    macro_rules! integer {
        ($ty:ty) => {
            json!({ "type": "integer", "minimum": <$ty>::MIN, "maximum": <$ty>::MAX })
        };
    }
    match name {
        "String" | "str" => json!({ "type": "string" }),
        "char" => json!({ "type": "string", "minLength": 1, "maxLength": 1 }),
        "bool" => json!({ "type": "boolean" }),
        "u8" => integer!(u8),
        "u16" => integer!(u16),
        "u32" => integer!(u32),
        "u64" | "usize" => integer!(u64),
        "i8" => integer!(i8),
        "i16" => integer!(i16),
        "i32" => integer!(i32),
        "i64" | "isize" => integer!(i64),
        "u128" => json!({ "type": "integer", "minimum": 0 }),
        "i128" => json!({ "type": "integer" }),
        "f32" | "f64" => json!({ "type": "number" }),
        "Uuid" => json!({ "type": "string", "format": "uuid" }),
        "Timestamp" => json!({ "type": "string", "format": "date-time" }),
        _ => unknown(name),
    }
}

/// All values: what the JSON of the type is, is not known.
fn unknown(ty: &str) -> Value {
    json!({ "$comment": format!("a `{ty}`, whose structure is not known") })
}

fn is_option(ty: &str) -> bool {
    ty.starts_with("Option<")
}

/// What stands between two characters around a text.
fn inside(text: &str, open: char, close: char) -> Option<&str> {
    text.strip_prefix(open)?.strip_suffix(close)
}

/// The parts of a list of types, between its own commas.
fn split(list: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    let at_comma = |char: char| {
        depth += match char {
            '<' | '(' | '[' => 1,
            '>' | ')' | ']' => -1,
            _ => 0,
        };
        char == ',' && depth == 0
    };
    list.split(at_comma).filter(|part| !part.is_empty()).collect()
}
