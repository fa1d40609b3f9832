//! The metrics of this program: a pair of files that is continued after a restart and gone after an orderly end.
//!
//! A change of a value is one store into shared memory: no system call, no lock, nothing that could fail.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::meta::{self, Description, Kind, MAX_TEXT};
use super::with;
use crate::sys::mmap::{SharedWords, WORD};

/// Values files are whole pages, as mmap(2) gives them anyway.
const PAGE: usize = 4096;
/// Everybody may read metrics.
const MODE: u32 = 0o644;

/// A metric to write: what it is, and whether it only grows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metric {
    /// [`Kind::Counter`] or [`Kind::Signed`].
    pub kind: Kind,
    /// What it is about.
    pub description: Description,
}

impl Metric {
    /// A count since the files were made.
    pub fn counter(group: &str, metric: &str) -> Metric {
        Metric {
            kind: Kind::Counter,
            description: Description::new(group, metric),
        }
    }

    /// A current quantity.
    pub fn level(group: &str, metric: &str) -> Metric {
        Metric {
            kind: Kind::Signed,
            description: Description::new(group, metric),
        }
    }

    fn line(&self) -> String {
        let kind = match self.kind {
            Kind::Counter => "counter 8",
            _ => "level 8 signed",
        };
        format!("{kind}: {}\n", self.description.to_json())
    }
}

/// The pair of files of this program.
#[derive(Debug)]
pub struct Writer {
    prefix: PathBuf,
    words: SharedWords,
}

impl Writer {
    /// Opens `PREFIX.meta` and `PREFIX.values` for these metrics, a word each in this order.
    ///
    /// Files of the same metrics are continued in place. Else new ones replace them, in which counters that were there
    /// go on from their value and everything else is 0. Errors name the file.
    pub fn open(prefix: &Path, metrics: &[Metric]) -> io::Result<Writer> {
        let text: String = metrics.iter().map(Metric::line).collect();
        let old = Previous::read(prefix);
        let words = match old {
            Some(old) if old.text == text => old.words,
            old => create(prefix, &text, metrics, old)?,
        };
        Ok(Writer {
            prefix: prefix.to_path_buf(),
            words,
        })
    }

    /// The value of the metric at an index.
    pub fn get(&self, index: usize) -> u64 {
        self.words.load(index)
    }

    /// Sets a level (an `i64` in two's complement) or a counter.
    pub fn set(&self, index: usize, value: i64) {
        self.words.store(index, value as u64);
    }

    /// Adds to a counter.
    pub fn add(&self, index: usize, count: u64) {
        self.words
            .store(index, self.words.load(index).wrapping_add(count));
    }

    /// Removes the files: an orderly end has no metrics left behind. Description first, so that it never stands alone.
    pub fn remove(self) {
        let _ = fs::remove_file(with(&self.prefix, "meta"));
        let _ = fs::remove_file(with(&self.prefix, "values"));
    }
}

fn named(path: &Path) -> impl FnOnce(io::Error) -> io::Error + '_ {
    move |e| io::Error::new(e.kind(), format!("{}: {e}", path.display()))
}

/// What an earlier run left.
struct Previous {
    text: String,
    words: SharedWords,
}

impl Previous {
    /// `None` if there is nothing, or nothing that can be used.
    fn read(prefix: &Path) -> Option<Previous> {
        let mut text = String::new();
        let meta = open(&with(prefix, "meta"), false).ok()?;
        meta.take(MAX_TEXT as u64 + 1).read_to_string(&mut text).ok()?;
        let fields = meta::parse(&text).ok()?;
        let is_ours = |f: &meta::Field| f.is_readable() && f.length == WORD;
        if !fields.iter().all(is_ours) {
            return None;
        }
        let values = open(&with(prefix, "values"), true).ok()?;
        let words = SharedWords::map(&values, fields.len()).ok()?;
        Some(Previous { text, words })
    }

    /// Counters by their line.
    fn counters(&self) -> BTreeMap<&str, u64> {
        self.text
            .lines()
            .enumerate()
            .filter(|(_, line)| line.starts_with("counter "))
            .map(|(index, line)| (line, self.words.load(index)))
            .collect()
    }
}

/// Opens a regular file that is no link and that no other user owns.
fn open(path: &Path, write: bool) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(write)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(path)?;
    let about = file.metadata()?;
    let owner = std::os::unix::fs::MetadataExt::uid(&about);
    if about.is_file() && owner == nix::unistd::geteuid().as_raw() {
        return Ok(file);
    }
    Err(io::ErrorKind::InvalidData.into())
}

