//! Tar streams.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::io::{self, Cursor, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ::tar::{Archive, Entry, EntryType, Header};

use super::clerk::{Clerk, Everywhere, Seen, What};
use super::guard::Guard;
use super::sparse::{Expanded, Sparse, SparseRecords};
use super::writer::{normalize, Meta, Writer};
use super::{ArchiveError, Summary};

/// Bytes of a header, and unit of everything in an archive.
const BLOCK: usize = 512;
/// Pax records that carry extended attributes (star, GNU tar, bsdtar).
const ATTRIBUTE: &[u8] = b"SCHILY.xattr.";

/// Unpacks a plain tar stream (ustar, GNU or pax) through `writer`.
///
/// Errors: broken archives, names that leave the destination, and whatever the file system answers, with the entry.
pub fn unpack_tar(stream: impl Read, writer: Writer) -> Result<Summary, ArchiveError> {
    unpack_tar_with(stream, writer, &mut Everywhere)
}

/// The same, entry by entry as `clerk` decides.
pub fn unpack_tar_with(
    stream: impl Read,
    mut writer: Writer,
    clerk: &mut dyn Clerk,
) -> Result<Summary, ArchiveError> {
    let mut archive = open(stream)?;
    for entry in archive.entries()? {
        one(entry?, &mut writer, clerk)?;
    }
    // What follows the end marker is read, so that the checksum of the compressed stream is verified.
    io::copy(&mut archive.into_inner(), &mut io::sink())?;
    writer.finish()
}

/// Calls `see` with every name of the archive, without its leading `/` and `./`.
///
/// Errors: broken archives, names with `..`, and what `see` answers.
pub fn names(
    stream: impl Read,
    mut see: impl FnMut(&Path) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    for entry in open(stream)?.entries()? {
        see(&normalize(&path(entry?.path_bytes()))?)?;
    }
    Ok(())
}

/// Checks the first header and puts the guard in front of the reader.
fn open<R: Read>(mut stream: R) -> Result<Archive<impl Read>, ArchiveError> {
    let mut first = Vec::with_capacity(BLOCK);
    (&mut stream).take(BLOCK as u64).read_to_end(&mut first)?;
    check_header(&first)?;
    Ok(Archive::new(Guard::new(Cursor::new(first).chain(stream))))
}

/// Refuses what is no tar archive by the checksum of its first header. Nothing at all is an empty archive.
fn check_header(block: &[u8]) -> Result<(), ArchiveError> {
    if block.iter().all(|byte| *byte == 0) {
        return Ok(());
    }
    let header: Option<&[u8; BLOCK]> = block.try_into().ok();
    let sound = header
        .map(|block| Header::from_byte_slice(block))
        .is_some_and(|header| {
            let sum = block.iter().enumerate().map(|(at, byte)| match at {
                148..156 => u32::from(b' '),
                _ => u32::from(*byte),
            });
            header.cksum().is_ok_and(|cksum| cksum == sum.sum::<u32>())
        });
    match sound {
        true => Ok(()),
        false if block.starts_with(b"PK") => Err(ArchiveError::new("this is a zip file: use !Unzip")),
        false => Err(ArchiveError::new(
            "unexpected compression, or not a tar archive (known are gzip, xz, bzip2, zstd and plain tar)",
        )),
    }
}

