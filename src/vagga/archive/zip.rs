//! Zip files.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use ::zip::extra_fields::ExtraField;
use ::zip::read::ZipFile;
use ::zip::{DateTime, ZipArchive};

use super::writer::{Meta, Writer};
use super::{ArchiveError, Summary};
use crate::sys::calendar::Date;

/// Longest text of a symbolic link, PATH_MAX.
const LINK_MAX: u64 = 4096;
const S_IFMT: u32 = 0o170000;
const S_IFLNK: u32 = 0o120000;

/// Unpacks a zip file through `writer`. `subdir` of the writer's options is compared with the literal names.
///
/// Errors: broken or encrypted archives, unknown compression, names that leave the destination.
pub fn unpack_zip(file: File, mut writer: Writer) -> Result<Summary, ArchiveError> {
    let mut archive = ZipArchive::new(Window::new(file)?)
        .map_err(|e| ArchiveError::new(format!("can't read the zip archive: {e}")))?;
    for index in 0..archive.len() {
        let raw = archive
            .by_index_raw(index)
            .map_err(|e| ArchiveError::new(format!("entry {index}: {e}")))?;
        let (name, encrypted) = (name(&raw), raw.encrypted());
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

/// Bytes read at once.
const WINDOW: usize = 64 * 1024;

/// A file read by position through a window that small jumps stay in: the reader of zip files seeks a lot.
struct Window {
    file: File,
    size: u64,
    at: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    fn new(file: File) -> io::Result<Window> {
        Ok(Window {
            size: file.metadata()?.len(),
            file,
            at: 0,
            start: 0,
            bytes: Vec::new(),
        })
    }

    /// What the window has from the current position on.
    fn here(&self) -> &[u8] {
        let skip = self
            .at
            .checked_sub(self.start)
            .and_then(|n| usize::try_from(n).ok());
        skip.and_then(|n| self.bytes.get(n..)).unwrap_or_default()
    }
}

impl Read for Window {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.here().is_empty() {
            self.bytes.resize(WINDOW, 0);
            self.start = self.at;
            let n = self.file.read_at(&mut self.bytes, self.at);
            self.bytes.truncate(n.as_ref().copied().unwrap_or(0));
            n?;
        }
        let n = self.here().read(buf)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for Window {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(distance) => self.size.checked_add_signed(distance),
            SeekFrom::Current(distance) => self.at.checked_add_signed(distance),
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

/// The name as it is when it is UTF-8, whatever the flag of the entry says; else decoded from the old code page.
fn name<R: Read>(entry: &ZipFile<'_, R>) -> PathBuf {
    match std::str::from_utf8(entry.name_raw()) {
        Ok(_) => PathBuf::from(OsStr::from_bytes(entry.name_raw())),
        Err(_) => PathBuf::from(entry.name()),
    }
}

fn one<R: Read>(
    mut entry: ZipFile<'_, R>,
    name: &Path,
    target: PathBuf,
    writer: &mut Writer,
) -> Result<(), ArchiveError> {
    let is_link = entry.unix_mode().is_some_and(|mode| mode & S_IFMT == S_IFLNK);
    // Programs that know no modes leave zeros.
    let mode = entry.unix_mode().filter(|mode| mode & 0o777 != 0);
    let mtime = mtime(&entry);
    let meta = |default| Meta {
        mode: mode.unwrap_or(default) & 0o7777,
        owner: (0, 0),
        mtime,
    };
    if entry.is_dir() {
        return writer.dir(&target, meta(0o755));
    }
    if target.as_os_str().is_empty() {
        return Err(ArchiveError::entry(name, &"is not a directory"));
    }
    if is_link {
        let mut text = Vec::new();
        (&mut entry)
            .take(LINK_MAX)
            .read_to_end(&mut text)
            .map_err(|e| ArchiveError::io(name, &e))?;
        let text = PathBuf::from(OsString::from_vec(text));
        return writer.symlink(&target, &text, meta(0o777));
    }
    let size = entry.size();
    writer.file(&target, meta(0o644), size, &mut entry)
}

/// Seconds since the epoch: of the extended timestamp, else the time of MS-DOS, which has no zone, as UTC.
fn mtime<R: Read>(entry: &ZipFile<'_, R>) -> Option<i64> {
    let exact = entry.extra_data_fields().find_map(|field| match field {
        ExtraField::ExtendedTimestamp(times) => times.mod_time(),
        ExtraField::Ntfs(_) => None,
    });
    match exact {
        Some(seconds) => Some(i64::from(seconds)),
        None => entry.last_modified().map(|time| seconds(&time)),
    }
}

/// Seconds since the epoch of a time in UTC.
fn seconds(time: &DateTime) -> i64 {
    let date = Date {
        year: time.year().into(),
        month: time.month(),
        day: time.day(),
        hour: time.hour(),
        minute: time.minute(),
        second: time.second(),
    };
    date.to_seconds()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_dos() {
        for (year, month, day, expected) in [
            (1980, 1, 1, 315_532_800),
            (2000, 2, 29, 951_782_400),
            (2024, 12, 31, 1_735_603_200),
        ] {
            let time = DateTime::from_date_and_time(year, month, day, 1, 2, 4).unwrap();
            assert_eq!(seconds(&time), expected + 3724);
        }
    }
}
