//! Packages in a root: what is written, what is written down, what is refused.

use super::super::installed::Owners as Book;
use super::super::package::Package;
use super::super::segment::tests::part;
use super::*;
use rustc_serialize::hex::ToHex;
use sha2::{Digest, Sha256};
use std::fs;

struct Place {
    dir: PathBuf,
    root: Root,
    packages: Vec<Installed>,
}

impl Place {
    fn new(name: &str) -> Place {
        let dir = std::env::temp_dir().join(format!("vagga-apk-unpack-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(dir.join("root/etc")).unwrap();
        let root = Root::open(dir.join("root")).unwrap();
        Place {
            dir,
            root,
            packages: Vec::new(),
        }
    }

    /// Installs a package of these files: `name`, fields, tar entries.
    fn add(
        &mut self,
        name: &str,
        fields: &str,
        data: &[(&str, &str)],
    ) -> Result<Vec<(String, String)>, String> {
        let data = archive(data);
        let hash = Sha256::digest(&data).as_slice().to_hex();
        let info = format!("pkgname = {name}\npkgver = 1\ndatahash = {hash}\n{fields}");
        let control = part(&[(".PKGINFO", info.as_bytes())]);
        let path = self.dir.join("a.apk");
        fs::write(&path, [control, data].concat()).unwrap();
        let apk = Apk::open(&path).unwrap();
        let lines = apk.info.database_lines(&apk.checksum(), 1);
        let package = Package::parse(lines.iter().map(String::as_str), None).unwrap();
        apk.verify(&package, &Default::default()).unwrap();
        let owners = Book::new(&self.packages);
        let around = Surroundings {
            root: &self.root,
            packages: &self.packages,
            owners: &owners,
            single_id: true,
        };
        let unpacked = unpack(&around, &apk, Installed::new(lines).unwrap()).map_err(|e| e.message)?;
        self.packages.retain(|p| p.package.name != name);
        self.packages.push(unpacked.installed);
        Ok(unpacked.taken)
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.dir.join("root").join(path)).unwrap_or_else(|e| e.kind().to_string())
    }

    fn files(&self, nth: usize) -> Vec<String> {
        self.packages[nth].files().map(|(path, _)| path).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.dir).unwrap();
    }
}

/// `dir/`, `-> target`, `=> hard link`, or content.
fn archive(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in entries {
        let mut header = tar::Header::new_ustar();
        let (kind, size) = match content.get(..2) {
            _ if name.ends_with('/') => (tar::EntryType::Directory, 0),
            Some("->") => (tar::EntryType::Symlink, 0),
            Some("=>") => (tar::EntryType::Link, 0),
            _ => (tar::EntryType::Regular, content.len()),
        };
        header.set_entry_type(kind);
        header.set_mode(if kind == tar::EntryType::Regular {
            0o644
        } else {
            0o755
        });
        header.set_uid(0);
        header.set_gid(0);
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        if kind.is_symlink() || kind.is_hard_link() {
            header.set_link_name(content[2..].trim()).unwrap();
        }
        header.set_size(size as u64);
        header.set_cksum();
        builder.append(&header, &content.as_bytes()[..size]).unwrap();
    }
    let tar = builder.into_inner().unwrap();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gz, &tar).unwrap();
    gz.finish().unwrap()
}

#[test]
fn files_are_written_and_written_down() {
    let mut place = Place::new("plain");
    let files = [
        ("usr/", ""),
        ("usr/bin/", ""),
        ("usr/bin/a", "a"),
        ("usr/bin/l", "->a"),
        ("usr/bin/h", "=>usr/bin/a"),
    ];
    place.add("a", "", &files).unwrap();
    assert_eq!(
        (place.read("usr/bin/h").as_str(), place.read("usr/bin/l").as_str()),
        ("a", "a")
    );
    let text = super::super::installed::write(&place.packages);
    let sum = Checksum::sha1(b"a");
    let sum = sum.as_str();
    assert!(
        text.ends_with(&format!(
            "F:usr\nF:usr/bin\nR:a\nZ:{sum}\nR:l\na:0:0:755\nZ:{sum}\nR:h\na:0:0:755\nZ:{sum}\n\n"
        )),
        "{text}"
    );
}

