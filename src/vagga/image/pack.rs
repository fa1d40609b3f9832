//! `_pack_image`: an image as a tar archive. The same image gives the same bytes: entries are sorted, times are whole
//! seconds not after the fixed time, owners are the ids inside of the container, names of users are left out.
//!
//! The format is that of GNU tar (long names as entries of their own), with pax records where a file has extended
//! attributes. Sockets are left out.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tar::{Builder, EntryType, Header};

use super::ids::View;
use super::scan::{attributes_of, open};
use crate::sys::at;
use crate::sys::fs::{walk, xattr, Kind, Moment, Visit};
use crate::sys::path::Root;
use crate::sys::process::Status;
use crate::vagga::build::{metadata::read_environ, Image};
use crate::vagga::failure::{exit, Failure};

/// Bytes of a name that fit into a header.
const NAME_MAX: usize = 100;
/// Name, after the common beginning of whiteouts, of the one that hides a whole directory.
const OPAQUE: &[u8] = b".wh..opq";
/// GNU tar's name for entries that hold the name of the next one.
const LONG: &str = "././@LongLink";
/// Levels of compressors: the usual ones of the programs of these names.
const XZ_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 9;

/// How an archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// As gzip does.
    Gzip,
    /// As bzip2 does.
    Bzip2,
    /// As xz does.
    Xz,
    /// As zstd does.
    Zstd,
}

/// Writes the image into `out`, which may be a pipe. `epoch`: times after it, in seconds, are set back to it.
///
/// Errors: exit 121; what was written then is not an archive.
pub fn pack(image: &Image, compression: Compression, epoch: i64, out: &File) -> Result<(), Failure> {
    let view = View::of_image(&image.dir)?;
    if !view.own {
        return Err(fail(format!(
            "{:?} was built with ids that this user does not have",
            image.dir
        ))
        .with_hint(format!("build it again: vagga _build --force {}", image.name)));
    }
    if read_environ(&image.dir).is_ok_and(|environ| !environ.is_empty()) {
        eprintln!(
            "warning: the variables that container {:?} has from its OCI image are not part of the archive",
            image.name
        );
    }
    let status = view.run(|| {
        let written = Root::open(image.root()).and_then(|root| compressed(&root, compression, epoch, out));
        match written {
            Ok(()) => 0,
            Err(e) => {
                eprintln!("Can't pack {:?}: {e}", image.root());
                1
            }
        }
    })?;
    match status {
        Status::Exited(0) => Ok(()),
        _ => Err(fail(format!("Container {:?} could not be packed", image.name))),
    }
}

fn fail(message: String) -> Failure {
    Failure::new(exit::LAUNCHER, message)
}

fn compressed(root: &Root, compression: Compression, epoch: i64, out: &File) -> io::Result<()> {
    let mut out = io::BufWriter::with_capacity(1 << 17, out);
    match compression {
        Compression::None => archive(root, epoch, &mut out)?,
        Compression::Gzip => {
            let encoder = flate2::GzBuilder::new().write(&mut out, flate2::Compression::default());
            archive(root, epoch, encoder)?.finish()?;
            return out.flush();
        }
        Compression::Bzip2 => {
            let encoder = bzip2::write::BzEncoder::new(&mut out, bzip2::Compression::best());
            archive(root, epoch, encoder)?.finish()?;
            return out.flush();
        }
        Compression::Xz => {
            let encoder = liblzma::write::XzEncoder::new(&mut out, XZ_LEVEL);
            archive(root, epoch, encoder)?.finish()?;
            return out.flush();
        }
        Compression::Zstd => {
            let mut encoder = zstd::stream::write::Encoder::new(&mut out, ZSTD_LEVEL)?;
            encoder.include_checksum(true)?;
            archive(root, epoch, encoder)?.finish()?;
            return out.flush();
        }
    }
    .flush()
}

