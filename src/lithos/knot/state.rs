//! State directories: `STATE/SB/PROC.N`, fresh at every start, removed after the end.
//!
//! A container may have had one mounted and filled it with links: nothing here follows any, and nothing is reused.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::fcntl::OFlag;

use super::design::{Directory, Generated};
use crate::lithos::config::Master;
use crate::sys::at;
use crate::sys::fs::remove_at;
use crate::sys::path::Root;

/// Makes the state directory of `name` (`SB/PROC.N`) below `base` anew, mode 1777.
///
/// The directory of the sandbox may go at any moment, until something is in it: whoever removes the last state directory
/// of a sandbox (the tree, after an end) removes it too. Then both are made again.
pub fn make(base: &Path, name: &str) -> io::Result<Root> {
    const TRIES: u32 = 1000;
    let (sandbox, instance) = split(name)?;
    let top = Root::open(base)?;
    let mut tries = 0;
    let dir = loop {
        match make_below(&top, sandbox, instance.as_ref()) {
            Err(e) if e.kind() == io::ErrorKind::NotFound && tries < TRIES => tries += 1,
            made => break made?,
        }
    };
    at::chmod(dir.as_fd(), instance.as_ref(), 0o1777)?;
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
    let fd = at::open(dir.as_fd(), instance.as_ref(), flags, 0)?;
    Ok(Root::from_fd(fd, base.join(name)))
}

/// The directory of the sandbox, with a new, empty one for the instance in it. Errors: `NotFound` if it was removed
/// meanwhile.
fn make_below(top: &Root, sandbox: &str, instance: &OsStr) -> io::Result<OwnedFd> {
    match top.mkdir(sandbox, 0o755) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    let dir = nofollow(top, sandbox)?;
    remove_at(dir.as_fd(), instance)?;
    at::mkdir(dir.as_fd(), instance, 0o700)?;
    Ok(dir)
}

/// Removes it, with whatever is in it; the directory of the sandbox too when it is empty. What is missing is fine.
pub fn remove(base: &Path, name: &str) -> io::Result<()> {
    let (sandbox, instance) = split(name)?;
    let gone = |e: io::Error| match e.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(e),
    };
    let top = match Root::open(base) {
        Err(e) => return gone(e),
        Ok(top) => top,
    };
    match nofollow(&top, sandbox) {
        Err(e) => return gone(e),
        Ok(dir) => remove_at(dir.as_fd(), instance.as_ref())?,
    }
    // Not empty while other instances live.
    let _ = top.rmdir(sandbox);
    Ok(())
}

/// Makes the directories of the machine that are missing, one level each, as the tree and `lithos_cmd` do.
///
/// Errors: one line that names the directory; something else in its place is one.
pub fn make_bases(master: &Master) -> Result<(), String> {
    let state = master.state_dir();
    let mount = master.mount_dir();
    let mut all: Vec<&Path> = vec![&master.runtime_dir, &state, &mount, &master.default_log_dir];
    all.extend(master.config_log_dir.as_deref());
    all.push(&master.stdio_log_dir);
    for dir in all {
        match std::fs::create_dir(dir) {
            Err(_) if dir.is_dir() => {}
            made => made.map_err(|e| format!("directory {}: {e}", dir.display()))?,
        }
    }
    Ok(())
}

fn split(name: &str) -> io::Result<(&str, &str)> {
    let plain = |part: &str| !part.is_empty() && !part.contains('/') && part != "." && part != "..";
    match name.split_once('/') {
        Some((sandbox, instance)) if plain(sandbox) && plain(instance) => Ok((sandbox, instance)),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{name:?} is no name of a container"),
        )),
    }
}

fn nofollow(top: &Root, sandbox: &str) -> io::Result<OwnedFd> {
    at::open(
        top.as_fd(),
        sandbox.as_ref(),
        OFlag::O_RDONLY | OFlag::O_DIRECTORY,
        0,
    )
}

/// Makes a directory that a volume shows, and gives it its owner and mode.
pub fn make_directory(directory: &Directory) -> io::Result<()> {
    let root = Root::open(&directory.beneath)?;
    let path = directory.path.as_path();
    if !directory.always && root.stat(path).is_ok() {
        return Ok(());
    }
    root.mkdir_all(path, 0o755)?;
    // By descriptor: what was resolved is what is changed.
    let fd = root.open_dir(path)?;
    let here = OsStr::new(".");
    at::chown(fd.as_fd(), here, Some(directory.uid), Some(directory.gid))?;
    at::chmod(fd.as_fd(), here, directory.mode)
}

