//! Output logs that grew too large or too old are put aside as `FILE.1`, `FILE.2`…, while processes go on writing to the file they
//! have open: nobody has to open it again, and no process stands between them and it.
//!
//! The content is copied and then cut from the front of the file (`FALLOC_FL_COLLAPSE_RANGE`, fallocate(2): ext4, xfs), so that not a byte is
//! lost that is written meanwhile. The cut is at the end of a block: a line may begin in one file and end in the next, all
//! files one after the other are what was written. Other file systems can only truncate: what is written in the moment between the
//! copy and that is lost.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_derive::{Deserialize, Serialize};

use crate::sys::fs::collapse;

/// Blocks of all file systems that can do it divide this, bytes.
const BLOCK: u64 = 4096;

/// By sandbox: its files.
pub type Rules = BTreeMap<String, BTreeMap<PathBuf, Rule>>;

/// When a file is put aside, and how many are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Beyond so many bytes.
    pub size: Option<u64>,
    /// After this time.
    pub age: Option<Duration>,
    /// Old files to keep.
    pub keep: u32,
}

/// The files of all sandboxes.
#[derive(Debug, Default)]
pub struct Rotation {
    rules: BTreeMap<PathBuf, Rule>,
    /// When the content of each file began to be collected.
    since: BTreeMap<PathBuf, SystemTime>,
}

impl Rotation {
    /// The files there are now.
    pub fn set(&mut self, rules: Rules) {
        let rules: BTreeMap<_, _> = rules.into_values().flatten().collect();
        self.since.retain(|path, _| rules.contains_key(path));
        self.rules = rules;
    }

    /// Nothing has to be looked at, now or later.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Looks at all files; returns what could not be done, a line for each.
    pub fn look(&mut self, now: SystemTime) -> Vec<String> {
        let mut failed = Vec::new();
        for (path, rule) in &self.rules {
            let since = *self
                .since
                .entry(path.clone())
                .or_insert_with(|| began(path).unwrap_or(now));
            match rotate_if_due(path, rule, since, now) {
                Ok(false) => {}
                Ok(true) => {
                    self.since.insert(path.clone(), now);
                }
                Err(e) => failed.push(format!("rotation of {}: {e}", path.display())),
            }
        }
        failed
    }
}

/// The last rotation, or the birth of the file.
fn began(path: &Path) -> Option<SystemTime> {
    let last = fs::symlink_metadata(numbered(path, 1)).and_then(|about| about.modified());
    let birth = || fs::symlink_metadata(path).and_then(|about| about.created());
    last.or_else(|_| birth()).ok()
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(format!(".{number}"));
    name.into()
}

/// `true`: something was put aside. A file that is not there, or not one, is left alone.
fn rotate_if_due(path: &Path, rule: &Rule, since: SystemTime, now: SystemTime) -> io::Result<bool> {
    let about = match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        result => result?,
    };
    let large = rule.size.is_some_and(|size| about.size() > size);
    // A clock that was set back makes nothing old.
    let old = rule
        .age
        .is_some_and(|age| now.duration_since(since).is_ok_and(|passed| passed >= age));
    if !about.is_file() || about.size() == 0 || !(large || old) {
        return Ok(false);
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(path)?;
    put_aside(path, file, rule.keep)
}

fn put_aside(path: &Path, mut file: File, keep: u32) -> io::Result<bool> {
    let size = file.metadata()?.size();
    // Not to its very end, which the kernel does not do.
    let whole = size.saturating_sub(1) / BLOCK * BLOCK;
    let mut aside = match keep {
        0 => None,
        _ => Some(Aside::new(path)?),
    };
    if let Some(aside) = &mut aside {
        aside.add(&mut file, 0, whole)?;
    }
    let cut = match whole {
        0 => Err(io::ErrorKind::Unsupported.into()),
        _ => collapse(file.as_fd(), 0, whole),
    };
    if let Err(e) = cut {
        if !matches!(e.kind(), io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput) {
            return Err(e);
        }
        if let Some(aside) = &mut aside {
            let size = file.metadata()?.size();
            aside.add(&mut file, whole, size)?;
        }
        file.set_len(0)?;
    }
    match aside {
        Some(aside) => aside.finish(path, keep)?,
        None => shift(path, 0)?,
    }
    Ok(true)
}

/// The file that takes the content, under a name of its own until it is complete.
struct Aside {
    path: PathBuf,
    file: File,
    done: bool,
}

