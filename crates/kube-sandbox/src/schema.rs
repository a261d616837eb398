//! The JSON Schemas of the files of a world, for editors: the types of the parser.

use crate::app::Document;
use crate::scenario::Written;
use crate::world::Header;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};

/// A file of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorldFile {
    /// `world.yaml`.
    World,
    /// `applications.yaml`.
    Applications,
    /// `scenarios/NAME.yaml`.
    Scenario,
}

/// An expression or a template: the parser takes every scalar as the text that is written.
#[derive(JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
#[expect(dead_code, reason = "only its schema is of interest")]
pub(crate) enum Scalar {
    Text(String),
    Number(f64),
    Flag(bool),
}

/// The schema of a file, in draft 7, which editors know best.
pub fn schema(of: WorldFile) -> Schema {
    let generator = SchemaSettings::draft07().into_generator();
    match of {
        WorldFile::World => generator.into_root_schema_for::<Header>(),
        WorldFile::Applications => generator.into_root_schema_for::<Document>(),
        WorldFile::Scenario => generator.into_root_schema_for::<Written>(),
    }
}
