//! Which images share files: after a build with those before it, by `_hardlink` all with each other.
//!
//! Only the same path is considered. Indexes say what could be linked, `Linker` decides.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::digest::{HashKind, DIGEST};
use super::ids::View;
use super::index::{Index, Node};
use super::linker::{human, Content, Linker, Outcome, Side};
use super::verify::read_index;
use super::{write_index, INDEX};
use crate::sys::path::Root;
use crate::sys::process::Status;
use crate::vagga::failure::{exit, Failure};
use crate::vagga::project::Project;
use crate::vagga::storage::{is_project_dir, Storage};
use crate::vagga::version;

/// Versions of one container that a new image is compared with.
const VERSIONS: usize = 3;

/// A finished image on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    dir: PathBuf,
    /// Name of its container.
    container: OsString,
    /// It belongs to the project at hand.
    own: bool,
    modified: SystemTime,
}

/// All finished images in a directory of images; none when it is missing.
fn images(roots: &Path, own: bool) -> io::Result<Vec<Found>> {
    let entries = match fs::read_dir(roots) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let bytes = name.as_bytes();
        let split = bytes.len().checked_sub(version::SHORT + 1);
        let Some((container, [b'.', hash @ ..])) = split.and_then(|at| bytes.split_at_checked(at)) else {
            continue;
        };
        let named =
            !container.is_empty() && !container.starts_with(b".") && hash.iter().all(u8::is_ascii_hexdigit);
        match entry.metadata() {
            Ok(meta) if named && meta.is_dir() => found.push(Found {
                dir: entry.path(),
                container: std::ffi::OsStr::from_bytes(container).to_owned(),
                own,
                modified: meta.modified()?,
            }),
            _ => {}
        }
    }
    found.sort_by(|a, b| a.dir.cmp(&b.dir));
    Ok(found)
}

/// Images of the project, and with `global` of all projects of the storage directory.
fn all_images(storage: &Storage, global: Option<&Path>) -> io::Result<Vec<Found>> {
    let mut found = images(&storage.roots(), true)?;
    let Some(all) = global else {
        return Ok(found);
    };
    let own = storage.base.canonicalize()?;
    for entry in fs::read_dir(all)? {
        let dir = entry?.path();
        if is_project_dir(&dir) && dir.canonicalize().is_ok_and(|dir| dir != own) {
            found.extend(images(&dir.join(".roots"), false)?);
        }
    }
    Ok(found)
}

/// What a new image is compared with, the best first: of this project, of this container, young.
fn candidates(mut found: Vec<Found>, container: &str, replaced: &Path) -> Vec<Found> {
    found.retain(|image| image.dir != replaced);
    found.sort_by_key(|image| std::cmp::Reverse(image.modified));
    let mut count: BTreeMap<(PathBuf, OsString), usize> = BTreeMap::new();
    found.retain(|image| {
        let project = image.dir.parent().unwrap_or(Path::new("")).to_path_buf();
        let versions = count.entry((project, image.container.clone())).or_default();
        *versions += 1;
        *versions <= VERSIONS
    });
    found.sort_by_key(|image| (!image.own, image.container.as_os_str() != container));
    found
}

/// Links files of the finished build in `dir` to those of other images, if the settings say so. `replaced` is the
/// image that it takes the place of. It only saves space, so trouble is said and does not stop the build.
pub fn after_build(project: &Project, storage: &Storage, container: &str, dir: &Path, replaced: &Path) {
    let settings = &project.settings;
    if !settings.index_all_images || !settings.hard_link_identical_files {
        return;
    }
    let global = settings.storage_dir.as_deref();
    let found = match all_images(storage, global.filter(|_| settings.hard_link_between_projects)) {
        Ok(found) => candidates(found, container, replaced),
        Err(e) => return log::warn!("identical files are not linked: can't list the images: {e}"),
    };
    let link = || finish(link_new(dir, &found), " from other containers");
    let linked = View::of_everything().and_then(|view| view.run(link));
    if let Err(failure) = linked.and_then(check) {
        log::warn!("{}", failure.message);
    }
}

/// `vagga _hardlink [--global]`.
pub fn hardlink(project: &Project, storage: &Storage, global: bool) -> Result<u8, Failure> {
    let storage_dir = project.settings.storage_dir.as_deref();
    if global && storage_dir.is_none() {
        return Err(
            Failure::new(exit::SETUP, "_hardlink: --global needs the setting storage-dir")
                .with_hint("without it every project keeps its images in .vagga, and nothing can be shared"),
        );
    }
    let found = all_images(storage, storage_dir.filter(|_| global))
        .map_err(|e| Failure::new(exit::SETUP, format!("_hardlink: can't list the images: {e}")))?;
    for image in &found {
        ensure_index(&image.dir)?;
    }
    let status = View::of_everything()?.run(|| finish(link_all(&found), ""))?;
    check(status).map(|()| 0)
}

/// Prints the outcome, in the child; returns its exit code.
fn finish(result: io::Result<Linker>, from: &str) -> u8 {
    match result {
        Ok(linker) => {
            let size = human(linker.bytes);
            eprintln!("Found and linked {} ({size}) identical files{from}", linker.files);
            0
        }
        Err(e) => {
            eprintln!("Can't link identical files: {e}");
            1
        }
    }
}

fn check(status: Status) -> Result<(), Failure> {
    match status {
        Status::Exited(0) => Ok(()),
        _ => Err(fail("Linking identical files failed".into())),
    }
}

fn fail(message: String) -> Failure {
    Failure::new(exit::LAUNCHER, message)
}

