//! Validates the objects of a world, as for a request that creates them.

use serde_json::Value;

use super::asked::Validation;
use super::{body, validate};
use crate::kinds::Resource;

/// The object without what its kind does not have; or why it would be refused.
pub(crate) fn admit(resource: &Resource, object: Value) -> Result<Value, String> {
    let object =
        body::known(resource, object, Validation::Strict).map_err(|status| status.message)?;
    validate::created(resource, &object).map_err(|status| status.message)?;
    Ok(object)
}
