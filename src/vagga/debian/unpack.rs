//! Unpacking one package into a new root as dpkg would: files, `info/` files, its paragraph of `status`.
//!
//! Everything is written through [`Root`], which keeps every path inside the new root. dpkg's rules that matter in
//! a fresh system: a directory of the package may be a symbolic link to a directory already (merged /usr), existing
//! files are replaced, conffiles get the suffix `.dpkg-new` and are moved in place by `dpkg --configure`.

use std::collections::HashSet;
use std::fs::{File, FileTimes, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{fchown, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde_derive::{Deserialize, Serialize};

use super::deb::Deb;
use super::deb822;
use super::Error;
use crate::sys::fs::Kind;
use crate::sys::path::Root;

/// dpkg's database inside the root.
pub const ADMIN_DIR: &str = "var/lib/dpkg";

/// What dpkg's database has to know of an unpacked package.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpacked {
    /// Its paragraph of the status file, without the blank line after it.
    pub status: String,
    /// Name in `info/`: `name`, or `name:arch` for packages that are co-installable.
    pub info_name: String,
    /// Triggers it is interested in and whether it is to be awaited.
    pub interests: Vec<(String, bool)>,
    /// It has a `preinst` script.
    pub preinst: bool,
}

/// Writes packages into one root.
pub struct Unpacker<'a> {
    root: &'a Root,
    /// Change owners; `false` where only one id exists.
    owners: bool,
    /// Directories with the set-group-id bit: what is made in them gets a foreign group.
    setgid: HashSet<PathBuf>,
    buffer: Vec<u8>,
}