/// Writes both files anew: never a description without its values.
fn create(prefix: &Path, text: &str, metrics: &[Metric], old: Option<Previous>) -> io::Result<SharedWords> {
    let temporary = with(prefix, "tmp");
    let counters = old.as_ref().map(Previous::counters).unwrap_or_default();
    for stale in [&temporary, &with(prefix, "meta")] {
        match fs::remove_file(stale) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(named(stale)(e)),
            _ => (),
        }
    }
    let values = fresh(&temporary)?;
    let length = (metrics.len() * WORD).next_multiple_of(PAGE).max(PAGE);
    let words = values
        .set_len(length as u64)
        .and_then(|()| SharedWords::map(&values, metrics.len()))
        .map_err(named(&temporary))?;
    for (index, line) in text.lines().enumerate() {
        words.store(index, counters.get(line).copied().unwrap_or(0));
    }
    let target = with(prefix, "values");
    fs::rename(&temporary, &target).map_err(named(&target))?;
    let mut file = fresh(&temporary)?;
    file.write_all(text.as_bytes()).map_err(named(&temporary))?;
    let target = with(prefix, "meta");
    fs::rename(&temporary, &target).map_err(named(&target))?;
    Ok(words)
}

fn fresh(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(path)
        .map_err(named(path))
}

#[cfg(test)]
mod tests {
    use super::super::values::{decode, Value};
    use super::*;

    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Dir {
            let dir = std::env::temp_dir().join(format!("metrics.{name}.{}", std::process::id()));
            let _ = fs::remove_dir_all(&dir);
            fs::create_dir(&dir).unwrap();
            Dir(dir)
        }

        fn prefix(&self) -> PathBuf {
            self.0.join("app.1")
        }

        /// What a reader sees.
        fn read(&self) -> Vec<Value> {
            let text = fs::read_to_string(self.0.join("app.1.meta")).unwrap();
            let bytes = fs::read(self.0.join("app.1.values")).unwrap();
            assert_eq!(bytes.len(), PAGE);
            let values = decode(&meta::parse(&text).unwrap(), &bytes).unwrap();
            values.into_iter().map(|(_, v)| v).collect()
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn metrics() -> Vec<Metric> {
        vec![Metric::counter("a", "started"), Metric::level("a", "running")]
    }

    #[test]
    fn readers_see_counts_and_levels() {
        let dir = Dir::new("see");
        let writer = Writer::open(&dir.prefix(), &metrics()).unwrap();
        writer.add(0, 2);
        writer.add(0, 1);
        writer.set(1, -4);
        assert_eq!(dir.read(), [Value::Counter(3), Value::Integer(-4)]);
        writer.remove();
        assert_eq!(fs::read_dir(&dir.0).unwrap().count(), 0);
    }

    #[test]
    fn the_same_metrics_go_on_in_the_same_files() {
        let dir = Dir::new("same");
        Writer::open(&dir.prefix(), &metrics()).unwrap().add(0, 5);
        let before = fs::metadata(dir.0.join("app.1.values")).unwrap();
        let writer = Writer::open(&dir.prefix(), &metrics()).unwrap();
        let after = fs::metadata(dir.0.join("app.1.values")).unwrap();
        let inode = |m: &fs::Metadata| std::os::unix::fs::MetadataExt::ino(m);
        assert_eq!((writer.get(0), inode(&before)), (5, inode(&after)));
    }

    #[test]
    fn counters_survive_a_change_of_the_set() {
        let dir = Dir::new("change");
        let writer = Writer::open(&dir.prefix(), &metrics()).unwrap();
        writer.add(0, 7);
        writer.set(1, 3);
        let mut more = vec![Metric::counter("b", "started")];
        more.extend(metrics());
        Writer::open(&dir.prefix(), &more).unwrap();
        let expected = [Value::Counter(0), Value::Counter(7), Value::Integer(0)];
        assert_eq!(dir.read(), expected);
    }

    #[test]
    fn planted_files_are_replaced() {
        let dir = Dir::new("planted");
        let victim = dir.0.join("victim");
        fs::write(&victim, "precious").unwrap();
        for name in ["app.1.meta", "app.1.values", "app.1.tmp"] {
            std::os::unix::fs::symlink(&victim, dir.0.join(name)).unwrap();
        }
        Writer::open(&dir.prefix(), &metrics()).unwrap().add(0, 1);
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        assert_eq!(dir.read(), [Value::Counter(1), Value::Integer(0)]);
        // Values that are too short for their description are not mapped.
        fs::write(dir.0.join("app.1.values"), [0; 4]).unwrap();
        Writer::open(&dir.prefix(), &metrics()).unwrap().add(0, 1);
        assert_eq!(dir.read(), [Value::Counter(1), Value::Integer(0)]);
    }

    #[test]
    fn errors_name_the_file() {
        let error = Writer::open(Path::new("/proc/none/x"), &metrics()).unwrap_err();
        assert!(error.to_string().contains("/proc/none/x.tmp"), "{error}");
    }
}