fn one(mut entry: Entry<impl Read>, writer: &mut Writer, clerk: &mut dyn Clerk) -> Result<(), ArchiveError> {
    let kind = entry.header().entry_type();
    if matches!(kind, EntryType::XGlobalHeader | EntryType::XHeader) || kind.as_byte() == VOLUME_LABEL {
        return Ok(());
    }
    let name = path(entry.path_bytes());
    let records = records(&mut entry).map_err(|e| ArchiveError::io(&name, &e))?;
    let name = records.sparse.as_ref().map_or(name, |sparse| sparse.name.clone());
    let Some(target) = writer.locate(&name)? else {
        return Ok(());
    };
    let meta = meta(&entry).map_err(|e| ArchiveError::entry(&name, &e))?;
    let link = entry.link_name_bytes().map(path);
    let what = what(
        kind,
        link.as_deref(),
        entry.size() == 0 && name.as_os_str().as_bytes().ends_with(b"/"),
    );
    let Some(target) = clerk.place(target, &what, &meta)? else {
        return Ok(());
    };
    match (kind, link) {
        (EntryType::Directory, _) => writer.dir(&target, meta),
        _ if kind.as_byte() == DUMPED_DIR => writer.dir(&target, meta),
        _ if target.as_os_str().is_empty() => Err(ArchiveError::entry(&name, &"is not a directory")),
        (EntryType::Symlink, Some(link)) => writer.symlink(&target, &link, meta),
        (EntryType::Link, Some(link)) => return writer.hard_link(&target, &link),
        (EntryType::Symlink | EntryType::Link, None) => {
            Err(ArchiveError::entry(&name, &"a link without a target"))
        }
        (EntryType::Fifo, _) => writer.fifo(&target, meta),
        (EntryType::Char | EntryType::Block, _) => {
            return writer.device(&target);
        }
        _ if kind.as_byte() == CONTINUED => Err(ArchiveError::entry(
            &name,
            &"begins in another volume of the archive",
        )),
        // POSIX: unknown types are treated as regular files. Old archives mark directories by a trailing slash only.
        _ if entry.size() == 0 && name.as_os_str().as_bytes().ends_with(b"/") => writer.dir(&target, meta),
        _ => match records.sparse {
            Some(sparse) => Expanded::new(&mut entry, sparse.size)
                .map_err(|e| ArchiveError::io(&name, &e))
                .and_then(|inner| writer.file(&target, meta, sparse.size, &mut Seen { inner, clerk })),
            None => {
                let size = entry.size();
                writer.file(
                    &target,
                    meta,
                    size,
                    &mut Seen {
                        inner: &mut entry,
                        clerk,
                    },
                )
            }
        },
    }?;
    for (attribute, value) in &records.attributes {
        writer.attribute(&target, attribute, value)?;
    }
    Ok(())
}

/// `dir_like`: an empty entry whose name ends in a slash.
fn what(kind: EntryType, link: Option<&Path>, dir_like: bool) -> What {
    let link = link.unwrap_or(Path::new("")).to_owned();
    match kind {
        EntryType::Directory => What::Dir,
        EntryType::Symlink => What::Symlink(link),
        EntryType::Link => What::HardLink(link),
        EntryType::Fifo | EntryType::Char | EntryType::Block => What::Special,
        _ if kind.as_byte() == DUMPED_DIR || dir_like => What::Dir,
        _ => What::File,
    }
}

/// GNU tar: the name of the archive, no file.
const VOLUME_LABEL: u8 = b'V';
/// GNU tar: a directory, its content a list of names.
const DUMPED_DIR: u8 = b'D';
/// GNU tar: the rest of a file whose beginning is on another tape.
const CONTINUED: u8 = b'M';

/// What pax records say beyond that which the tar crate applies.
#[derive(Default)]
struct Records {
    sparse: Option<Sparse>,
    attributes: Vec<(OsString, Vec<u8>)>,
}

fn records(entry: &mut Entry<impl Read>) -> io::Result<Records> {
    let mut found = Records::default();
    let mut sparse = SparseRecords::default();
    for record in entry.pax_extensions()?.into_iter().flatten() {
        let record = record?;
        let (key, value) = (record.key_bytes(), record.value_bytes());
        if let Some(name) = key.strip_prefix(ATTRIBUTE) {
            // Others belong to the machine where the archive was made.
            if name == b"security.capability" || name.starts_with(b"user.") {
                let name = OsStr::from_bytes(name).to_owned();
                found.attributes.push((name, value.to_owned()));
            }
        } else if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
            sparse.add(key, value);
        }
    }
    found.sparse = sparse.finish()?;
    Ok(found)
}

fn path(bytes: Cow<'_, [u8]>) -> PathBuf {
    Path::new(OsStr::from_bytes(&bytes)).to_owned()
}

/// Fields that old archives leave blank count as 0, as in GNU tar.
fn meta(entry: &Entry<impl Read>) -> std::io::Result<Meta> {
    let header = entry.header();
    let id =
        |id: u64| u32::try_from(id).map_err(|_| std::io::Error::other(format!("owner {id} is out of range")));
    Ok(Meta {
        mode: header.mode()? & 0o7777,
        owner: (id(header.uid().unwrap_or(0))?, id(header.gid().unwrap_or(0))?),
        mtime: header.mtime().ok().and_then(|time| i64::try_from(time).ok()),
    })
}