impl<'a> Unpacker<'a> {
    /// `owners`: give files the owners of the archive. The caller has set the umask to 0.
    pub fn new(root: &'a Root, owners: bool) -> Unpacker<'a> {
        Unpacker {
            root,
            owners,
            setgid: HashSet::new(),
            buffer: vec![0; 1 << 17],
        }
    }

    /// Unpacks the package file `path`.
    pub fn unpack(&mut self, path: &Path) -> Result<Unpacked, Error> {
        let what = || {
            path.file_name()
                .map_or_else(String::new, |n| n.to_string_lossy().into_owned())
        };
        let bad =
            |e: io::Error| Error::new(format!("package file {} cannot be unpacked: {e}", path.display()));
        let deb = Deb::open(path).map_err(bad)?;
        let control = deb.control().map_err(bad)?;
        let text = |name: &str| {
            control
                .iter()
                .find(|(n, ..)| n == name)
                .map(|(_, _, b)| String::from_utf8_lossy(b))
        };
        let fields = text("control").ok_or_else(|| Error::new(format!("{}: no control file", what())))?;
        let conffiles = parse_conffiles(&text("conffiles").unwrap_or_default());
        let unpacked = describe(&fields, &conffiles, &text("triggers").unwrap_or_default())
            .map_err(|why| Error::new(format!("{}: {why}", what())))?;
        let list = self
            .data(&deb, &conffiles.iter().map(String::as_str).collect())
            .map_err(|e| Error::new(format!("cannot unpack {}: {e}", unpacked.info_name)))?;
        self.write_info(&unpacked, &control, &list)
            .map_err(|e| Error::new(format!("cannot record {}: {e}", unpacked.info_name)))?;
        Ok(Unpacked {
            preinst: control.iter().any(|(n, ..)| n == "preinst"),
            ..unpacked
        })
    }

    fn write_info(&self, of: &Unpacked, control: &[(String, u32, Vec<u8>)], list: &str) -> io::Result<()> {
        let write = |name: &str, mode: u32, bytes: &[u8]| {
            let path = format!("{ADMIN_DIR}/info/{}.{name}", of.info_name);
            self.root.create(Path::new(&path), mode)?.write_all(bytes)
        };
        for (name, mode, bytes) in control.iter().filter(|(n, ..)| n != "control") {
            write(name, if mode & 0o111 != 0 { 0o755 } else { 0o644 }, bytes)?;
        }
        write("list", 0o644, list.as_bytes())
    }

    /// Unpacks the files; returns the contents of the `.list` file.
    fn data(&mut self, deb: &Deb, conffiles: &HashSet<&str>) -> io::Result<String> {
        let mut archive = tar::Archive::new(deb.data()?);
        let mut list = String::new();
        for entry in archive.entries()? {
            let mut entry = entry?;
            let path = relative(&entry.path()?)?;
            let text = path.to_str().ok_or_else(|| invalid("file name is not UTF-8"))?;
            if text.contains('\n') {
                return Err(invalid("file name with a line end"));
            }
            list.push('/');
            list.push_str(if text.is_empty() { "." } else { text });
            list.push('\n');
            if text.is_empty() {
                continue;
            }
            let conffile = conffiles.contains(text);
            self.entry(&mut entry, &path, conffile)
                .map_err(|e| io::Error::new(e.kind(), format!("/{text}: {e}")))?;
        }
        Ok(list)
    }

    fn entry<R: Read>(
        &mut self,
        entry: &mut tar::Entry<'_, R>,
        path: &Path,
        conffile: bool,
    ) -> io::Result<()> {
        let header = entry.header();
        let (mode, kind) = (header.mode()? & 0o7777, header.entry_type());
        let (uid, gid) = (id(header.uid()?)?, id(header.gid()?)?);
        let mtime = UNIX_EPOCH + Duration::from_secs(header.mtime()?);
        match kind {
            tar::EntryType::Directory => self.directory(path, mode, uid, gid),
            tar::EntryType::Symlink => {
                let target = link_target(entry)?;
                self.symlink(&target, path, uid, gid)
            }
            tar::EntryType::Link => {
                let target = relative(&link_target(entry)?)?;
                self.replacing(path, |root| root.hard_link(&target, path))
            }
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                let target = if conffile {
                    with_suffix(path)
                } else {
                    path.to_path_buf()
                };
                let mut file = self.replacing(&target, |root| root.create_new(&target, mode & 0o777))?;
                self.fill(entry, &mut file)?;
                if self.owners && (uid != 0 || gid != 0 || self.in_setgid(path)) {
                    fchown(&file, Some(uid), Some(gid))?;
                }
                if mode & 0o7000 != 0 {
                    file.set_permissions(Permissions::from_mode(mode))?;
                }
                file.set_times(FileTimes::new().set_modified(mtime).set_accessed(mtime))
            }
            tar::EntryType::Fifo | tar::EntryType::Char | tar::EntryType::Block => {
                Err(invalid("device nodes and pipes in packages are not supported"))
            }
            other => Err(invalid(&format!("unknown entry type {other:?}"))),
        }
    }

    fn directory(&mut self, path: &Path, mode: u32, uid: u32, gid: u32) -> io::Result<()> {
        if mode & 0o2000 != 0 {
            self.setgid.insert(path.to_path_buf());
        }
        match self.root.mkdir(path, mode & 0o777) {
            Ok(()) => {}
            Err(e)
                if e.kind() == io::ErrorKind::AlreadyExists && self.root.stat(path)?.kind() == Kind::Dir =>
            {
                return Ok(());
            }
            Err(e) => return Err(e),
        }
        if self.owners && (uid != 0 || gid != 0 || self.in_setgid(path)) {
            self.root.chown(path, uid, gid)?;
        }
        if mode & 0o7000 != 0 {
            self.root.chmod(path, mode)?;
        }
        Ok(())
    }

    fn symlink(&self, target: &Path, path: &Path, uid: u32, gid: u32) -> io::Result<()> {
        let existing = self.root.symlink(target, path);
        match existing {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => match self.root.lstat(path)?.kind() {
                // dpkg leaves a directory alone that a package wants to be a link.
                Kind::Dir => return Ok(()),
                Kind::Symlink if self.root.read_link(path)? == target => return Ok(()),
                _ => {
                    self.root.unlink(path)?;
                    self.root.symlink(target, path)?;
                }
            },
            Err(e) => return Err(e),
        }
        if self.owners && (uid != 0 || gid != 0 || self.in_setgid(path)) {
            self.root.chown(path, uid, gid)?;
        }
        Ok(())
    }

