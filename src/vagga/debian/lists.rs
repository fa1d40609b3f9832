//! apt's package lists between builds: kept in the cache for each release, so that only what changed is fetched.

use std::io;
use std::path::{Path, PathBuf};

use crate::sys::fs::{lock_waiting, CopyOptions, Kind, Lock};
use crate::sys::path::Root;
use crate::vagga::build::builder::Builder;
use crate::vagga::build::error::{IoContext, StepError};

/// Where apt keeps them.
pub const LISTS: &str = "/var/lib/apt/lists";

/// Copies the lists of an earlier build in.
pub fn load(b: &mut Builder, codename: &str) -> Result<(), StepError> {
    let cache = dir(b, codename)?;
    let partial = format!("{LISTS}/partial");
    b.root
        .mkdir_all(&partial, 0o755)
        .at("create directory", &partial)?;
    let _lock = lock(&cache)?;
    let kept = Root::open(&cache).at("open", &cache)?;
    copy_lists(&kept, Path::new("/"), &b.root, Path::new(LISTS)).at("copy package lists from", &cache)
}

/// Copies the lists back for the next build.
pub fn save(b: &mut Builder, codename: &str) -> Result<(), StepError> {
    let cache = dir(b, codename)?;
    let _lock = lock(&cache)?;
    let kept = Root::open(&cache).at("open", &cache)?;
    copy_lists(&b.root, Path::new(LISTS), &kept, Path::new("/")).at("copy package lists to", &cache)
}

fn dir(b: &Builder, codename: &str) -> Result<PathBuf, StepError> {
    b.cache_dir(Path::new(&format!("apt-lists-{codename}")))
}

fn lock(cache: &Path) -> Result<Lock, StepError> {
    lock_waiting(&cache.join("lock"), || {}).at("lock", cache)
}

/// Copies apt's lists with their times; not the lock and what is half fetched.
fn copy_lists(from: &Root, source: &Path, to: &Root, target: &Path) -> io::Result<()> {
    for entry in from.read_dir(source)? {
        if entry.kind != Kind::File || entry.name == "lock" {
            continue;
        }
        let options = CopyOptions {
            tolerate_owner: true,
            without_xattrs: true,
            ..CopyOptions::default()
        };
        crate::sys::fs::copy_tree(
            from,
            source.join(&entry.name),
            to,
            target.join(&entry.name),
            &options,
        )?;
    }
    Ok(())
}