#[test]
fn files_of_others_are_left_alone() {
    let mut place = Place::new("others");
    place.add("a", "", &[("bin/x", "a"), ("bin/y", "a")]).unwrap();
    let error = place.add("b", "", &[("bin/x", "b")]).unwrap_err();
    assert!(error.contains("belongs to package a-1"), "{error}");
    assert_eq!(place.read("bin/x"), "a");
    assert_eq!(
        place.add("b", "replaces = a\n", &[("bin/x", "b")]).unwrap(),
        [("a".into(), "bin/x".into())]
    );
    assert_eq!(place.read("bin/x"), "b");
    // b replaces a, and a does not replace b: what b has stays its own.
    place.packages[0].forget("bin/x");
    assert_eq!(
        place.add("a", "", &[("bin/x", "again"), ("bin/y", "a")]).unwrap(),
        []
    );
    assert_eq!(place.read("bin/x"), "b");
    assert_eq!(place.files(1), ["bin/y"]);
    place.add("c", "origin = o\n", &[("bin/z", "c")]).unwrap();
    place.add("d", "origin = o\n", &[("bin/z", "d")]).unwrap();
    assert_eq!(place.read("bin/z"), "d");
}

#[test]
fn changed_configuration_stays() {
    let mut place = Place::new("conf");
    fs::write(place.dir.join("root/etc/own"), "mine").unwrap();
    fs::write(place.dir.join("root/etc/same"), "same").unwrap();
    fs::write(place.dir.join("root/etc/hosts"), "build").unwrap();
    let first = [
        ("etc/own", "1"),
        ("etc/same", "same"),
        ("etc/hosts", "1"),
        ("etc/new", "1"),
        ("etc/edited", "1"),
    ];
    place.add("a", "", &first).unwrap();
    assert_eq!(
        (
            place.read("etc/own").as_str(),
            place.read("etc/own.apk-new").as_str()
        ),
        ("mine", "1")
    );
    assert_eq!(
        (place.read("etc/hosts").as_str(), place.read("etc/new").as_str()),
        ("build", "1")
    );
    assert!(!place.root.exists("etc/same.apk-new") && !place.root.exists("etc/hosts.apk-new"));
    fs::write(place.dir.join("root/etc/edited"), "edited").unwrap();
    place
        .add("a", "", &[("etc/new", "2"), ("etc/edited", "2")])
        .unwrap();
    assert_eq!(
        (place.read("etc/new").as_str(), place.read("etc/edited").as_str()),
        ("2", "edited")
    );
    assert_eq!(place.read("etc/edited.apk-new"), "2");
}

#[test]
fn removal_leaves_what_is_not_the_packages() {
    let mut place = Place::new("remove");
    place
        .add(
            "a",
            "",
            &[
                ("opt/", ""),
                ("opt/a/", ""),
                ("opt/a/x", "1"),
                ("etc/c", "1"),
                ("etc/d", "1"),
            ],
        )
        .unwrap();
    fs::write(place.dir.join("root/etc/d"), "changed").unwrap();
    let old = place.packages.remove(0);
    let touched = remove_files(&place.root, &old, &Book::default(), &BTreeSet::from(["opt"])).unwrap();
    assert_eq!(touched, ["opt/a", "etc"]);
    assert_eq!(
        (place.read("etc/c"), place.read("etc/d").as_str()),
        (place.read("none"), "changed")
    );
    assert!(place.root.exists("opt") && !place.root.exists("opt/a"));
}

#[test]
fn nothing_leaves_the_root() {
    let mut place = Place::new("hostile");
    fs::write(place.dir.join("secret"), "secret").unwrap();
    for bad in [("../secret", "x"), ("a/../../secret", "x"), ("new\nline", "x")] {
        assert!(place.add("a", "", &[bad]).is_err(), "{bad:?}");
    }
    place
        .add(
            "b",
            "",
            &[("l", "->../../.."), ("l/secret", "x"), ("h", "->/etc")],
        )
        .unwrap();
    assert_eq!(fs::read_to_string(place.dir.join("secret")).unwrap(), "secret");
    assert_eq!(place.read("secret"), "x");
    assert!(place.add("c", "", &[("k", "=>../secret")]).is_err());
    place
        .add("d", "", &[(".PKGINFO", "x"), (".hidden/x", "x")])
        .unwrap();
    assert!(!place.root.exists(".PKGINFO") && place.files(1).is_empty());
}