    /// Runs `make`, again after removing a file that is in the way.
    fn replacing<T>(&self, path: &Path, make: impl Fn(&Root) -> io::Result<T>) -> io::Result<T> {
        match make(self.root) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                self.root.unlink(path)?;
                make(self.root)
            }
            other => other,
        }
    }

    fn fill(&mut self, from: &mut impl Read, to: &mut File) -> io::Result<()> {
        loop {
            let mut filled = 0;
            while let Some(rest) = self.buffer.get_mut(filled..).filter(|r| !r.is_empty()) {
                match from.read(rest)? {
                    0 => break,
                    n => filled += n,
                }
            }
            to.write_all(self.buffer.get(..filled).unwrap_or_default())?;
            if filled < self.buffer.len() {
                return Ok(());
            }
        }
    }

    fn in_setgid(&self, path: &Path) -> bool {
        !self.setgid.is_empty() && path.parent().is_some_and(|p| self.setgid.contains(p))
    }
}

/// `./usr/bin/x` → `usr/bin/x`; refuses `..`.
fn relative(path: &Path) -> io::Result<PathBuf> {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::CurDir | Component::RootDir => {}
            _ => return Err(invalid("file name leads out of the package")),
        }
    }
    Ok(clean)
}

fn link_target<R: Read>(entry: &tar::Entry<'_, R>) -> io::Result<PathBuf> {
    let name = entry.link_name()?.ok_or_else(|| invalid("link without target"))?;
    Ok(name.into_owned())
}

fn with_suffix(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(".dpkg-new");
    PathBuf::from(name)
}

fn id(n: u64) -> io::Result<u32> {
    u32::try_from(n).map_err(|_| invalid("owner out of range"))
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// The conffiles as paths relative to the root. Entries with flags (`remove-on-upgrade`) do not matter here.
fn parse_conffiles(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|l| l.trim().strip_prefix('/'))
        .map(str::to_string)
        .collect()
}

/// Makes the status paragraph (`install ok unpacked`) and reads what else the database needs.
fn describe(control: &str, conffiles: &[String], triggers: &str) -> Result<Unpacked, String> {
    let stanzas = deb822::parse(control.as_bytes()).map_err(|e| format!("bad control file: {e}"))?;
    let [stanza] = stanzas.as_slice() else {
        return Err("bad control file".into());
    };
    let field = |name: &str| stanza.get(name).filter(|v| !v.is_empty());
    let (name, arch) = (
        field("Package").ok_or("no package name")?,
        field("Architecture").ok_or("no architecture")?,
    );
    let plain = |s: &str| {
        s.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    };
    if !plain(name) || !plain(arch) {
        return Err(format!("bad package name {name:?}"));
    }
    let mut status = format!("Package: {name}\nStatus: install ok unpacked\n");
    for (field, value) in stanza.iter().filter(|(f, _)| !f.eq_ignore_ascii_case("Package")) {
        status.push_str(&format!("{field}: {}\n", value.replace('\n', "\n ")));
    }
    if !conffiles.is_empty() {
        status.push_str("Conffiles:\n");
        conffiles
            .iter()
            .for_each(|file| status.push_str(&format!(" /{file} newconffile\n")));
    }
    let info_name = match field("Multi-Arch") {
        Some("same") => format!("{name}:{arch}"),
        _ => name.to_string(),
    };
    Ok(Unpacked {
        status,
        info_name,
        interests: parse_interests(triggers),
        preinst: false,
    })
}

