//! `layer.json`: what a layer is, what it lies upon, how the build stood after its step.

use serde_derive::{Deserialize, Serialize};

use super::content::Content;

/// One layer of a stack, with the fingerprint that its files must have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Id {
    /// Its name.
    pub key: String,
    /// [`Content::digest`] when it was made.
    pub digest: String,
}

/// The marker of a layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Marker {
    /// The layer's own name: a directory that was renamed or copied is not believed.
    pub key: String,
    /// The container that it was made for.
    pub container: String,
    /// The step, shortened.
    pub step: String,
    /// Layers that it lies upon, the lowest first.
    pub below: Vec<Id>,
    /// Its files; `None` when the step changed nothing in the root.
    pub content: Option<Content>,
    /// What later steps need to know, see `build::snapshot`; `None` = a build cannot begin here.
    pub state: Option<serde_json::Value>,
}

impl Marker {
    /// The whole stack of this layer, the lowest first.
    pub fn stack(&self) -> Vec<Id> {
        let own = self.content.as_ref().map(|content| Id {
            key: self.key.clone(),
            digest: content.digest.clone(),
        });
        self.below.iter().cloned().chain(own).collect()
    }
}
