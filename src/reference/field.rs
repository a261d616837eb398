//! Fields of everything, by name.

use super::entry::{Field, fields_of, resolved, verbs};
use crate::{config, document};
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// A field and what has it.
#[derive(Clone, Debug)]
pub struct Placed {
    /// `step`, `finding`, or a verb.
    pub of: String,
    /// The field.
    pub field: Field,
}

/// Every field of runbooks, rehearsal files and verbs.
pub fn fields() -> Vec<Placed> {
    let mut generator = SchemaSettings::draft07().into_generator();
    let mut schemas = document::schemas(&mut generator);
    schemas.extend(config::schemas(&mut generator));
    let definitions = Value::Object(generator.take_definitions(true).into_iter().collect());
    let structures = schemas.iter().map(|(name, schema)| {
        ((*name).to_owned(), fields_of(resolved(schema.as_value(), &definitions), &definitions))
    });
    let of_verbs = verbs().into_iter().map(|entry| (entry.name.to_owned(), entry.fields));
    let placed = |(of, fields): (String, Vec<Field>)| {
        fields.into_iter().map(move |field| Placed { of: of.clone(), field })
    };
    structures.chain(of_verbs).flat_map(placed).collect()
}
