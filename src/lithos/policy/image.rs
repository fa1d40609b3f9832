//! Which image, and which file in it.

use std::path::{Component, Path};

use super::Violation;
use crate::lithos::config::Sandbox;
use crate::lithos::instance::Instance;

/// The image lies below `image-dir`, exactly as deep as the sandbox says; the container file lies in the image.
pub fn check_image(sandbox: &Sandbox, instance: &Instance) -> Vec<Violation> {
    let mut found = Vec::new();
    let image = Path::new(&instance.image);
    let plain = image.components().all(|c| matches!(c, Component::Normal(_)));
    let levels = sandbox.image_dir_levels;
    // `a//b` and `a/.` would be other names for the same directory.
    if !plain || image.components().count() != levels || instance.image.split('/').count() != levels {
        let text = format!(
            "{:?} must consist of exactly {levels} name(s) below {}",
            instance.image,
            sandbox.image_dir.display()
        );
        found.push(Violation::new("image", text));
    }
    let config = Path::new(&instance.config);
    if !config.is_absolute() || config.components().any(|c| c == Component::ParentDir) {
        let text = format!(
            "{:?} must be an absolute path in the image, without `..`",
            instance.config
        );
        found.push(Violation::new("config", text));
    }
    found
}
