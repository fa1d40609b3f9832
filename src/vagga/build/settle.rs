//! What makes two builds of one container alike to the byte: nothing in an image is younger than a fixed time, and
//! what programs write by chance or by the clock is not kept.
//!
//! The meaning of the time is that of the specification of `SOURCE_DATE_EPOCH` (reproducible-builds.org): it is in the
//! environment of every command of a build, and later times of files are set back to it. Earlier ones stay.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use blake2::{Blake2b512, Digest as _};
use nix::fcntl::OFlag;

use super::error::{IoContext, StepError};
use crate::sys::at;
use crate::sys::fs::{walk, Kind, Moment, Time, Visit};
use crate::sys::path::Root;
use crate::vagga::fetch::digest::hex;

/// Written by programs for this machine or this moment, and made again by them when missing: the auxiliary cache of
/// ldconfig (inode numbers), the log of apk, seeds of random generators.
const PASSING: [&str; 4] = [
    "/var/log/apk.log",
    "/var/cache/ldconfig/aux-cache",
    "/var/lib/systemd/random-seed",
    "/var/lib/urandom/random-seed",
];

/// Where the identity of a machine is, machine-id(5).
const MACHINE_IDS: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];
/// Length of such a file: 32 hex digits and a line end.
const MACHINE_ID: usize = 33;

/// Removes what must not stay. The identity of the machine, if packages have made one, becomes that of the container.
pub fn forget(root: &Root, container: &str) -> Result<(), StepError> {
    for path in PASSING {
        root.remove_all(path).at("remove", path)?;
    }
    for path in MACHINE_IDS {
        let made = root
            .lstat(path)
            .is_ok_and(|s| s.kind() == Kind::File && s.size == MACHINE_ID as u64);
        if made {
            let id = machine_id(container);
            let written = root
                .create(path, 0o444)
                .and_then(|file| file.write_all_at(id.as_bytes(), 0));
            written.at("write", path)?;
        }
    }
    Ok(())
}

fn machine_id(container: &str) -> String {
    let digest = Blake2b512::digest(format!("vagga container {container}"));
    let mut digits = hex(&digest);
    digits.truncate(MACHINE_ID - 1);
    digits + "\n"
}

/// Sets every time after `epoch` (seconds) in the tree back to it, the top included.
pub fn clamp(root: &Root, epoch: i64) -> io::Result<()> {
    let mut sources = HashMap::new();
    let limit = Time { sec: epoch, nsec: 0 };
    walk(root, &mut |visit| {
        let late = match visit.moment {
            Moment::Enter => false,
            Moment::Entry => visit.stat.mtime > limit,
            // Its time may have changed since it was entered.
            Moment::Leave => at::stat(visit.dir, visit.name)?.mtime > limit,
        };
        if !late {
            return Ok(());
        }
        if visit.moment == Moment::Entry {
            match visit.path.extension().map(OsStr::as_bytes) {
                Some(b"py") => _ = sources.insert(visit.path.to_path_buf(), visit.stat.mtime.sec),
                Some(b"pyc") => set_back_bytecode(visit, &sources, epoch)?,
                _ => {}
            }
        }
        at::set_times(visit.dir, visit.name, limit, limit)
            .map_err(|e| io::Error::new(e.kind(), format!("can't set the time of {:?}: {e}", visit.path)))
    })
}

/// Compiled Python code carries the time of its source and counts as outdated when that differs (PEP 3147, PEP 552:
/// magic number, flags, time, size, 32 bits each, little-endian). If it was right, it is made right again.
fn set_back_bytecode(visit: &Visit<'_>, sources: &HashMap<PathBuf, i64>, epoch: i64) -> io::Result<()> {
    // A file with several names may be seen in other places, too.
    if visit.stat.kind() != Kind::File || visit.stat.nlink != 1 {
        return Ok(());
    }
    let Some(time) = source_of(visit.path).and_then(|source| sources.get(&source)) else {
        return Ok(());
    };
    let file = File::from(at::open(
        visit.dir,
        visit.name,
        OFlag::O_RDWR | OFlag::O_NONBLOCK,
        0,
    )?);
    let mut header = [0; 12];
    match file.read_exact_at(&mut header, 0) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
        read => read?,
    }
    let [.., f0, f1, f2, f3, t0, t1, t2, t3] = header;
    let by_time = [f0, f1, f2, f3] == [0; 4];
    // The field holds the low 32 bits.
    match by_time && [t0, t1, t2, t3] == (*time as u32).to_le_bytes() {
        true => file.write_all_at(&(epoch as u32).to_le_bytes(), 8),
        false => Ok(()),
    }
}

