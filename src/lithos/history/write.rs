//! Appending a line, and moving full files aside first.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::path::Path;

use nix::fcntl::OFlag;

use super::{KEPT, LARGEST};
use crate::sys::{at, path::Root};

/// Appends a line (with its line end) to the history of a sandbox in `dir`, in one write. A file of more than
/// [`LARGEST`] bytes becomes `.1` before, `.1` becomes `.2`, and so on; the hundredth is given up.
///
/// Errors: of the file system. A full disk may leave part of a line, which the next call closes.
pub fn append(dir: &Path, sandbox: &str, line: &str) -> io::Result<()> {
    let dir = Root::open(dir)?.open_with(".", OFlag::O_RDONLY | OFlag::O_DIRECTORY, 0)?;
    let name = OsString::from(format!("{sandbox}.log"));
    let mut file = open(&dir, &name)?;
    if file.metadata()?.len() > LARGEST {
        shift(&dir, sandbox)?;
        file = open(&dir, &name)?;
    }
    match ends_a_line(&mut file)? {
        true => file.write_all(line.as_bytes()),
        false => file.write_all(["\n", line].concat().as_bytes()),
    }
}

fn open(dir: &impl AsFd, name: &OsString) -> io::Result<File> {
    let flags = OFlag::O_RDWR | OFlag::O_APPEND | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    Ok(File::from(at::open(dir.as_fd(), name, flags, 0o644)?))
}

fn ends_a_line(file: &mut File) -> io::Result<bool> {
    let length = file.metadata()?.len();
    let mut last = [b'\n'];
    if length > 0 {
        file.seek(SeekFrom::Start(length - 1))?;
        file.read_exact(&mut last)?;
    }
    Ok(last == [b'\n'])
}

fn shift(dir: &impl AsFd, sandbox: &str) -> io::Result<()> {
    let dir = dir.as_fd();
    let name = |n: u32| match n {
        0 => OsString::from(format!("{sandbox}.log")),
        n => OsString::from(format!("{sandbox}.log.{n}")),
    };
    for n in (0..KEPT).rev() {
        match at::rename(dir, &name(n), dir, &name(n + 1)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    fn dir(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("lithos-history-{name}-{}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        dir
    }

    #[test]
    fn lines_are_appended_and_half_ones_closed() {
        let dir = dir("append");
        append(&dir, "app", "one\n").unwrap();
        fs::OpenOptions::new()
            .append(true)
            .open(dir.join("app.log"))
            .unwrap()
            .write_all(b"tw")
            .unwrap();
        append(&dir, "app", "three\n").unwrap();
        assert_eq!(
            fs::read_to_string(dir.join("app.log")).unwrap(),
            "one\ntw\nthree\n"
        );
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn full_files_move_aside_and_a_hundred_are_kept() {
        let dir = dir("shift");
        for n in [1, 2, 99, 100] {
            fs::write(dir.join(format!("app.log.{n}")), n.to_string()).unwrap();
        }
        let full = fs::File::create(dir.join("app.log")).unwrap();
        full.set_len(LARGEST).unwrap();
        append(&dir, "app", "x\n").unwrap();
        assert!(!dir.join("app.log.3").exists(), "not full yet");
        append(&dir, "app", "y\n").unwrap();
        assert_eq!(fs::read_to_string(dir.join("app.log")).unwrap(), "y\n");
        assert_eq!(fs::read_to_string(dir.join("app.log.3")).unwrap(), "2");
        assert_eq!(fs::read_to_string(dir.join("app.log.100")).unwrap(), "99");
        assert!(fs::metadata(dir.join("app.log.1")).unwrap().len() > LARGEST);
        assert!(!dir.join("app.log.101").exists());
        fs::remove_dir_all(dir).unwrap();
    }
}
