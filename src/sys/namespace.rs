//! Namespaces of the calling process, and the id maps of user namespaces (user_namespaces(7)).

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::process::{self, Child, Namespaces, Status, WaitOptions};

/// Most bytes of the helpers' messages that are kept.
const MAX_MESSAGE: u64 = 4096;

/// One line of a map: `count` consecutive ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdMapping {
    /// First id in the new namespace.
    pub inside: u32,
    /// First id in the namespace of the process that writes the map.
    pub outside: u32,
    /// How many ids, at least one.
    pub count: u32,
}

/// A uid or gid map; ranges do not overlap.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct IdMap(pub Vec<IdMapping>);

impl IdMap {
    /// Id inside for an id outside; `None` = not mapped.
    pub fn to_inside(&self, outside: u32) -> Option<u32> {
        self.0
            .iter()
            .find_map(|m| shift(outside, m.outside, m.inside, m.count))
    }

    /// Id outside for an id inside; `None` = not mapped.
    pub fn to_outside(&self, inside: u32) -> Option<u32> {
        self.0
            .iter()
            .find_map(|m| shift(inside, m.inside, m.outside, m.count))
    }

    /// The same map with lines that each fit into one line of `parent`, the map of the namespace that the outside ids
    /// belong to: the kernel refuses others (EPERM). What `parent` lacks stays as it is.
    pub fn split_by(&self, parent: &IdMap) -> IdMap {
        let mut lines = Vec::new();
        for m in &self.0 {
            let mut rest = *m;
            while rest.count > 0 {
                let room = parent.0.iter().find_map(|p| {
                    let offset = rest.outside.checked_sub(p.inside)?;
                    p.count.checked_sub(offset).filter(|room| *room > 0)
                });
                let count = rest.count.min(room.unwrap_or(rest.count));
                lines.push(IdMapping { count, ..rest });
                rest.inside = rest.inside.wrapping_add(count);
                rest.outside = rest.outside.wrapping_add(count);
                rest.count -= count;
            }
        }
        IdMap(lines)
    }

    /// Reads the format of `/proc/PID/uid_map`. Errors: InvalidData naming the line.
    pub fn parse(text: &str) -> io::Result<IdMap> {
        let mut map = Vec::new();
        for (n, line) in text.lines().enumerate() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let numbers: Option<Vec<u32>> = words.iter().map(|w| w.parse().ok()).collect();
            match numbers.as_deref() {
                Some([]) => {}
                Some(&[inside, outside, count]) if fits(inside, count) && fits(outside, count) => {
                    map.push(IdMapping {
                        inside,
                        outside,
                        count,
                    });
                }
                _ => {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        format!("line {}: not an id map: {line:?}", n + 1),
                    ));
                }
            }
        }
        Ok(IdMap(map))
    }
}

/// At least one id, and the last one still a number.
fn fits(start: u32, count: u32) -> bool {
    count > 0 && start.checked_add(count - 1).is_some()
}

fn shift(id: u32, from: u32, to: u32, count: u32) -> Option<u32> {
    let offset = id.checked_sub(from)?;
    (offset < count).then(|| to.wrapping_add(offset))
}

/// The kernel's format: `INSIDE OUTSIDE COUNT` a line.
impl fmt::Display for IdMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for m in &self.0 {
            writeln!(f, "{} {} {}", m.inside, m.outside, m.count)?;
        }
        Ok(())
    }
}

/// How maps get into the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MapMethod {
    /// Written by this process, which has CAP_SETUID and CAP_SETGID in its namespace.
    Direct,
    /// Written by the set-user-id programs of the package `uidmap`.
    Helpers {
        /// Path of newuidmap(1).
        newuidmap: PathBuf,
        /// Path of newgidmap(1).
        newgidmap: PathBuf,
    },
    /// One id each, the caller's own; needs no privilege, but setgroups(2) must be denied first.
    SingleId,
}

/// Moves this process into new namespaces (unshare(2)).
pub fn unshare(ns: Namespaces) -> io::Result<()> {
    // SAFETY: integer argument only; the process is single-threaded.
    process::check(unsafe { libc::unshare(ns.bits() as libc::c_int) })
}

/// Moves this process into the namespace of `fd` (setns(2)); `ns` must name its kind, empty = any.
pub fn setns(fd: BorrowedFd<'_>, ns: Namespaces) -> io::Result<()> {
    // SAFETY: integer arguments only; the process is single-threaded.
    process::check(unsafe { libc::setns(fd.as_raw_fd(), ns.bits() as libc::c_int) })
}