/// `d/__pycache__/m.cpython-313.pyc` → `d/m.py`
fn source_of(path: &Path) -> Option<PathBuf> {
    let cache = path.parent()?;
    let module = path.file_name()?.as_bytes().split(|b| *b == b'.').next()?;
    let name = [module, b".py"].concat();
    let beside = cache.file_name()? == "__pycache__";
    beside.then(|| cache.with_file_name(OsStr::from_bytes(&name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vagga::storage::tests::Temp;
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::time::{Duration, SystemTime};

    const EPOCH: i64 = 1_000_000_000;

    fn set_time(path: &Path, sec: u64) {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(sec);
        File::open(path).unwrap().set_modified(time).unwrap();
    }

    fn time(path: &Path) -> i64 {
        fs::symlink_metadata(path).unwrap().mtime()
    }

    #[test]
    fn late_times_are_set_back_and_early_ones_stay() {
        let t = Temp::new("settle");
        let p = |name: &str| t.0.join(name);
        fs::create_dir_all(p("d/old")).unwrap();
        fs::write(p("d/old/f"), "").unwrap();
        std::os::unix::fs::symlink("/nowhere", p("d/link")).unwrap();
        set_time(&p("d/old/f"), 5);
        set_time(&p("d/old"), 6);
        clamp(&Root::open(&t.0).unwrap(), EPOCH).unwrap();
        for (name, expected) in [
            ("d/old/f", 5),
            ("d/old", 6),
            ("d/link", EPOCH),
            ("d", EPOCH),
            ("", EPOCH),
        ] {
            assert_eq!(time(&p(name)), expected, "{name}");
        }
    }

    #[test]
    fn bytecode_follows_its_source() {
        let t = Temp::new("settle");
        let p = |name: &str| t.0.join(name);
        fs::create_dir_all(p("__pycache__")).unwrap();
        let header = |flags: u32, time: u32| -> Vec<u8> {
            let fields = [0x0a0d_0df3, flags, time, 1].map(u32::to_le_bytes);
            fields.concat()
        };
        for (name, flags, stated) in [
            ("a", 0, 2_000_000_000),
            ("b", 0, 1_999_999_999),
            ("c", 1, 2_000_000_000),
        ] {
            fs::write(p(&format!("{name}.py")), "1").unwrap();
            set_time(&p(&format!("{name}.py")), 2_000_000_000);
            fs::write(p(&format!("__pycache__/{name}.x.pyc")), header(flags, stated)).unwrap();
        }
        clamp(&Root::open(&t.0).unwrap(), EPOCH).unwrap();
        let found = |name: &str| fs::read(p(&format!("__pycache__/{name}.x.pyc"))).unwrap();
        assert_eq!(found("a"), header(0, EPOCH as u32));
        assert_eq!(
            found("b"),
            header(0, 1_999_999_999),
            "outdated before, outdated now"
        );
        assert_eq!(found("c"), header(1, 2_000_000_000), "not by time");
    }

    #[test]
    fn identities_of_machines_become_those_of_containers() {
        let t = Temp::new("settle");
        fs::create_dir_all(t.0.join("etc")).unwrap();
        let root = Root::open(&t.0).unwrap();
        forget(&root, "c").unwrap();
        assert!(!t.0.join("etc/machine-id").exists());
        fs::write(t.0.join("etc/machine-id"), format!("{}\n", "0".repeat(32))).unwrap();
        forget(&root, "c").unwrap();
        let text = fs::read_to_string(t.0.join("etc/machine-id")).unwrap();
        assert_eq!(text, machine_id("c"));
        assert!(text.len() == MACHINE_ID && text != machine_id("d"));
    }
}
