//! Who may run vagga in a project: root only in its own, anybody else is warned in a foreign one.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::vagga::failure::{exit, Failure};

/// Compares the owner of the project directory with the caller.
///
/// Errors: exit 122 when root runs vagga in the project of somebody else.
pub fn check(root: &Path) -> Result<(), Failure> {
    let metadata = std::fs::metadata(root)
        .map_err(|e| Failure::new(exit::CONFIG, format!("cannot examine {}: {e}", root.display())))?;
    decide(root, metadata.uid(), nix::unistd::getuid().as_raw())
}

fn decide(root: &Path, owner: u32, caller: u32) -> Result<(), Failure> {
    if owner == caller {
        return Ok(());
    }
    if caller == 0 {
        let message = format!(
            "You should not run vagga as root: {} belongs to user {owner}",
            root.display()
        );
        let hint = "run vagga as that user, or add --ignore-owner-check";
        return Err(Failure::new(exit::USAGE, message).with_hint(hint));
    }
    log::warn!(
        "You are user {caller}, which is different from the owner of {} (user {owner})",
        root.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_in_a_foreign_project_is_refused() {
        let root = Path::new("/project");
        assert!(decide(root, 0, 0).is_ok());
        assert!(decide(root, 1000, 1000).is_ok());
        assert!(decide(root, 1000, 1001).is_ok());
        assert_eq!(decide(root, 1000, 0).map_err(|f| f.exit), Err(exit::USAGE));
    }
}
