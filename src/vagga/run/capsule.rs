//! `!CapsuleCommand`: a process outside of any container, in a root made of nothing but vagga, a busybox and the
//! project. It may change the project and then build and run containers by `vagga _capsule`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::container::plan::Owner;
use crate::container::{Base, Op, Plan, Source};
use crate::vagga::config::command::{CapsuleInfo, Pid1Mode};
use crate::vagga::failure::{exit, Failure};
use crate::vagga::fetch;
use crate::vagga::ids;

use super::build_shell;
use super::environ::{self, Configured};
use super::process::{Context, Ids, Process};
use super::program::Program;

/// Bytes of the root.
const SIZE: u64 = 100 << 20;
/// `PATH` in the capsule.
const PATH: &str = "/vagga/bin:/bin";
/// Where the cache is.
pub const CACHE: &str = "/vagga/cache";
/// Where programs of the capsule find the certificates that the host trusts.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

impl Context<'_> {
    /// Decides everything about a capsule command. Errors: exit 121 without a busybox on the host.
    pub fn capsule(
        &self,
        info: &CapsuleInfo,
        arguments: &[String],
        fixed: &[(String, String)],
    ) -> Result<Process, Failure> {
        let mut fixed = fixed.to_vec();
        fixed.push(("VAGGA_SETTINGS".into(), self.nested_settings()));
        let path = BTreeMap::from([("PATH".to_string(), PATH.to_string())]);
        let none = BTreeMap::new();
        let listen = info.common.pass_tcp_socket.as_deref().map(super::socket::listen);
        Ok(Process {
            program: Program::new(&info.run, &[], arguments),
            work_dir: self.work_dir(info.work_dir.as_deref()),
            environ: environ::layers(
                self.caller,
                &self.project.settings,
                self.globals,
                Configured {
                    image: &path,
                    file: None,
                    container: &none,
                    command: &info.environ,
                    fixed: &fixed,
                },
            ),
            plan: Plan {
                base: Base::Tmpfs { size: SIZE },
                ops: self.capsule_root()?,
            },
            chores: Vec::new(),
            ids: Ids {
                uid: 0,
                external: None,
                gid: 0,
                groups: Vec::new(),
            },
            maps: ids::maps_for(&info.uids, &info.gids)?,
            socket: listen.transpose()?,
            isolate: self.globals.isolate_network || info.common.isolate_network,
            probe: None,
            pid1: Pid1Mode::wait,
            fixed_mounts: true,
            enclosure: None,
            mounted: Vec::new(),
            transient: None,
            fillings: Vec::new(),
            held: None,
        })
    }

    /// What vagga in the capsule is to follow, as JSON.
    fn nested_settings(&self) -> String {
        let s = &self.project.settings;
        let mut settings = serde_json::json!({
            "version_check": s.version_check,
            "proxy_env_vars": s.proxy_env_vars,
            "build_lock_wait": s.build_lock_wait,
            "environ": s.environ,
            "index_all_images": s.index_all_images,
            "run_symlinks_as_commands": s.run_symlinks_as_commands,
            "cache_dir": CACHE,
        });
        let optional = [
            ("ubuntu_mirror", s.ubuntu_mirror.clone()),
            ("alpine_mirror", s.alpine_mirror.clone()),
            ("debian_mirror", s.debian_mirror.clone()),
            (
                "storage_dir",
                s.storage_dir.as_ref().map(|d| d.to_string_lossy().into_owned()),
            ),
        ];
        for (name, value) in optional {
            if let (Some(map), Some(value)) = (settings.as_object_mut(), value) {
                map.insert(name.into(), value.into());
            }
        }
        settings.to_string()
    }

    /// The root of `_build_shell`, with what vagga needs to work in it.
    fn capsule_root(&self) -> Result<Vec<Op>, Failure> {
        let busybox = build_shell::busybox()?;
        let (storage, settings) = (self.storage, &self.project.settings);
        storage.create_dir(&storage.cache)?;
        let guard = nix::unistd::geteuid().is_root();
        let mut ops = build_shell::operations(self.project, storage, &busybox, guard);
        ops.push(dir("/tmp".as_ref(), 0o1777));
        ops.extend(applets(&busybox)?);
        // Links of the project name its storage by the path on the host.
        if let Some(whole) = &settings.storage_dir {
            let parents: Vec<&Path> = whole.ancestors().filter(|p| p.parent().is_some()).collect();
            ops.extend(parents.into_iter().rev().map(|path| dir(path, 0o755)));
            ops.push(Op::writable(whole, whole));
        }
        ops.extend(fetch::ca_bundle().map(|bundle| file(bundle, CERTIFICATES.into())));
        let vagga = std::env::current_exe().unwrap_or_default();
        ops.extend(libraries(&vagga).into_iter().map(|path| file(path.clone(), path)));
        Ok(ops)
    }
}

