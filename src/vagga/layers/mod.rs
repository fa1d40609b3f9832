//! Layers: what each step of a build changed, kept below `<base>/.layers` so that a build begins behind the last step
//! that is the same as before.
//!
//! ```text
//! .layers/.lock            shared by builds, exclusive while something is removed
//! .layers/.tmp.N/          a build that is going on (lock file inside), or was killed
//! .layers/KEY/layer.json   the marker: what this is and what it lies upon; its mtime is the last use
//! .layers/KEY/diff/        what the step changed, as overlayfs keeps it; missing when it changed nothing
//! ```
//!
//! A layer comes into being by one rename, marker included, and is never changed afterwards. Its files may have
//! further names in images, so nothing is believed: before a layer is used its entries are compared with the
//! fingerprint in its marker, and one that differs (edited through an image, cut off by a power failure, owned by
//! somebody else) is as good as missing.

mod apply;
mod content;
mod inventory;
mod key;
mod listing;
mod marker;
mod store;

pub use apply::{apply, method};
pub use content::Content;
pub use inventory::{chosen, inventory, Kept, Rule};
pub use key::{merged, Chain, Context, Key};
pub use listing::listing;
pub use marker::{Id, Marker};
pub use store::{keys, load, Draft, Store, DIFF, MARKER};
