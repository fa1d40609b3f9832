//! The directory of layers: what may be believed of it, how a layer gets in.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::content::Content;
use super::key::Key;
use super::marker::{Id, Marker};
use crate::sys::fs::{lock, Kind, Lock, Stat, Time};
use crate::sys::path::Root;

/// Name of the marker in a layer.
pub const MARKER: &str = "layer.json";
/// Name of the directory with a layer's files.
pub const DIFF: &str = "diff";
/// Largest marker, bytes.
const MAX_MARKER: u64 = 8 << 20;
/// Beginning of names of what is not a layer (any more).
const TEMPORARY: &str = ".tmp.";

/// The layers of a storage; nobody removes any as long as this lives.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    root: Root,
    /// Layers that were found not to be what they should be, so that nobody compares them again.
    broken: RefCell<BTreeSet<Id>>,
    _lock: Lock,
}

/// A directory for one build, beside the layers.
#[derive(Debug)]
pub struct Draft {
    name: PathBuf,
    /// The directory itself.
    pub root: Root,
}

impl Store {
    /// Opens the directory, which must exist, and removes what killed builds left in it, unless somebody builds now.
    ///
    /// Errors: `PermissionDenied` when it belongs to another user: whatever is in it could be anything.
    pub fn open(dir: &Path) -> io::Result<Store> {
        let root = Root::open(dir)?;
        if !is_ours(&root.stat("/")?) {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "it belongs to another user",
            ));
        }
        let file = dir.join(".lock");
        if let Some(_alone) = lock(&file, true, false)? {
            sweep(&root);
        }
        let held = lock(&file, false, true)?.ok_or(io::ErrorKind::WouldBlock)?;
        Ok(Store {
            dir: dir.to_path_buf(),
            root,
            broken: RefCell::default(),
            _lock: held,
        })
    }

    /// The marker of a layer that is ours and whole as far as the marker itself can tell.
    pub fn load(&self, key: &str) -> Option<Marker> {
        load(&self.root, key)
    }

    /// The open files of a layer, if they are those it was made of.
    pub fn intact(&self, id: &Id) -> Option<Root> {
        if self.broken.borrow().contains(id) {
            return None;
        }
        let diff = self.root.sub(Path::new(&id.key).join(DIFF)).ok()?;
        if self.compare(id, &diff) {
            return Some(diff);
        }
        self.broken.borrow_mut().insert(id.clone());
        None
    }

    fn compare(&self, id: &Id, diff: &Root) -> bool {
        let marker = self.load(&id.key).filter(|marker| marker.made == id.made);
        let Some(expected) = marker.and_then(|marker| marker.content) else {
            return false;
        };
        let dir = self.dir.join(&id.key);
        match Content::of(diff) {
            Ok(found) if found == expected => true,
            Ok(_) => {
                log::warn!("files of the layer {dir:?} were changed, it is not used any more");
                false
            }
            Err(e) => {
                log::warn!("can't read the layer {dir:?}: {e}");
                false
            }
        }
    }

    /// The files of a layer that this build has just made.
    pub fn open_own(&self, key: &str) -> io::Result<Root> {
        self.root.sub(Path::new(key).join(DIFF))
    }

    /// Notes that the layer is of use now.
    pub fn touch(&self, key: &str) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = Time {
            sec: since.as_secs().try_into().unwrap_or(i64::MAX),
            nsec: since.subsec_nanos(),
        };
        let marker = Path::new(key).join(MARKER);
        if let Err(e) = self.root.set_times(&marker, now, now) {
            log::info!("can't note the use of layer {key}: {e}");
        }
    }

    /// Makes an empty directory of our own.
    pub fn draft(&self) -> io::Result<Draft> {
        let name = self.free_name(|name| self.root.mkdir(name, 0o700))?;
        let root = self.root.sub(&name)?;
        Ok(Draft { name, root })
    }

    /// Makes the directory `part` of a draft a layer: with the marker written, it is renamed in one step. Nothing waits for
    /// the disk: a marker or files that a power failure cuts off are not what the fingerprint says.
    ///
    /// A layer of the same name that was there first stays, and its marker is returned, unless `anew` or it is not
    /// what its marker says: then it makes room. What lies below the new one is not looked at again.
    pub fn commit(&self, draft: &Draft, part: &str, marker: &Marker, anew: bool) -> io::Result<Marker> {
        let text = serde_json::to_vec(marker).map_err(io::Error::other)?;
        let from = draft.name.join(part);
        let mut file = draft.root.create(Path::new(part).join(MARKER), 0o644)?;
        io::Write::write_all(&mut file, &text)?;
        let to = Path::new(&marker.key);
        match self.root.rename(&from, to) {
            Err(e) if is_taken(&e) => {}
            done => return done.map(|()| marker.clone()),
        }
        let known = |id: &Id| marker.below.contains(id) || self.intact(id).is_some();
        let first = self.load(&marker.key);
        let first = first.filter(|first| !anew && first.stack().iter().all(known));
        if let Some(first) = first {
            return Ok(first);
        }
        // Some build may see through its files just now, so it is removed when nobody builds.
        self.free_name(|name| self.root.rename_new(to, name))?;
        self.root.rename(&from, to)?;
        Ok(marker.clone())
    }

    /// Removes a draft.
    pub fn discard(&self, draft: &Draft) -> io::Result<()> {
        self.root.remove_all(&draft.name)
    }

    fn free_name(&self, mut take: impl FnMut(&Path) -> io::Result<()>) -> io::Result<PathBuf> {
        let mut n = 0u32;
        loop {
            let name = PathBuf::from(format!("{TEMPORARY}{n}"));
            match take(&name) {
                Err(e) if is_taken(&e) && n < u32::MAX => n += 1,
                done => return done.map(|()| name),
            }
        }
    }
}

