//! The fingerprint of a layer's files: names, kinds, sizes, times, modes, owners. Contents are not read: whoever
//! changes a file in the ordinary way changes its time, and only that has to be noticed here.

use std::io;
use std::os::unix::ffi::OsStrExt;

use blake2::{Blake2b512, Digest as _};
use rustc_serialize::hex::ToHex;
use serde_derive::{Deserialize, Serialize};

use crate::sys::fs::{survey, Kind, Stat};
use crate::sys::path::Root;

/// What is in a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Files, directories, links, marks of removed files.
    pub entries: u64,
    /// Sizes of the regular files, bytes.
    pub bytes: u64,
    /// 32 hex digits.
    pub digest: String,
}

impl Content {
    /// Looks at every entry of the open directory, and at the directory itself.
    pub fn of(root: &Root) -> io::Result<Content> {
        let mut hasher = Blake2b512::new();
        let (mut entries, mut bytes) = (0, 0);
        add(&mut hasher, b"", &root.stat("/")?);
        survey(root, &mut |path, stat| {
            add(&mut hasher, path.as_os_str().as_bytes(), stat);
            entries += 1;
            if stat.kind() == Kind::File {
                bytes += stat.size;
            }
            Ok(())
        })?;
        let mut digest = hasher.finalize().as_slice().to_hex();
        digest.truncate(32);
        Ok(Content {
            entries,
            bytes,
            digest,
        })
    }
}

fn add(hasher: &mut Blake2b512, path: &[u8], stat: &Stat) {
    let size = (path.len() as u64).to_le_bytes();
    hasher.update(size);
    hasher.update(path);
    for n in [stat.mode, stat.uid, stat.gid] {
        hasher.update(n.to_le_bytes());
    }
    // What changes the times of a directory changes the names in it.
    if stat.kind() != Kind::Dir {
        hasher.update(stat.size.to_le_bytes());
        hasher.update(stat.mtime.sec.to_le_bytes());
        hasher.update(stat.mtime.nsec.to_le_bytes());
        hasher.update(stat.rdev.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vagga::storage::tests::Temp;
    use std::fs;

    #[test]
    fn edits_are_noticed_and_further_names_are_not() {
        let t = Temp::new("content");
        let dir = t.0.join("diff");
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("f"), "one").unwrap();
        let of = || Content::of(&Root::open(&dir).unwrap()).unwrap();
        let before = of();
        assert_eq!((before.entries, before.bytes), (1, 3));
        fs::hard_link(dir.join("f"), t.0.join("elsewhere")).unwrap();
        assert_eq!(of(), before);
        fs::write(t.0.join("elsewhere"), "two").unwrap();
        assert_ne!(of(), before);
    }
}
