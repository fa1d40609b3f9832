//! `layer.json`: what a layer is, what it lies upon, how the build stood after its step.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use serde_derive::{Deserialize, Serialize};

use super::content::Content;

/// One layer of a stack: not any of its name, but the very one that the others were made upon.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Id {
    /// Its name.
    pub key: String,
    /// [`Marker::made`] of the one that is meant.
    pub made: String,
}

/// The marker of a layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Marker {
    /// The layer's own name: a directory that was renamed or copied is not believed.
    pub key: String,
    /// 16 hex digits by chance: tells the results of two runs of one step apart.
    pub made: String,
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
    /// A value for [`Marker::made`].
    pub fn new_made() -> String {
        // The keys of the standard library's hash maps are random.
        format!("{:016x}", RandomState::new().build_hasher().finish())
    }

    /// The whole stack of this layer, the lowest first.
    pub fn stack(&self) -> Vec<Id> {
        let own = self.content.as_ref().map(|_| Id {
            key: self.key.clone(),
            made: self.made.clone(),
        });
        self.below.iter().cloned().chain(own).collect()
    }
}