/// Writes the plain archive of everything below `root`. To be called with the ids of the container.
pub fn plain(root: &Root, epoch: i64, out: impl Write) -> io::Result<()> {
    archive(root, epoch, out).map(drop)
}

/// What a build has from its machine for name resolution.
const RESOLVER: [&str; 2] = ["etc/resolv.conf", "etc/hosts"];

/// Writes a kept layer as the tar stream of an OCI layer: marks of overlayfs become whiteouts. To be called with the ids
/// of the container; returns `out`.
pub fn layer<W: Write>(root: &Root, epoch: i64, out: W) -> io::Result<W> {
    entries(root, epoch, true, out)
}

/// Writes the plain archive of everything below `root`; returns `out`.
fn archive<W: Write>(root: &Root, epoch: i64, out: W) -> io::Result<W> {
    entries(root, epoch, false, out)
}

fn entries<W: Write>(root: &Root, epoch: i64, whiteouts: bool, out: W) -> io::Result<W> {
    let mut packer = Packer {
        whiteouts,
        tar: Builder::new(out),
        epoch,
        names: HashMap::new(),
    };
    walk(root, &mut |visit| match visit.moment {
        Moment::Leave => Ok(()),
        _ => packer
            .entry(visit)
            .map_err(|e| io::Error::new(e.kind(), format!("{:?}: {e}", visit.path))),
    })?;
    packer.tar.into_inner()
}

struct Packer<W: Write> {
    /// The tree is the upper directory of an overlay.
    whiteouts: bool,
    tar: Builder<W>,
    epoch: i64,
    /// Names of files that have several.
    names: HashMap<(u64, u64), Vec<u8>>,
}

impl<W: Write> Packer<W> {
    fn entry(&mut self, visit: &Visit<'_>) -> io::Result<()> {
        let stat = &visit.stat;
        let mut name = [b"./", visit.path.as_os_str().as_bytes()].concat();
        if stat.kind() == Kind::Dir && name.last() != Some(&b'/') {
            name.push(b'/');
        }
        if self.whiteouts && stat.kind() == Kind::CharDevice && stat.rdev == 0 {
            return self.whiteout(
                visit.path.parent().unwrap_or(Path::new("")),
                visit.name.as_bytes(),
            );
        }
        let mut header = self.header(visit);
        if stat.kind() != Kind::Dir && stat.nlink > 1 {
            let known = self
                .names
                .entry((stat.dev, stat.ino))
                .or_insert_with(|| name.clone())
                .clone();
            if known != name {
                header.set_entry_type(EntryType::Link);
                header.set_size(0);
                return self.append(&mut header, &name, &known, &mut io::empty());
            }
        }
        match stat.kind() {
            Kind::Dir => {
                let dir = open(visit)?;
                self.attributes(&attributes_of(&dir)?)?;
                self.append(&mut header, &name, b"", &mut io::empty())?;
                match self.whiteouts && is_opaque(&dir)? {
                    true => self.whiteout(visit.path, OPAQUE),
                    false => Ok(()),
                }
            }
            Kind::File => {
                let file = open(visit)?;
                self.attributes(&attributes_of(&file)?)?;
                let size = if self.is_of_host(visit.path) { 0 } else { stat.size };
                header.set_size(size);
                let mut data = Exactly {
                    file: File::from(file),
                    left: size,
                };
                self.append(&mut header, &name, b"", &mut data)
            }
            Kind::Symlink => {
                let target = at::read_link(visit.dir, visit.name)?;
                self.append(&mut header, &name, target.as_bytes(), &mut io::empty())
            }
            Kind::Socket | Kind::Unknown => {
                log::warn!("{:?} is a {:?}, it is left out", visit.path, stat.kind());
                Ok(())
            }
            _ => self.append(&mut header, &name, b"", &mut io::empty()),
        }
    }

    /// Files that the end of a build empties; layers of earlier steps have those of the machine that built.
    fn is_of_host(&self, path: &Path) -> bool {
        self.whiteouts && RESOLVER.iter().any(|file| path == Path::new(file))
    }

