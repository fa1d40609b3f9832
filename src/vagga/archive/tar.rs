//! Tar streams.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ::tar::{Archive, Entry, EntryType};

use super::guard::Guard;
use super::writer::{Meta, Writer};
use super::{ArchiveError, Summary};

/// Unpacks a plain tar stream (ustar, GNU or pax) through `writer`.
///
/// Errors: broken archives, names that leave the destination, and whatever the file system answers, with the entry.
pub fn unpack_tar(stream: impl Read, mut writer: Writer) -> Result<Summary, ArchiveError> {
    let mut archive = Archive::new(Guard::new(stream));
    for entry in archive.entries()? {
        one(entry?, &mut writer)?;
    }
    // What follows the end marker is read, so that the checksum of the compressed stream is verified.
    std::io::copy(&mut archive.into_inner(), &mut std::io::sink())?;
    writer.finish()
}

fn one(mut entry: Entry<impl Read>, writer: &mut Writer) -> Result<(), ArchiveError> {
    let name = path(entry.path_bytes());
    if matches!(
        entry.header().entry_type(),
        EntryType::XGlobalHeader | EntryType::XHeader
    ) {
        return Ok(());
    }
    let Some(target) = writer.locate(&name)? else {
        return Ok(());
    };
    let meta = meta(&entry).map_err(|e| ArchiveError::entry(&name, &e))?;
    let link = entry.link_name_bytes().map(path);
    match (entry.header().entry_type(), link) {
        (EntryType::Directory, _) => writer.dir(&target, meta),
        _ if target.as_os_str().is_empty() => Err(ArchiveError::entry(&name, &"is not a directory")),
        (EntryType::Symlink, Some(link)) => writer.symlink(&target, &link, meta),
        (EntryType::Link, Some(link)) => writer.hard_link(&target, &link),
        (EntryType::Symlink | EntryType::Link, None) => {
            Err(ArchiveError::entry(&name, &"a link without a target"))
        }
        (EntryType::Fifo, _) => writer.fifo(&target, meta),
        (EntryType::Char | EntryType::Block, _) => {
            writer.device();
            Ok(())
        }
        // POSIX: unknown types are treated as regular files. Old archives mark directories by a trailing slash only.
        _ if entry.size() == 0 && name.as_os_str().as_bytes().ends_with(b"/") => writer.dir(&target, meta),
        _ => {
            let size = entry.size();
            writer.file(&target, meta, size, &mut entry)
        }
    }
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