impl Aside {
    fn new(log: &Path) -> io::Result<Aside> {
        let mut name = log.as_os_str().to_os_string();
        name.push(".new");
        let path = PathBuf::from(name);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mode = fs::symlink_metadata(log)?.mode() & 0o777;
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path)?;
        Ok(Aside {
            path,
            file,
            done: false,
        })
    }

    /// Copies the bytes from one offset to another.
    fn add(&mut self, from: &mut File, begin: u64, end: u64) -> io::Result<()> {
        from.seek(SeekFrom::Start(begin))?;
        let wanted = end - begin;
        let copied = io::copy(&mut io::Read::take(&*from, wanted), &mut self.file)?;
        match copied == wanted {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn finish(mut self, log: &Path, keep: u32) -> io::Result<()> {
        shift(log, keep)?;
        fs::rename(&self.path, numbered(log, 1))?;
        self.done = true;
        Ok(())
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if !self.done {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes room for number 1; what would be above `keep` goes.
fn shift(log: &Path, keep: u32) -> io::Result<()> {
    let mut last = 0;
    while fs::symlink_metadata(numbered(log, last + 1)).is_ok() {
        last += 1;
    }
    for number in (1..=last).rev() {
        let old = numbered(log, number);
        match number >= keep {
            true => fs::remove_file(old)?,
            false => fs::rename(old, numbered(log, number + 1))?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fs::tests::Temp;
    use std::io::Write;

    const NOW: fn() -> SystemTime = SystemTime::now;

    fn rotation(path: &Path, size: Option<u64>, age: Option<Duration>, keep: u32) -> Rotation {
        let mut rotation = Rotation::default();
        let files = BTreeMap::from([(path.to_path_buf(), Rule { size, age, keep })]);
        rotation.set([("app".to_string(), files)].into());
        rotation
    }

    fn all(path: &Path, newest: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in (1..=newest).rev() {
            bytes.extend(fs::read(numbered(path, number)).unwrap_or_default());
        }
        bytes.extend(fs::read(path).unwrap());
        bytes
    }

    #[test]
    fn a_file_that_is_open_elsewhere_loses_nothing() {
        let dir = Temp::new();
        let path = dir.0.join("app.log");
        let mut writer = OpenOptions::new().append(true).create(true).open(&path).unwrap();
        let mut rotation = rotation(&path, Some(10_000), None, 3);
        let mut written = Vec::new();
        for number in 0..3000 {
            let line = format!("this is line {number}\n");
            writer.write_all(line.as_bytes()).unwrap();
            written.extend(line.into_bytes());
            if number % 100 == 0 {
                assert_eq!(rotation.look(NOW()), [""; 0]);
            }
        }
        assert!(fs::metadata(&path).unwrap().len() < 20_000);
        assert!(fs::symlink_metadata(numbered(&path, 4)).is_err());
        let kept = all(&path, 3);
        assert!(
            kept.len() > 20_000 && written.ends_with(&kept),
            "not the end of what was written"
        );
    }

    #[test]
    fn small_files_wait_for_their_time() {
        let dir = Temp::new();
        let path = dir.0.join("app.log");
        fs::write(&path, "x\n").unwrap();
        let day = Duration::from_secs(86_400);
        let mut rotation = rotation(&path, Some(100), Some(day), 2);
        rotation.look(NOW());
        assert!(fs::symlink_metadata(numbered(&path, 1)).is_err());
        rotation.look(NOW() + day + Duration::from_secs(9));
        assert_eq!(
            (fs::read(numbered(&path, 1)).unwrap(), fs::read(&path).unwrap()),
            (b"x\n".to_vec(), vec![])
        );
        // Nothing new: nothing to put aside.
        rotation.look(NOW() + 3 * day);
        assert!(fs::symlink_metadata(numbered(&path, 2)).is_err());
    }

    #[test]
    fn none_is_kept_when_none_is_wanted() {
        let dir = Temp::new();
        let path = dir.0.join("app.log");
        fs::write(&path, vec![b'x'; 50_000]).unwrap();
        fs::write(numbered(&path, 1), "old").unwrap();
        assert_eq!(rotation(&path, Some(100), None, 0).look(NOW()), [""; 0]);
        assert!(fs::metadata(&path).unwrap().len() <= BLOCK);
        assert_eq!(fs::read_dir(&dir.0).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_file_is_left_alone() {
        let dir = Temp::new();
        let (victim, path) = (dir.0.join("victim"), dir.0.join("app.log"));
        fs::write(&victim, vec![b'x'; 50_000]).unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        assert_eq!(rotation(&path, Some(100), None, 3).look(NOW()), [""; 0]);
        assert_eq!(fs::metadata(&victim).unwrap().len(), 50_000);
        assert_eq!(
            rotation(&dir.0.join("none"), Some(1), None, 3).look(NOW()),
            [""; 0]
        );
    }
}