    /// The mark that `name` of a lower layer is gone (OCI image specification, "Layer").
    fn whiteout(&mut self, dir: &Path, name: &[u8]) -> io::Result<()> {
        let mut mark = b".wh.".to_vec();
        mark.extend_from_slice(name);
        let path = Path::new(".").join(dir).join(OsStr::from_bytes(&mark));
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(0);
        self.append(&mut header, path.as_os_str().as_bytes(), b"", &mut io::empty())
    }

    fn header(&self, visit: &Visit<'_>) -> Header {
        let stat = &visit.stat;
        let mut header = Header::new_gnu();
        header.set_entry_type(match stat.kind() {
            Kind::Dir => EntryType::Directory,
            Kind::Symlink => EntryType::Symlink,
            Kind::Fifo => EntryType::Fifo,
            Kind::CharDevice => EntryType::Char,
            Kind::BlockDevice => EntryType::Block,
            _ => EntryType::Regular,
        });
        header.set_mode(stat.permissions());
        header.set_uid(stat.uid.into());
        header.set_gid(stat.gid.into());
        header.set_mtime(u64::try_from(stat.mtime.sec.min(self.epoch)).unwrap_or(0));
        header.set_size(if stat.kind() == Kind::File { stat.size } else { 0 });
        if matches!(stat.kind(), Kind::CharDevice | Kind::BlockDevice) {
            // Both fields exist in GNU headers, and device numbers fit.
            let _ = header.set_device_major(nix::sys::stat::major(stat.rdev) as u32);
            let _ = header.set_device_minor(nix::sys::stat::minor(stat.rdev) as u32);
        }
        header
    }

    fn append(
        &mut self,
        header: &mut Header,
        name: &[u8],
        link: &[u8],
        data: &mut dyn Read,
    ) -> io::Result<()> {
        self.long(EntryType::GNULongName, name)?;
        self.long(EntryType::GNULongLink, link)?;
        if let Some(fields) = header.as_gnu_mut() {
            put(&mut fields.name, name);
            put(&mut fields.linkname, link);
        }
        header.set_cksum();
        self.tar.append(header, data)
    }

    /// A name that does not fit into the header goes before it.
    fn long(&mut self, kind: EntryType, name: &[u8]) -> io::Result<()> {
        if name.len() <= NAME_MAX {
            return Ok(());
        }
        let text = [name, b"\0"].concat();
        self.preceding(kind, LONG.as_bytes(), &text)
    }

    /// Extended attributes as pax records, each with its own length in it.
    fn attributes(&mut self, attributes: &[(Vec<u8>, Vec<u8>)]) -> io::Result<()> {
        let mut text = Vec::new();
        for (name, value) in attributes {
            let rest = [b" SCHILY.xattr.", name.as_slice(), b"=", value, b"\n"].concat();
            let mut length = rest.len();
            while length != rest.len() + length.to_string().len() {
                length = rest.len() + length.to_string().len();
            }
            text.extend(length.to_string().bytes());
            text.extend(rest);
        }
        match text.is_empty() {
            true => Ok(()),
            false => self.preceding(EntryType::XHeader, b"././@PaxHeader", &text),
        }
    }

    fn preceding(&mut self, kind: EntryType, name: &[u8], text: &[u8]) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(text.len() as u64);
        if let Some(fields) = header.as_gnu_mut() {
            put(&mut fields.name, name);
        }
        header.set_cksum();
        self.tar.append(&header, text)
    }
}

/// Whether the directory hides that of lower layers.
fn is_opaque(dir: &OwnedFd) -> io::Result<bool> {
    let value = xattr::get(dir.as_fd(), OsStr::new("user.overlay.opaque"))?;
    Ok(value.as_deref() == Some(b"y"))
}

