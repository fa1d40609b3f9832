//! `RUNTIME/master.pid`: one tree for each runtime directory. The lock on the file is what counts, the number is for
//! those who send signals.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use super::inspect;
use crate::sys::fs::{lock, lock_file, Lock};

/// How long the lock of a tree that was killed may outlive it: a knot that it was just starting has it until it is executed.
const BEQUEST: Duration = Duration::from_secs(2);

/// Held as long as the tree lives; the lock goes through an exec with its descriptor.
#[derive(Debug)]
pub struct PidFile(Lock);

impl PidFile {
    /// Takes the lock and writes our number.
    ///
    /// Errors: another tree runs, which is named; the file cannot be made.
    pub fn take(path: &Path) -> Result<PidFile, String> {
        let shown = path.display();
        let former = read(path).filter(|pid| *pid != std::process::id() as i32);
        let runs = |pid: i32| format!("a lithos_tree runs already, pid {pid} (by {shown})");
        let deadline = Instant::now() + BEQUEST;
        let lock = loop {
            let lock = lock(path, true, false).map_err(|e| format!("pid file {shown}: {e}"))?;
            let orphaned = former.is_some_and(|pid| !inspect::is_alive(pid));
            if lock.is_some() || !orphaned || Instant::now() >= deadline {
                break lock;
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        let Some(lock) = lock else {
            return Err(runs(former.unwrap_or_default()));
        };
        // A tree of an older version holds no lock.
        if let Some(pid) = former.filter(|pid| is_tree(*pid)) {
            return Err(runs(pid));
        }
        write(lock.file()).map_err(|e| format!("pid file {shown}: {e}"))?;
        Ok(PidFile(lock))
    }

    /// Takes over the descriptor of the former program; `None` when it does not hold the lock.
    pub fn inherit(fd: OwnedFd) -> Option<PidFile> {
        lock_file(File::from(fd), true).ok()?.map(PidFile)
    }

    /// For the next program.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The number in the file.
pub fn read(path: &Path) -> Option<i32> {
    let mut text = String::new();
    File::open(path).ok()?.take(64).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn is_tree(pid: i32) -> bool {
    inspect::is_alive(pid) && inspect::comm(pid).as_deref() == Some("lithos_tree")
}

fn write(mut file: &File) -> io::Result<()> {
    file.set_len(0)?;
    file.seek(io::SeekFrom::Start(0))?;
    writeln!(file, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_stale_numbers_do_not_count() {
        let t = crate::sys::fs::tests::Temp::new();
        let path = t.0.join("master.pid");
        std::fs::write(&path, "999999999 some text that is longer than our number\n").unwrap();
        let held = PidFile::take(&path).unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            format!("{}\n", std::process::id())
        );
        assert!(PidFile::take(&path).unwrap_err().contains("runs already"));
        let again = held.fd().try_clone_to_owned().unwrap();
        assert!(PidFile::inherit(again).is_some(), "the same lock");
        drop(held);
    }
}
