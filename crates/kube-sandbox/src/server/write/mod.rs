//! Writes: what the API server does with an object before it stores it.

mod admit;
mod answer;
mod asked;
mod body;
mod create;
mod delete;
mod eviction;
mod names;
mod patch;
mod quantities;
mod record;
mod scale;
mod update;
mod validate;
mod workload;

pub(crate) use admit::admit;
pub(crate) use answer::{answer, is_write};
pub(crate) use asked::Asked;
pub(crate) use record::Writes;
pub(crate) use scale::read as read_scale;