/// As much as fits.
fn put(field: &mut [u8], text: &[u8]) {
    for (to, from) in field.iter_mut().zip(text) {
        *to = *from;
    }
}

/// A file of the size that the header says. Errors: it ends before.
struct Exactly {
    file: File,
    left: u64,
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if most == 0 {
            return Ok(0);
        }
        match self.file.read(buffer.get_mut(..most).unwrap_or_default())? {
            0 => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "it became shorter while it was read",
            )),
            n => {
                self.left -= n as u64;
                Ok(n)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vagga::archive::{unpack_tar, Options, Writer};
    use crate::vagga::storage::tests::Temp;
    use std::fs;
    use std::os::unix::fs::{symlink, MetadataExt, PermissionsExt};
    use std::path::Path;

    fn fill(dir: &Path) {
        let deep = dir.join("n".repeat(90)).join("m".repeat(90));
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("file"), vec![7; 100_000]).unwrap();
        fs::hard_link(deep.join("file"), dir.join("again")).unwrap();
        symlink("t".repeat(300), dir.join("link")).unwrap();
        fs::set_permissions(dir.join("again"), fs::Permissions::from_mode(0o4751)).unwrap();
        let root = Root::open(dir).unwrap();
        let name = std::ffi::OsStr::new("user.test");
        // Not every file system has them.
        let _ = root.set_xattr("again", name, &[b'='; 90]);
        let _ = root.set_xattr(".", name, b"top");
        root.chmod(".", 0o1751).unwrap();
        root.mknod("pipe", libc::S_IFIFO | 0o640, 0).unwrap();
    }

    #[test]
    fn archive_is_the_same_every_time_and_comes_back_whole() {
        let t = Temp::new("pack");
        let (from, to) = (t.0.join("from"), t.0.join("to"));
        for dir in [&from, &to] {
            fs::create_dir(dir).unwrap();
        }
        fill(&from);
        let root = Root::open(&from).unwrap();
        let bytes = archive(&root, 1000, Vec::new()).unwrap();
        assert_eq!(archive(&root, 1000, Vec::new()).unwrap(), bytes);
        let options = Options {
            top: true,
            ..Options::default()
        };
        let target = Root::open(&to).unwrap();
        let writer = Writer::new(&target, Path::new("/"), &options).unwrap();
        unpack_tar(bytes.as_slice(), writer).unwrap();
        assert_eq!(archive(&target, 1000, Vec::new()).unwrap(), bytes);
        let again = fs::metadata(to.join("again")).unwrap();
        assert_eq!(
            (again.mode() & 0o7777, again.nlink(), again.mtime()),
            (0o4751, 2, 1000)
        );
        assert_eq!(
            fs::read_link(to.join("link")).unwrap(),
            fs::read_link(from.join("link")).unwrap()
        );
    }

    #[test]
    fn every_compressor_makes_what_the_unpacker_reads() {
        let t = Temp::new("pack");
        fs::write(t.0.join("f"), "text").unwrap();
        let root = Root::open(&t.0).unwrap();
        let plain = archive(&root, 0, Vec::new()).unwrap();
        for (compression, magic) in [
            (Compression::Gzip, &b"\x1f\x8b"[..]),
            (Compression::Bzip2, b"BZh"),
            (Compression::Xz, b"\xfd7zXZ"),
            (Compression::Zstd, b"\x28\xb5\x2f\xfd"),
        ] {
            let path = std::env::temp_dir().join(format!("vagga-pack-{}", std::process::id()));
            compressed(&root, compression, 0, &File::create(&path).unwrap()).unwrap();
            let packed = fs::read(&path).unwrap();
            fs::remove_file(&path).unwrap();
            assert!(packed.starts_with(magic), "{compression:?}");
            let mut back = Vec::new();
            let mut reader = crate::vagga::archive::decompress(io::Cursor::new(packed)).unwrap();
            reader.read_to_end(&mut back).unwrap();
            assert_eq!(back, plain);
        }
    }
}
