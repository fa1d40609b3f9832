//! Unpacking one package into a new root as dpkg would: files, `info/` files, its paragraph of `status`.
//!
//! The files go through the confined writer of archives with dpkg's rules for a fresh system: a directory of the
//! package may be a symbolic link to a directory already (merged /usr), existing files are replaced, conffiles get
//! the suffix `.dpkg-new` and are moved in place by `dpkg --configure`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_derive::{Deserialize, Serialize};

use super::deb::Deb;
use super::deb822;
use super::Error;
use crate::sys::path::Root;
use crate::vagga::archive::{self, ArchiveError, Options, Owners, Package, Writer};

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
    owners: Owners,
}

impl<'a> Unpacker<'a> {
    /// `owners`: give files the owners of the archive. The caller has set the umask to 0.
    pub fn new(root: &'a Root, owners: bool) -> Unpacker<'a> {
        Unpacker {
            root,
            owners: if owners { Owners::Keep } else { Owners::Root },
        }
    }

    /// Unpacks the package file `path`.
    pub fn unpack(&self, path: &Path) -> Result<Unpacked, Error> {
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
            .data(&deb, &conffiles)
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
    fn data(&self, deb: &Deb, conffiles: &[String]) -> Result<String, ArchiveError> {
        let package = Package {
            conffiles: conffiles.iter().map(PathBuf::from).collect(),
        };
        let options = Options {
            owners: self.owners,
            package: Some(package),
            ..Options::default()
        };
        let writer = Writer::new(self.root, Path::new("/"), &options)?;
        Ok(archive::unpack_tar(deb.data()?, writer)?.list)
    }
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
    use std::os::unix::fs::PermissionsExt;

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
    fn links_to_directories_and_directories_stay() {
        let dir = temp("stay");
        let root_dir = dir.join("root");
        fs::create_dir_all(root_dir.join("run/lock")).unwrap();
        fs::create_dir_all(root_dir.join("var")).unwrap();
        std::os::unix::fs::symlink("../run", root_dir.join("var/run")).unwrap();
        std::os::unix::fs::symlink("/none", root_dir.join("var/stale")).unwrap();
        let control = "Package: a\nVersion: 1\nArchitecture: amd64\n";
        let deb = build(
            &dir,
            "a.deb",
            &[("./control", control)],
            &[
                ("./var/run/", 0o700, None),
                ("./var/run/x", 0o644, Some("x")),
                ("./run/lock", 0o777, Some("-> elsewhere")),
                ("./var/stale/", 0o755, None),
                ("./var/stale/y", 0o644, Some("y")),
            ],
        );
        let root = Root::open(&root_dir).unwrap();
        Unpacker::new(&root, false).unpack(&deb).unwrap();
        assert!(root_dir.join("var/run").is_symlink() && root_dir.join("run/x").is_file());
        let lock = fs::symlink_metadata(root_dir.join("run/lock")).unwrap();
        assert!(lock.is_dir());
        assert!(root_dir.join("var/stale/y").is_file() && !root_dir.join("var/stale").is_symlink());
        let deb = build(
            &dir,
            "b.deb",
            &[("./control", control)],
            &[("./a\nb", 0o644, Some("x"))],
        );
        let refused = Unpacker::new(&root, false).unpack(&deb).unwrap_err();
        assert!(refused.message.contains("one line"), "{}", refused.message);
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
            .contains("leaves the archive"));
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
