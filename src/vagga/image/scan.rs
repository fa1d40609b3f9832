//! From the files of an image to its index. Nothing is changed; links are not followed.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest as _};
use nix::fcntl::OFlag;

use super::digest::{Blocks, HashKind, DIGEST};
use super::index::IndexWriter;
use crate::sys::at;
use crate::sys::fs::{walk, xattr, Kind, Moment, Visit};
use crate::sys::path::Root;
use crate::vagga::fetch::digest::hex;

/// Attributes of a file that belong to the image; others to the machine (or to an overlay).
pub fn attributes_of(file: &OwnedFd) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut found = Vec::new();
    for name in xattr::list(file.as_fd())? {
        let bytes = name.as_bytes();
        let users = bytes.starts_with(b"user.") && !bytes.starts_with(b"user.overlay.");
        if bytes == b"security.capability" || users {
            if let Some(value) = xattr::get(file.as_fd(), &name)? {
                found.push((bytes.to_vec(), value));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Opens a file or directory that was met in a walk. Errors: it was replaced by something else meanwhile.
pub fn open(visit: &Visit<'_>) -> io::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let fd = at::open(visit.dir, visit.name, flags, 0)?;
    match at::fstat(fd.as_fd())?.same_file(&visit.stat) {
        true => Ok(fd),
        false => Err(io::Error::other("it was replaced while it was read")),
    }
}

/// The text of the index of everything below `root`, with digests by `hash`.
///
/// Errors: name the path. Devices, pipes and sockets are not part of an index.
pub fn scan(root: &Root, hash: HashKind, block_size: u64) -> io::Result<String> {
    let mut scan = Scan {
        hash,
        index: IndexWriter::new(hash, block_size),
        attributes: Blake2b::new(),
        block: vec![0; usize::try_from(block_size).map_err(io::Error::other)?],
    };
    walk(root, &mut |visit| {
        let result = match visit.moment {
            Moment::Leave => Ok(()),
            _ => scan.visit(visit),
        };
        result.map_err(|e| io::Error::new(e.kind(), format!("{:?}: {e}", visit.path)))
    })?;
    Ok(scan.index.finish(Some(&hex(&scan.attributes.finalize()))))
}

struct Scan {
    hash: HashKind,
    index: IndexWriter,
    attributes: Blake2b<U32>,
    block: Vec<u8>,
}

impl Scan {
    fn visit(&mut self, visit: &Visit<'_>) -> io::Result<()> {
        let stat = &visit.stat;
        let mut more = Vec::new();
        match stat.kind() {
            Kind::Dir => {
                more = attributes_of(&open(visit)?)?;
                self.index.dir(visit.path);
            }
            Kind::File => {
                let file = open(visit)?;
                more = attributes_of(&file)?;
                let digests = digests(file, stat.size, self.hash, &mut self.block)?;
                self.index
                    .file(visit.name, stat.mode & 0o100 != 0, stat.size, &digests);
            }
            Kind::Symlink => {
                let target = at::read_link(visit.dir, visit.name)?;
                self.index.link(visit.name, OsStr::new(&target));
            }
            Kind::Socket => return Ok(()),
            kind => log::warn!("{:?} is a {kind:?}, which an index cannot hold", visit.path),
        }
        self.note(visit, &more);
        Ok(())
    }

    /// Adds what the format leaves out: type, mode, owner, seconds of the last change, device, attributes.
    fn note(&mut self, visit: &Visit<'_>, more: &[(Vec<u8>, Vec<u8>)]) {
        let s = &visit.stat;
        self.attributes.update(visit.path.as_os_str().as_bytes());
        // Modes of links mean nothing.
        let mode = if s.kind() == Kind::Symlink {
            0o120777
        } else {
            s.mode
        };
        let line = format!("\0{mode:o} {} {} {} {}\0", s.uid, s.gid, s.mtime.sec, s.rdev);
        self.attributes.update(line);
        for (name, value) in more {
            self.attributes.update(name);
            self.attributes.update(format!("={} ", hex(value)));
        }
    }
}

/// The digests of a file's blocks. Errors: the file has not the size it had.
pub fn digests(file: OwnedFd, size: u64, hash: HashKind, block: &mut [u8]) -> io::Result<Vec<[u8; DIGEST]>> {
    let mut file = File::from(file);
    let mut blocks = Blocks::new(hash);
    let mut out = Vec::new();
    let mut left = size;
    while left > 0 {
        let length = usize::try_from(left).map_or(block.len(), |left| left.min(block.len()));
        let part = block.get_mut(..length).unwrap_or_default();
        file.read_exact(part)?;
        out.push(blocks.add(part));
        left -= length as u64;
    }
    match file.read(&mut [0])? {
        0 => Ok(out),
        _ => Err(io::Error::other("it grew while it was read")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::index::{Index, BLOCK_SIZE};
    use super::*;
    use crate::vagga::storage::tests::Temp;
    use std::fs;
    use std::os::unix::fs::{symlink, PermissionsExt};

    /// The tree of the example in the format's description.
    fn example(t: &Temp) -> Root {
        for dir in ["bin", "data", "data/empty dir"] {
            fs::create_dir(t.0.join(dir)).unwrap();
        }
        let big = [vec![0; 32768], b"x".to_vec()].concat();
        fs::write(t.0.join("notes.txt"), "hello world\n").unwrap();
        fs::write(t.0.join("zero"), "").unwrap();
        fs::write(t.0.join("bin/run"), "#!/bin/sh\n").unwrap();
        fs::write(t.0.join("data/big"), big).unwrap();
        fs::set_permissions(t.0.join("bin/run"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink("../notes.txt", t.0.join("bin/my link")).unwrap();
        Root::open(&t.0).unwrap()
    }

    #[test]
    fn footers_of_the_example() {
        let t = Temp::new("scan");
        let root = example(&t);
        for (hash, footer) in [
            (
                HashKind::Sha512,
                "032c96384605fde21baf8004f5975c6987b022a68bfb21bb2426c202e55c19ee",
            ),
            (
                HashKind::Blake2b,
                "cd5b7df16fbac662dd728568951a652fc646b3a1e843544855f89ebc2ac8c070",
            ),
            (
                HashKind::Blake3,
                "d4f37240cd6826b0b1e5e49644db6cc0d81527d72b59736bcb986ff7d6033794",
            ),
        ] {
            let index = Index::parse(&scan(&root, hash, BLOCK_SIZE).unwrap()).unwrap();
            assert_eq!(index.footer, footer);
        }
    }

    #[test]
    fn modes_and_times_are_in_the_attributes_only() {
        let t = Temp::new("scan");
        let root = example(&t);
        let index = || Index::parse(&scan(&root, HashKind::Blake2b, BLOCK_SIZE).unwrap()).unwrap();
        let before = index();
        fs::set_permissions(t.0.join("zero"), fs::Permissions::from_mode(0o600)).unwrap();
        let after = index();
        assert_eq!(before.footer, after.footer);
        assert_ne!(before.attributes, after.attributes);
        fs::set_permissions(t.0.join("zero"), fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(index(), before);
    }
}