/// The user namespace that a namespace belongs to (ioctl_nsfs(2), NS_GET_USERNS, Linux 4.9).
/// Errors: EPERM when that is outside of our own.
pub fn owner(ns: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    /// `_IO(NSIO, 0x1)` of linux/nsfs.h.
    const NS_GET_USERNS: libc::c_ulong = 0xb701;
    // SAFETY: the request takes no argument and returns a new descriptor.
    let fd = unsafe { libc::ioctl(ns.as_raw_fd(), NS_GET_USERNS as _) };
    process::check(fd)?;
    // SAFETY: the kernel has just given us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Writes both maps of the user namespace of `pid`. Each map can be written once.
///
/// Errors say which file or program failed and why.
pub fn write_maps(pid: i32, uid: &IdMap, gid: &IdMap, how: &MapMethod) -> io::Result<()> {
    match how {
        MapMethod::Direct => write_both(pid, uid, gid),
        MapMethod::SingleId => {
            match write_proc(pid, "setgroups", "deny") {
                // Kernels before 3.19 have no such file and ask for nothing.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                result => result?,
            }
            write_both(pid, uid, gid)
        }
        MapMethod::Helpers { newuidmap, newgidmap } => {
            let (read, write) = process::pipe()?;
            // Both are started before either is waited for: each takes longer than everything we do ourselves.
            let first = start_helper(newuidmap, pid, uid, write.as_fd())?;
            let second = start_helper(newgidmap, pid, gid, write.as_fd());
            drop(write);
            let mut messages = String::new();
            let _ = File::from(read).take(MAX_MESSAGE).read_to_string(&mut messages);
            let first = finish_helper(newuidmap, &first, &messages);
            let second = second.and_then(|child| finish_helper(newgidmap, &child, &messages));
            first.and(second)
        }
    }
}

fn write_both(pid: i32, uid: &IdMap, gid: &IdMap) -> io::Result<()> {
    write_proc(pid, "gid_map", &gid.to_string())?;
    write_proc(pid, "uid_map", &uid.to_string())
}

/// The kernel takes a map in a single write only.
fn write_proc(pid: i32, name: &str, content: &str) -> io::Result<()> {
    let path = format!("/proc/{pid}/{name}");
    OpenOptions::new()
        .write(true)
        .open(&path)
        .and_then(|mut file| file.write_all(content.as_bytes()))
        .map_err(|e| io::Error::new(e.kind(), format!("can't write {path}: {e}")))
}

/// Starts `PROGRAM PID INSIDE OUTSIDE COUNT …` with its messages going into `messages`.
fn start_helper(program: &Path, pid: i32, map: &IdMap, messages: BorrowedFd<'_>) -> io::Result<Child> {
    let mut argv = vec![program.as_os_str().to_owned(), pid.to_string().into()];
    for m in &map.0 {
        argv.extend([m.inside, m.outside, m.count].map(|n| n.to_string().into()));
    }
    let start = process::Start {
        program,
        argv: &argv,
        env: &[],
        descriptors: &[(messages, 2)],
        ignored: 0,
    };
    process::spawn(&start)
        .map_err(|e| io::Error::new(e.kind(), format!("can't start {}: {e}", program.display())))
}

fn finish_helper(program: &Path, child: &Child, messages: &str) -> io::Result<()> {
    match process::wait(Some(child.pid), WaitOptions::default())? {
        Some((_, Status::Exited(0))) => Ok(()),
        other => {
            let messages: Vec<&str> = messages
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .collect();
            let code = other.map_or(0, |(_, status)| status.exit_code());
            Err(io::Error::other(format!(
                "{} failed (status {code}): {}",
                program.display(),
                messages.join("; ")
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn map_prints_and_parses_as_the_kernel_does() {
        let map =
            IdMap::parse("         0       1000          1\n         1     100000      65535\n").unwrap();
        assert_eq!(map.to_string(), "0 1000 1\n1 100000 65535\n");
        assert_eq!(map.to_outside(1), Some(100_000));
        assert_eq!(map.to_outside(65_536), None);
        assert_eq!(map.to_inside(1000), Some(0));
        assert_eq!(map.to_inside(165_534), Some(65_535));
        assert_eq!(map.to_inside(0), None);
        assert_eq!(
            IdMap::parse("0 0 4294967295").unwrap().to_inside(4_294_967_294),
            Some(4_294_967_294)
        );
    }

    #[test]
    fn garbage_is_refused_with_its_line() {
        for bad in ["0 0", "0 0 0", "a b c", "0 4294967295 2", "0 0 1 1", "-1 0 1"] {
            let e = IdMap::parse(&format!("0 0 1\n{bad}\n")).unwrap_err();
            assert!(e.to_string().contains("line 2"), "{bad}: {e}");
        }
    }

    #[test]
    fn lines_are_split_where_the_parent_has_another_line() {
        let map = |text| IdMap::parse(text).unwrap();
        let parent = map("0 1000 1\n1 200000 65535\n");
        assert_eq!(map("0 0 65536").split_by(&parent), map("0 0 1\n1 1 65535\n"));
        assert_eq!(map("5 10 3").split_by(&parent), map("5 10 3"));
        assert_eq!(
            map("0 65530 20").split_by(&parent),
            map("0 65530 6\n6 65536 14\n"),
            "what the parent lacks stays"
        );
        assert_eq!(
            map("0 0 4294967295").split_by(&map("0 0 4294967295")),
            map("0 0 4294967295")
        );
    }

    proptest! {
        #[test]
        fn inside_and_outside_are_inverse(start in 0u32..1000, out in 0u32..1000, n in 1u32..1000, id in 0u32..3000) {
            let map = IdMap(vec![IdMapping { inside: start, outside: out, count: n }]);
            if let Some(outside) = map.to_outside(id) {
                prop_assert_eq!(map.to_inside(outside), Some(id));
            } else {
                prop_assert!(id < start || id >= start + n);
            }
        }

        #[test]
        fn parse_never_panics(text in ".{0,200}") {
            let _ = IdMap::parse(&text);
        }
    }
}
