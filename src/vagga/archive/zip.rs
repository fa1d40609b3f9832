//! Zip files.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use ::zip::read::ZipFile;
use ::zip::ZipArchive;

use super::writer::{Meta, Writer};
use super::{ArchiveError, Summary};

/// Longest text of a symbolic link, PATH_MAX.
const LINK_MAX: u64 = 4096;
const S_IFMT: u32 = 0o170000;
const S_IFLNK: u32 = 0o120000;

/// Unpacks a zip file through `writer`. `subdir` of the writer's options is compared with the literal names.
///
/// Errors: broken or encrypted archives, unknown compression, names that leave the destination.
pub fn unpack_zip(file: File, mut writer: Writer) -> Result<Summary, ArchiveError> {
    let mut archive =
        ZipArchive::new(file).map_err(|e| ArchiveError(format!("can't read the zip archive: {e}")))?;
    for index in 0..archive.len() {
        let raw = archive
            .by_index_raw(index)
            .map_err(|e| ArchiveError(format!("entry {index}: {e}")))?;
        let (name, encrypted) = (PathBuf::from(raw.name()), raw.encrypted());
        drop(raw);
        if encrypted {
            return Err(ArchiveError::entry(
                &name,
                &"is encrypted, which is not supported",
            ));
        }
        if let Some(target) = writer.locate(&name)? {
            let entry = archive
                .by_index(index)
                .map_err(|e| ArchiveError::entry(&name, &e))?;
            one(entry, &name, target, &mut writer)?;
        }
    }
    writer.finish()
}

fn one(
    mut entry: ZipFile<'_, File>,
    name: &Path,
    target: PathBuf,
    writer: &mut Writer,
) -> Result<(), ArchiveError> {
    let mode = entry.unix_mode();
    let meta = |default| Meta {
        mode: mode.unwrap_or(default) & 0o7777,
        owner: (0, 0),
        mtime: None,
    };
    if entry.is_dir() {
        return writer.dir(&target, meta(0o755));
    }
    if target.as_os_str().is_empty() {
        return Err(ArchiveError::entry(name, &"is not a directory"));
    }
    if mode.is_some_and(|mode| mode & S_IFMT == S_IFLNK) {
        let mut text = String::new();
        (&mut entry)
            .take(LINK_MAX)
            .read_to_string(&mut text)
            .map_err(|e| ArchiveError::entry(name, &e))?;
        return writer.symlink(&target, Path::new(&text), meta(0o777));
    }
    let size = entry.size();
    writer.file(&target, meta(0o644), size, &mut entry)
}
