//! `!Env`: variables for the commands of later steps.

use std::collections::BTreeMap;

use crate::vagga::build::builder::Builder;

/// Adds the variables, over equal ones.
pub fn build(b: &mut Builder, variables: &BTreeMap<String, String>) {
    let pairs = variables.iter().map(|(k, v)| (k.clone(), v.clone()));
    b.environ.extend(pairs);
}
