//! Names of layers: a digest of everything that a step's result depends on, the steps before it included.
//!
//! The version hash says what the configuration and the project's files are; what it leaves out for the sake of
//! compatibility, and what differs between machines, is added here: ids, architecture, mirrors, every option of a
//! step, which build of another container's image was used.

use std::fmt;

use blake2::{Blake2b512, Digest as _};
use rustc_serialize::hex::ToHex;

use crate::vagga::config::{Container, Settings, Step};
use crate::vagga::ids::IdMaps;
use crate::vagga::version::Digest;

/// Changes whenever layers of an earlier version must not be used any more.
const FORMAT: &str = concat!("vagga layer 1, ", env!("CARGO_PKG_VERSION"));

/// Hex digits of a key.
const LENGTH: usize = 32;

/// Name of a layer: 32 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// A name found in a directory; `None` when it is none of a layer.
    pub fn parse(name: &str) -> Option<Key> {
        let digits = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (name.len() == LENGTH && name.bytes().all(digits)).then(|| Key(name.to_string()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is the same for all steps of a build.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Owners of files on the disk.
    pub ids: &'a IdMaps,
    /// Mirrors and keys end up in files of base systems.
    pub settings: &'a Settings,
    /// Names of images that steps refer to, with what tells their builds apart.
    pub images: &'a [(String, String)],
}

/// The keys of one container's layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The first one is that of the empty root, the others are those after each step.
    pub steps: Vec<Key>,
    /// The finished image.
    pub finished: Key,
}

impl Chain {
    /// Keys of the container `name` whose version digest stood as in `boundaries` before its first and after each step;
    /// when the digest is known for the first steps only, then the keys are too.
    pub fn new(context: Context, name: &str, container: &Container, boundaries: &[Digest]) -> Chain {
        let first = boundaries.first().cloned().unwrap_or_default();
        let mut steps = vec![root(context, &first)];
        let mut last = steps.first().cloned().unwrap_or_else(|| root(context, &first));
        for (step, after) in container.setup.iter().zip(boundaries.iter().skip(1)) {
            last = next(context, &last, step, after);
            steps.push(last.clone());
        }
        let finished = finished(&last, name, container);
        Chain { steps, finished }
    }

    /// One more step, whose `after` was not known before. The others of `container` follow it.
    pub fn extend(
        &mut self,
        context: Context,
        name: &str,
        container: &Container,
        step: &Step,
        after: &Digest,
    ) {
        if let Some(last) = self.steps.last().map(|last| next(context, last, step, after)) {
            self.finished = finished(&last, name, container);
            self.steps.push(last);
        }
    }
}

/// Fields with their lengths, so that no two sequences look alike.
#[derive(Default)]
struct Hasher(Blake2b512);

impl Hasher {
    fn field(mut self, bytes: impl AsRef<[u8]>) -> Hasher {
        let bytes = bytes.as_ref();
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    fn finish(self) -> Key {
        let mut hex = self.0.finalize().as_slice().to_hex();
        hex.truncate(LENGTH);
        Key(hex)
    }
}

fn root(context: Context, before: &Digest) -> Key {
    let Context { ids, settings, .. } = context;
    let keys = settings
        .alpine_keys
        .as_ref()
        .map(|p| p.to_string_lossy().into_owned());
    let texts = [
        &settings.debian_mirror,
        &settings.ubuntu_mirror,
        &settings.alpine_mirror,
        &settings.image_registry,
        &keys,
    ];
    let mut hasher = Hasher::default()
        .field(FORMAT)
        .field(std::env::consts::ARCH)
        .field(ids.uid.to_string())
        .field(ids.gid.to_string())
        .field([u8::from(ids.is_single())])
        .field(settings.source_date_epoch.to_le_bytes())
        .field(before.clone().finish().0);
    for text in texts {
        hasher = match text {
            Some(text) => hasher.field("1").field(text),
            None => hasher.field("0"),
        };
    }
    hasher.finish()
}

fn next(context: Context, below: &Key, step: &Step, after: &Digest) -> Key {
    // A configuration that came from YAML can be written as JSON; a name that is not UTF-8 only loses its own digits.
    let options = serde_json::to_vec(step).unwrap_or_default();
    let mut hasher = Hasher::default()
        .field(&below.0)
        .field(after.clone().finish().0)
        .field(options);
    if matches!(step, Step::Container(_) | Step::Build(_) | Step::SubConfig(_)) {
        for (name, build) in context.images {
            hasher = hasher.field(name).field(build);
        }
    }
    hasher.finish()
}

/// What is done at the end depends on the container itself; its name becomes the identity of the machine.
fn finished(last: &Key, name: &str, container: &Container) -> Key {
    let options = (
        name,
        &container.data_dirs,
        &container.resolv_conf_path,
        &container.hosts_file_path,
    );
    Hasher::default()
        .field(&last.0)
        .field("finished")
        .field(serde_json::to_vec(&options).unwrap_or_default())
        .finish()
}

/// The key of several layers made into one.
pub fn merged(layers: &[super::Id]) -> Key {
    let all = layers.iter().fold(Hasher::default().field("merged"), |h, id| {
        h.field(id.key.as_bytes()).field(id.made.as_bytes())
    });
    all.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::namespace::{IdMap, IdMapping, MapMethod};
    use crate::vagga::version::Sink;

    fn ids(outside: u32) -> IdMaps {
        let map = IdMap(vec![IdMapping {
            inside: 0,
            outside,
            count: 1,
        }]);
        IdMaps {
            uid: map.clone(),
            gid: map,
            method: MapMethod::SingleId,
        }
    }

    fn chain(setup: &[Step], ids: &IdMaps, settings: &Settings, images: &[(String, String)]) -> Chain {
        let container = Container {
            setup: setup.to_vec(),
            ..crate::vagga::cli::samples::container()
        };
        let mut digest = Digest::new();
        let mut boundaries = vec![digest.clone()];
        for step in setup {
            digest.item(format!("{}\0", step.name()).as_bytes());
            boundaries.push(digest.clone());
        }
        let context = Context {
            ids,
            settings,
            images,
        };
        Chain::new(context, "c", &container, &boundaries)
    }

    fn sh(text: &str) -> Step {
        Step::Sh(text.into())
    }

    #[test]
    fn a_changed_step_changes_its_key_and_those_after_it() {
        let (ids, settings) = (ids(1000), Settings::default());
        let one = chain(&[sh("a"), sh("b"), sh("c")], &ids, &settings, &[]);
        let two = chain(&[sh("a"), sh("x"), sh("c")], &ids, &settings, &[]);
        assert_eq!(one.steps.len(), 4);
        assert_eq!(one.steps[..2], two.steps[..2]);
        assert!(one.steps[2..].iter().all(|key| !two.steps.contains(key)));
        assert_ne!(one.finished, two.finished);
        // The same steps are the same layers in another container.
        let longer = chain(&[sh("a"), sh("b"), sh("c"), sh("d")], &ids, &settings, &[]);
        assert_eq!(one.steps[..], longer.steps[..4]);
    }

    #[test]
    fn ids_mirrors_and_images_count() {
        let settings = Settings::default();
        let one = chain(&[sh("a")], &ids(1000), &settings, &[]);
        assert_ne!(one, chain(&[sh("a")], &ids(1001), &settings, &[]));
        let mirror = Settings {
            debian_mirror: Some("http://m".into()),
            ..Settings::default()
        };
        assert_ne!(one, chain(&[sh("a")], &ids(1000), &mirror, &[]));
        let base = |build: &str| {
            let images = [("base".to_string(), build.to_string())];
            chain(
                &[Step::Container("base".into()), sh("a")],
                &ids(0),
                &settings,
                &images,
            )
        };
        assert_eq!(base("1").steps[0], base("2").steps[0]);
        assert_ne!(base("1").steps[1], base("2").steps[1]);
    }

    #[test]
    fn names_of_layers() {
        let key = chain(&[], &ids(0), &Settings::default(), &[]).finished;
        assert_eq!(Key::parse(key.as_str()), Some(key));
        for bad in ["", "..", ".lock", ".tmp.0", "ABCDEF"] {
            assert_eq!(Key::parse(bad), None);
        }
    }
}
