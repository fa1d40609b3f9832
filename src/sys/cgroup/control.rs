//! Control files of a group, by the descriptor of its directory: never a path from the top, never a new file.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use nix::fcntl::OFlag;

use crate::sys::at;
use crate::sys::fs::Kind;

/// Nesting of groups that is looked into; what is deeper belongs to nobody we start.
const DEPTH: u32 = 64;

/// Writes a value in one call. Errors: ENOENT (the kernel has no such file), and what the kernel says to the value.
pub fn write(group: BorrowedFd<'_>, file: &str, value: &str) -> io::Result<()> {
    let file = File::from(at::open(group, OsStr::new(file), OFlag::O_WRONLY, 0)?);
    (&file).write_all(value.as_bytes())
}

/// Opens for reading.
pub fn open(group: BorrowedFd<'_>, file: &str) -> io::Result<File> {
    Ok(File::from(at::open(group, OsStr::new(file), OFlag::O_RDONLY, 0)?))
}

/// The whole text.
pub fn read(group: BorrowedFd<'_>, file: &str) -> io::Result<String> {
    let mut text = String::new();
    open(group, file)?.read_to_string(&mut text)?;
    Ok(text)
}

/// A file that holds one number.
pub fn number(group: BorrowedFd<'_>, file: &str) -> io::Result<u64> {
    let text = read(group, file)?;
    let invalid = |_| io::Error::new(io::ErrorKind::InvalidData, format!("{file} holds no number"));
    text.trim().parse().map_err(invalid)
}

/// The number after `key` in a text of lines `KEY NUMBER`.
pub fn field(text: &str, key: &str) -> Option<u64> {
    let value = |line: &str| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok();
    text.lines().find_map(value)
}

/// Ids (of our PID namespace) of the processes in the group and in groups below it.
pub fn processes(group: BorrowedFd<'_>) -> io::Result<Vec<i32>> {
    let mut found = Vec::new();
    collect(group, DEPTH, &mut found)?;
    Ok(found)
}

/// The same for the group alone; 0 stands for a process that our namespace cannot see.
pub fn members(group: BorrowedFd<'_>) -> io::Result<Vec<i32>> {
    let text = read(group, "cgroup.procs")?;
    Ok(text.lines().filter_map(|line| line.trim().parse().ok()).collect())
}

fn collect(group: BorrowedFd<'_>, depth: u32, found: &mut Vec<i32>) -> io::Result<()> {
    found.extend(members(group)?.into_iter().filter(|pid| *pid > 0));
    for name in children(group)? {
        match at::open_dir(group, &name) {
            Ok(child) if depth > 0 => gone_is_fine(collect(child.as_fd(), depth - 1, found))?,
            Ok(_) => {}
            Err(e) => gone_is_fine(Err(e))?,
        }
    }
    Ok(())
}

/// Names of the groups directly below.
pub fn children(group: BorrowedFd<'_>) -> io::Result<Vec<std::ffi::OsString>> {
    let dir = at::open_dir(group, OsStr::new("."))?;
    let entries = at::list(dir.as_fd())?;
    let dirs = entries.into_iter().filter(|entry| entry.kind == Kind::Dir);
    Ok(dirs.map(|entry| entry.name).collect())
}

/// Removes a group and those below it, none of which may have processes. One that is gone is fine. Errors: EBUSY.
pub fn remove(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<()> {
    remove_to(parent, name, DEPTH)
}

fn remove_to(parent: BorrowedFd<'_>, name: &OsStr, depth: u32) -> io::Result<()> {
    match at::rmdir(parent, name) {
        Err(e) if depth > 0 && has_content(&e) => {}
        done => return gone_is_fine(done),
    }
    let group = match at::open_dir(parent, name) {
        Err(e) => return gone_is_fine(Err(e)),
        Ok(group) => group,
    };
    for child in children(group.as_fd())? {
        remove_to(group.as_fd(), &child, depth - 1)?;
    }
    gone_is_fine(at::rmdir(parent, name))
}

fn has_content(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EBUSY | libc::ENOTEMPTY))
}

/// A group may disappear at any moment, ENODEV is what its open files then say.
pub fn gone_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if is_gone(&e) => Ok(()),
        result => result,
    }
}

/// The group (or the file asked for) does not exist.
pub fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_the_whole_key() {
        let text = "low 0\noom 3\noom_kill 7\noom_group_kill 1\npopulated x\n";
        assert_eq!(field(text, "oom_kill"), Some(7));
        assert_eq!(field(text, "oom"), Some(3));
        assert_eq!(field(text, "populated"), None);
        assert_eq!(field(text, "max"), None);
    }
}