/// Makes the index of an image that has none, or none that can be used.
fn ensure_index(dir: &Path) -> Result<(), Failure> {
    let usable = read_index(&dir.join(INDEX)).is_ok_and(|index| index.is_some_and(|i| is_ours(&i)));
    if usable {
        return Ok(());
    }
    eprintln!("Indexing container {dir:?}...");
    let status = View::of_image(dir)?.run(|| {
        let root = Root::open(dir).and_then(|dir| dir.sub("root"));
        match root.and_then(|root| write_index(&root, dir)) {
            Ok(()) => 0,
            // Removed meanwhile.
            Err(e) if e.kind() == io::ErrorKind::NotFound && !dir.exists() => 0,
            Err(e) => {
                eprintln!("Can't index {dir:?}: {e}");
                1
            }
        }
    })?;
    match status {
        Status::Exited(0) => Ok(()),
        _ => Err(Failure::new(exit::SETUP, format!("Indexing {dir:?} failed"))),
    }
}

/// Digests can be compared with those of our own indexes.
fn is_ours(index: &Index) -> bool {
    (index.hash, index.block_size) == (HashKind::Blake2b, super::index::BLOCK_SIZE)
}

/// Opens an image with its index; `None` when it has none that can be used, or is gone.
fn open(dir: &Path) -> Option<(Side, Index)> {
    let index = match read_index(&dir.join(INDEX)) {
        Ok(index) => index.filter(is_ours)?,
        Err(why) => {
            log::info!("{dir:?}: the index cannot be used: {why}");
            return None;
        }
    };
    Some((side(dir)?, index))
}

fn side(dir: &Path) -> Option<Side> {
    let roots = Root::open(dir.parent()?).ok()?;
    Side::open(&roots, dir.file_name()?).ok()
}

fn content<'a>(index: &Index, node: &'a Node) -> Option<Content<'a>> {
    match node {
        Node::File { size, digests, .. } => Some(Content {
            hash: index.hash,
            block_size: index.block_size,
            size: *size,
            digests,
        }),
        _ => None,
    }
}

fn link_new(dir: &Path, candidates: &[Found]) -> io::Result<Linker> {
    let mut linker = Linker::default();
    let Some((target, index)) = open(dir) else {
        return Err(io::Error::other("the new image has no index"));
    };
    let mut left: BTreeMap<&PathBuf, &Node> = index.nodes.iter().collect();
    for candidate in candidates {
        let Some((source, theirs)) = open(&candidate.dir) else {
            continue;
        };
        let mut linked = Vec::new();
        for (path, node) in &left {
            let Some(content) = content(&index, node).filter(|_| theirs.nodes.get(*path) == Some(*node))
            else {
                continue;
            };
            if linker.link(path, content, &source, &target, false)? != Outcome::Unlike {
                linked.push(*path);
            }
        }
        for path in linked {
            left.remove(path);
        }
    }
    Ok(linker)
}

/// Images that hold a certain file, by what their indexes say of it.
type Holders = HashMap<[u8; DIGEST], Vec<usize>>;

fn link_all(found: &[Found]) -> io::Result<Linker> {
    let mut linker = Linker::default();
    let mut holders: Holders = HashMap::new();
    for (n, image) in found.iter().enumerate() {
        let Some((target, index)) = open(&image.dir) else {
            continue;
        };
        // Runs of files have the same source, and only so many can be open.
        let mut opened: Option<(usize, Side)> = None;
        for (path, node) in &index.nodes {
            let Some(content) = content(&index, node) else {
                continue;
            };
            let known = holders.entry(key(path, node)).or_default();
            let mut alone = true;
            for at in known.iter() {
                if opened.as_ref().is_none_or(|(last, _)| last != at) {
                    opened = found.get(*at).and_then(|image| Some((*at, side(&image.dir)?)));
                }
                let Some((_, source)) = &opened else { continue };
                if linker.link(path, content, source, &target, true)? != Outcome::Unlike {
                    alone = false;
                    break;
                }
            }
            if alone {
                known.push(n);
            }
        }
    }
    Ok(linker)
}

/// Path, kind, size and content of a file as one digest, which is smaller than all of that.
fn key(path: &Path, node: &Node) -> [u8; DIGEST] {
    let mut text = path.as_os_str().as_bytes().to_vec();
    if let Node::File { exec, size, digests } = node {
        text.extend([0, u8::from(*exec)]);
        text.extend(size.to_le_bytes());
        text.extend(digests);
    }
    HashKind::Blake2b.of(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn candidates_are_ranked_and_limited() {
        let image = |dir: &str, container: &str, own: bool, age: u64| Found {
            dir: dir.into(),
            container: container.into(),
            own,
            modified: SystemTime::UNIX_EPOCH + Duration::from_secs(100 - age),
        };
        let found = vec![
            image("/p/x.1", "x", true, 1),
            image("/p/x.2", "x", true, 2),
            image("/p/x.3", "x", true, 3),
            image("/p/x.4", "x", true, 4),
            image("/p/y.1", "y", true, 0),
            image("/q/x.1", "x", false, 0),
            image("/p/x.0", "x", true, 0),
        ];
        let ranked = candidates(found, "x", Path::new("/p/x.0"));
        let dirs: Vec<&str> = ranked.iter().map(|i| i.dir.to_str().unwrap()).collect();
        assert_eq!(dirs, ["/p/x.1", "/p/x.2", "/p/x.3", "/p/y.1", "/q/x.1"]);
    }
}
