//! A command.

use syn::{Data, DeriveInput, Fields, Ident, Member, Path, Type};

use crate::check;
use crate::errors::Errors;
use crate::options::Options;

pub(crate) struct Command {
    pub(crate) krate: Path,
    pub(crate) ident: Ident,
    pub(crate) which: Which,
}

/// How a command says which aggregate it is for.
pub(crate) enum Which {
    /// By a field.
    Field { member: Member, ty: Box<Type> },
    /// There is only one.
    Only,
}

impl Command {
    pub(crate) fn parse(input: &DeriveInput, errors: &mut Errors) -> Option<Self> {
        let mut options = Options::parse(&input.attrs, "command", &["singleton", "crate"], errors);
        let krate = options.krate(errors);
        let singleton = options.flag("singleton", errors).is_some();
        options.finish();
        if !check::plain_struct(input, "command", errors) {
            return None;
        }
        let Data::Struct(data) = &input.data else { return None };
        let which = which(input, &data.fields, singleton, errors)?;
        Some(Self { krate, ident: input.ident.clone(), which })
    }
}

fn which(input: &DeriveInput, fields: &Fields, singleton: bool, errors: &mut Errors) -> Option<Which> {
    let mut marked = Vec::new();
    let mut misspelled = false;
    for (member, field) in fields.members().zip(fields) {
        let mut options = Options::parse(&field.attrs, "command", &["id"], errors);
        if let Some(mark) = options.flag("id", errors) {
            marked.push((mark, Which::Field { member, ty: Box::new(field.ty.clone()) }));
        }
        options.finish();
        // One that was meant and is not understood has been told of.
        if marked.is_empty() && field.attrs.iter().any(|attribute| attribute.path().is_ident("command")) {
            misspelled = true;
        }
    }
    let mut marked = marked.into_iter();
    match (marked.next(), marked.next()) {
        (first, Some((second, _))) => {
            errors.at_span(second, "a command has one id; this is the second `#[command(id)]`");
            first.map(|(_, field)| field)
        }
        (Some((mark, field)), None) if singleton => {
            errors.at_span(mark, "a command for the only aggregate of its kind (`singleton`) has no id");
            Some(field)
        }
        (Some((_, field)), None) => Some(field),
        (None, None) if singleton || fields.is_empty() => Some(Which::Only),
        (None, None) => {
            // The one field of a tuple struct can only be the id.
            if let (Fields::Unnamed(_), 1) = (fields, fields.len()) {
                let (member, field) = fields.members().zip(fields).next()?;
                return Some(Which::Field { member, ty: Box::new(field.ty.clone()) });
            }
            if !misspelled {
                errors.at(
                    &input.ident,
                    format!(
                    "nothing in `{}` says which aggregate it is for: mark that field with `#[command(id)]`, or the \
                     struct with `#[command(singleton)]` if there is only one",
                    input.ident
                ),
                );
            }
            // Most likely the first: a wrong guess is one more error, and a right one is one less.
            let (member, field) = fields.members().zip(fields).next()?;
            Some(Which::Field { member, ty: Box::new(field.ty.clone()) })
        }
    }
}