/// Writes a generated file into a fresh state directory and opens it for mounting. It is root's: a container that has
/// the directory mounted can take the name away, not change what is mounted, and the next start begins anew.
pub fn write_file(state: &Root, file: &Generated) -> io::Result<OwnedFd> {
    let mut made = state.create_new(file.name, file.mode)?;
    made.write_all(&file.content)?;
    let mode = nix::sys::stat::Mode::from_bits_truncate(file.mode & 0o777);
    nix::sys::stat::fchmod(&made, mode)?;
    Ok(made.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fs::tests::Temp;
    use std::fs;
    use std::os::unix::fs::{symlink, MetadataExt};

    #[test]
    fn directory_is_fresh_and_goes_with_what_is_in_it() {
        let t = Temp::new();
        make(&t.0, "app/web.0").unwrap();
        let dir = t.0.join("app/web.0");
        assert_eq!(fs::metadata(&dir).unwrap().mode() & 0o7777, 0o1777);
        fs::write(t.0.join("victim"), "kept").unwrap();
        symlink(t.0.join("victim"), dir.join("hosts")).unwrap();
        symlink("/nowhere", dir.join("dangling")).unwrap();
        let state = make(&t.0, "app/web.0").unwrap();
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
        let file = Generated {
            name: "hosts",
            target: None,
            mode: 0o644,
            content: b"x".to_vec(),
        };
        write_file(&state, &file).unwrap();
        assert_eq!(fs::read(t.0.join("victim")).unwrap(), b"kept");
        assert_eq!(fs::read(dir.join("hosts")).unwrap(), b"x");
        remove(&t.0, "app/web.0").unwrap();
        assert!(!t.0.join("app").exists());
        remove(&t.0, "app/web.0").unwrap();
    }

    #[test]
    fn the_end_of_one_container_does_not_disturb_the_start_of_another() {
        let t = Temp::new();
        std::thread::scope(|scope| {
            for name in ["app/web.0", "app/web.1"] {
                let base = &t.0;
                scope.spawn(move || {
                    for _ in 0..1500 {
                        make(base, name).unwrap();
                        remove(base, name).unwrap();
                    }
                });
            }
        });
        assert!(!t.0.join("app").exists());
    }

    #[test]
    fn names_cannot_lead_elsewhere() {
        let t = Temp::new();
        for bad in ["web", "../x", "app/..", "a/b/c", "/x", "app/"] {
            assert!(make(&t.0, bad).is_err() && remove(&t.0, bad).is_err(), "{bad}");
        }
        symlink("/tmp", t.0.join("app")).unwrap();
        assert!(make(&t.0, "app/web.0").is_err());
    }

    #[test]
    fn directories_of_volumes_stay_beneath_and_keep_their_owner() {
        let (t, outside) = (Temp::new(), Temp::new());
        symlink(&outside.0, t.0.join("out")).unwrap();
        let make = |path: &str, mode, always| {
            make_directory(&Directory {
                beneath: t.0.clone(),
                path: path.into(),
                mode,
                uid: nix::unistd::getuid().as_raw(),
                gid: nix::unistd::getgid().as_raw(),
                always,
            })
        };
        let mode = |path: &str| fs::metadata(t.0.join(path)).unwrap().mode() & 0o7777;
        make("/a/b", 0o1770, false).unwrap();
        assert_eq!(mode("a/b"), 0o1770);
        make("/a/b", 0o700, false).unwrap();
        assert_eq!(mode("a/b"), 0o1770, "one that exists stays as it is");
        make("/a/b", 0o700, true).unwrap();
        assert_eq!(mode("a/b"), 0o700);
        // The link leads to a place inside, which is not there.
        let result = make("/out/x", 0o700, false);
        let inside = t.0.join(outside.0.strip_prefix("/").unwrap()).join("x");
        assert!(result.is_err() || inside.exists(), "{result:?}");
        assert!(!outside.0.join("x").exists());
    }
}