/// Names of all layers in a directory, in order.
pub fn keys(root: &Root) -> io::Result<Vec<Key>> {
    let mut all: Vec<Key> = root
        .read_dir("/")?
        .into_iter()
        .filter(|entry| entry.kind == Kind::Dir)
        .filter_map(|entry| Key::parse(entry.name.to_str()?))
        .collect();
    all.sort_unstable();
    Ok(all)
}

/// See [`Store::load`].
pub fn load(root: &Root, key: &str) -> Option<Marker> {
    let dir = root.lstat(key).ok()?;
    if dir.kind() != Kind::Dir || !is_ours(&dir) {
        return None;
    }
    let path = Path::new(key).join(MARKER);
    if !is_ours(&root.lstat(&path).ok()?) {
        return None;
    }
    let mut text = Vec::new();
    let file = root.open_read(&path).ok()?;
    file.take(MAX_MARKER).read_to_end(&mut text).ok()?;
    let marker: Marker = serde_json::from_slice(&text).ok()?;
    (marker.key == key).then_some(marker)
}

/// Made by this user, and nobody else may write there.
fn is_ours(stat: &Stat) -> bool {
    stat.uid == nix::unistd::geteuid().as_raw() && stat.mode & 0o022 == 0
}

fn is_taken(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EEXIST | libc::ENOTEMPTY))
}

/// Removes leftovers; what cannot be removed with the ids of this build stays for `_clean`.
fn sweep(root: &Root) {
    for entry in root.read_dir("/").unwrap_or_default() {
        if entry.name.to_string_lossy().starts_with(TEMPORARY) {
            if let Err(e) = root.remove_all(Path::new(&entry.name)) {
                log::info!("can't remove {:?} of the layers: {e}", entry.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vagga::storage::tests::Temp;
    use std::fs;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    fn marker(dir: &Path) -> Marker {
        Marker {
            key: KEY.into(),
            made: Marker::new_made(),
            container: "c".into(),
            step: "!Sh true".into(),
            below: Vec::new(),
            content: Some(Content::of(&Root::open(dir.join(DIFF)).unwrap()).unwrap()),
            state: None,
        }
    }

    fn part(draft: &Draft, text: &str) -> Marker {
        fs::create_dir_all(draft.root.path().join("1/diff")).unwrap();
        fs::write(draft.root.path().join("1/diff/f"), text).unwrap();
        marker(&draft.root.path().join("1"))
    }

    #[test]
    fn the_first_of_two_builds_wins_unless_it_was_changed() {
        let t = Temp::new("layers");
        let store = Store::open(&t.0).unwrap();
        let (one, two) = (store.draft().unwrap(), store.draft().unwrap());
        assert_ne!(one.root.path(), two.root.path());
        let first = store.commit(&one, "1", &part(&one, "one"), false).unwrap();
        assert_eq!(store.load(KEY), Some(first.clone()));
        let id = first.stack().remove(0);
        let other = part(&two, "other");
        assert_eq!(store.commit(&two, "1", &other, false).unwrap(), first);
        assert!(store.intact(&id).is_some());
        fs::write(t.0.join(KEY).join("diff/f"), "edited").unwrap();
        assert!(store.intact(&id).is_none());
        assert_eq!(store.commit(&two, "1", &other, false).unwrap(), other);
        assert_eq!(fs::read_to_string(t.0.join(KEY).join("diff/f")).unwrap(), "other");
        assert!(store.intact(&id).is_none(), "another layer of the same name");
    }

    #[test]
    fn half_written_and_renamed_layers_are_nothing() {
        let t = Temp::new("layers");
        let store = Store::open(&t.0).unwrap();
        let draft = store.draft().unwrap();
        let whole = part(&draft, "x");
        store.commit(&draft, "1", &whole, false).unwrap();
        let other = KEY.replace('0', "f");
        fs::rename(t.0.join(KEY), t.0.join(&other)).unwrap();
        assert_eq!(store.load(&other), None);
        fs::rename(t.0.join(&other), t.0.join(KEY)).unwrap();
        fs::write(t.0.join(KEY).join(MARKER), "{\"key\": \"0").unwrap();
        assert_eq!(store.load(KEY), None);
        for bad in ["..", "nosuch", ".lock"] {
            assert_eq!(store.load(bad), None);
        }
    }

    #[test]
    fn leftovers_go_when_nobody_builds() {
        let t = Temp::new("layers");
        fs::create_dir_all(t.0.join(".tmp.0/1")).unwrap();
        let store = Store::open(&t.0).unwrap();
        let draft = store.draft().unwrap();
        assert_eq!(fs::read_dir(draft.root.path()).unwrap().count(), 0);
        let second = Store::open(&t.0).unwrap();
        assert!(draft.root.path().exists(), "a build is going on");
        drop((store, second));
        Store::open(&t.0).unwrap();
        assert!(!draft.root.path().exists());
    }
}