fn parse_interests(text: &str) -> Vec<(String, bool)> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let awaited = match words.next()? {
                "interest" | "interest-await" => true,
                "interest-noawait" => false,
                _ => return None,
            };
            Some((words.next()?.to_string(), awaited))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::deb::tests::build;
    use super::*;
    use std::fs;

    fn temp(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("vagga-unpack-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(dir.join("root/var/lib/dpkg/info")).unwrap();
        dir
    }

    #[test]
    fn unpacks_as_dpkg_would() {
        let dir = temp("dpkg");
        let root_dir = dir.join("root");
        fs::create_dir_all(root_dir.join("usr/bin")).unwrap();
        std::os::unix::fs::symlink("usr/bin", root_dir.join("bin")).unwrap();
        fs::write(root_dir.join("usr/bin/tool"), "old").unwrap();
        let control = "Package: a\nVersion: 1\nArchitecture: amd64\nMulti-Arch: same\nDescription: x\n y\n";
        let deb = build(
            &dir,
            "a.deb",
            &[
                ("./control", control),
                ("./conffiles", "/etc/a.conf\n"),
                ("./preinst", "#!/bin/sh\n"),
                (
                    "./triggers",
                    "interest-noawait ldconfig\nactivate x\ninterest /usr/share/y\n",
                ),
            ],
            &[
                ("./", 0o755, None),
                ("./bin/", 0o755, None),
                ("./bin/tool", 0o4755, Some("new")),
                ("./bin/link", 0o777, Some("-> tool")),
                ("./etc/", 0o755, None),
                ("./etc/a.conf", 0o640, Some("conf")),
            ],
        );
        let root = Root::open(&root_dir).unwrap();
        let unpacked = Unpacker::new(&root, false).unpack(&deb).unwrap();
        assert_eq!(unpacked.info_name, "a:amd64");
        assert!(unpacked.preinst);
        assert_eq!(
            unpacked.interests,
            [
                ("ldconfig".to_string(), false),
                ("/usr/share/y".to_string(), true)
            ]
        );
        assert_eq!(
            unpacked.status,
            "Package: a\nStatus: install ok unpacked\nVersion: 1\nArchitecture: amd64\nMulti-Arch: same\n\
             Description: x\n y\nConffiles:\n /etc/a.conf newconffile\n"
        );
        let read = |p: &str| fs::read_to_string(root_dir.join(p)).unwrap();
        assert_eq!(read("usr/bin/tool"), "new");
        assert_eq!(read("etc/a.conf.dpkg-new"), "conf");
        assert_eq!(
            read("var/lib/dpkg/info/a:amd64.list"),
            "/.\n/bin\n/bin/tool\n/bin/link\n/etc\n/etc/a.conf\n"
        );
        assert_eq!(
            fs::read_link(root_dir.join("usr/bin/link")).unwrap(),
            Path::new("tool")
        );
        assert_eq!(
            fs::metadata(root_dir.join("usr/bin/tool"))
                .unwrap()
                .permissions()
                .mode()
                & 0o7777,
            0o4755
        );
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn stays_inside() {
        let dir = temp("inside");
        let root = Root::open(dir.join("root")).unwrap();
        let control = &[("./control", "Package: a\nVersion: 1\nArchitecture: all\n")];
        let deb = build(&dir, "a.deb", control, &[("./../evil", 0o644, Some("x"))]);
        assert!(Unpacker::new(&root, false)
            .unpack(&deb)
            .unwrap_err()
            .message
            .contains("leads out"));
        let deb = build(
            &dir,
            "b.deb",
            control,
            &[
                ("./l", 0o777, Some("-> ../../..")),
                ("./l/evil", 0o644, Some("x")),
            ],
        );
        Unpacker::new(&root, false).unpack(&deb).unwrap();
        assert!(!dir.join("evil").exists() && dir.join("root/evil").exists());
        let deb = build(
            &dir,
            "c.deb",
            &[("./control", "Package: ../x\nArchitecture: all\n")],
            &[],
        );
        assert!(Unpacker::new(&root, false).unpack(&deb).is_err());
        fs::remove_dir_all(&dir).unwrap();
    }
}