fn dir(path: &Path, mode: u32) -> Op {
    Op::Dir {
        path: path.into(),
        mode,
        owner: Owner::default(),
    }
}

/// A file of the host, read-only.
fn file(from: PathBuf, target: PathBuf) -> Op {
    Op::Bind {
        source: Source::Host(from),
        target,
        write: false,
        create: true,
    }
}

/// A link for each program of the busybox.
fn applets(busybox: &Path) -> Result<Vec<Op>, Failure> {
    let list = Command::new(busybox)
        .arg("--list")
        .output()
        .map_err(|e| Failure::new(exit::LAUNCHER, format!("Can't run {busybox:?} --list: {e}")))?;
    let plain = |name: &&str| !["busybox", "", ".", ".."].contains(name) && !name.contains('/');
    let names = String::from_utf8_lossy(&list.stdout).into_owned();
    let link = |name| Op::Symlink {
        path: Path::new("/bin").join(name),
        to: "busybox".into(),
    };
    Ok(names.lines().filter(plain).map(link).collect())
}

/// What a vagga that is not static (`cargo build`) needs besides itself: its loader says it.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let Some(loader) = fs::read(program).ok().and_then(|bytes| loader_of(&bytes)) else {
        return Vec::new();
    };
    let listed = Command::new(&loader).arg("--list").arg(program).output();
    let text = listed
        .map(|o| String::from_utf8_lossy(&o.stdout).into_owned())
        .unwrap_or_default();
    let mut found = vec![loader];
    for path in text
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
    {
        if !found.contains(&path) {
            found.push(path);
        }
    }
    found
}

/// PT_INTERP of a 64-bit ELF file (elf(5)); `None` for static programs and everything else.
fn loader_of(bytes: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let u16_at = |at: usize| Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let u64_at =
        |at: usize| Some(u64::from_ne_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?) as usize);
    if !bytes.starts_with(b"\x7fELF\x02") {
        return None;
    }
    let (table, size, number) = (u64_at(32)?, usize::from(u16_at(54)?), u16_at(56)?);
    for n in 0..usize::from(number) {
        let entry = table.checked_add(n * size)?;
        let kind = bytes.get(entry..entry.checked_add(4)?)?;
        if kind == 3u32.to_ne_bytes() {
            let (start, length) = (u64_at(entry.checked_add(8)?)?, u64_at(entry.checked_add(32)?)?);
            let name = bytes
                .get(start..start.checked_add(length)?)?
                .split(|b| *b == 0)
                .next()?;
            return Some(PathBuf::from(OsStr::from_bytes(name))).filter(|p| p.is_absolute());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loaders_are_read_from_programs_only() {
        let own = fs::read("/proc/self/exe").unwrap();
        if let Some(loader) = loader_of(&own) {
            assert!(loader.is_file(), "{loader:?}");
            assert!(libraries(Path::new("/proc/self/exe")).contains(&loader));
        }
        for n in 0..200 {
            let _ = loader_of(own.get(..n).unwrap());
        }
        assert_eq!(loader_of(b"#!/bin/sh"), None);
        assert_eq!(loader_of(b"\x7fELF\x02"), None);
    }
}
