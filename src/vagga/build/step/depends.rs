//! `!Depends`: files that only count for the version. While building, nothing but the filter is checked.

use crate::vagga::build::builder::Builder;
use crate::vagga::build::error::StepError;
use crate::vagga::config::step::Depends;
use crate::vagga::selection::Selection;

/// Checks the filter.
pub fn build(b: &mut Builder, d: &Depends) -> Result<(), StepError> {
    let selection = Selection::new(&d.filter).map_err(StepError::new)?;
    if let Some(warning) = selection.warning() {
        b.progress.warn(warning);
    }
    Ok(())
}
