//! apk's files in a root: what is installed, its scripts and triggers, the world (`/etc/apk/world`).

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use rustc_serialize::base64::{FromBase64, ToBase64, STANDARD};
use rustc_serialize::hex::{FromHex, ToHex};

use super::dependency;
use super::digest::Checksum;
use super::installed::{self, Installed};
use super::segment::{self, Member};
use super::Error;
use crate::sys::path::Root;
use crate::vagga::archive::decompress;

/// Directory of the database.
pub const DIR: &str = "lib/apk/db";
/// What was asked for, a line each.
pub const WORLD: &str = "etc/apk/world";
/// Most bytes read of one of the files.
const MAX_FILE: u64 = 256 << 20;

/// A script by the package and its kind, e.g. `post-install`.
type ScriptKey = (Checksum, String);

/// Everything apk knows of a root.
#[derive(Debug, Default)]
pub struct Database {
    pub packages: Vec<Installed>,
    pub world: Vec<String>,
    /// With the name in the archive up to the checksum.
    scripts: BTreeMap<ScriptKey, (String, Member)>,
    /// Patterns of directories by package.
    triggers: BTreeMap<Checksum, Vec<String>>,
    /// apk v3 compresses the archive of scripts.
    compressed: bool,
}

impl Database {
    /// Reads what is there; nothing at all is an empty system.
    pub fn load(root: &Root) -> Result<Database, Error> {
        let text = read_text(root, &format!("{DIR}/installed"))?;
        let packages = installed::read(&text)
            .map_err(|why| Error::new(format!("/{DIR}/installed of the image: {why}")))?;
        let world = read_text(root, WORLD)?
            .split_ascii_whitespace()
            .map(str::to_string)
            .collect();
        let compressed = root.exists(format!("{DIR}/scripts.tar.gz"));
        let mut database = Database {
            packages,
            world,
            compressed,
            ..Database::default()
        };
        database.load_scripts(root)?;
        for line in read_text(root, &format!("{DIR}/triggers"))?.lines() {
            let mut words = line.split_ascii_whitespace();
            if let Some(checksum) = words.next().and_then(Checksum::parse) {
                database
                    .triggers
                    .insert(checksum, words.map(str::to_string).collect());
            }
        }
        Ok(database)
    }

    fn scripts_path(&self) -> String {
        format!("{DIR}/scripts.tar{}", if self.compressed { ".gz" } else { "" })
    }

    fn load_scripts(&mut self, root: &Root) -> Result<(), Error> {
        let path = self.scripts_path();
        let bad = |e: io::Error| Error::new(format!("/{path} of the image cannot be read: {e}"));
        let file = match root.open_read(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(bad)?,
        };
        let mut tar = Vec::new();
        decompress(file)
            .and_then(|d| d.take(MAX_FILE).read_to_end(&mut tar))
            .map_err(bad)?;
        for member in segment::files(&tar).map_err(bad)? {
            if let Some((prefix, key)) = parse_script_name(&member.name) {
                self.scripts.insert(key, (prefix, member));
            }
        }
        Ok(())
    }

    /// Place of an installed package.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.packages.iter().position(|p| p.package.name == name)
    }

    /// A script of an installed package.
    pub fn script(&self, package: &Checksum, kind: &str) -> Option<&[u8]> {
        let found = self.scripts.get(&(package.clone(), kind.to_string()));
        found.map(|(_, member)| member.bytes.as_slice())
    }

    /// Records a script.
    pub fn add_script(&mut self, full_name: &str, package: &Checksum, kind: &str, member: &Member) {
        self.scripts.insert(
            (package.clone(), kind.to_string()),
            (full_name.to_string(), member.clone()),
        );
    }

    /// The patterns of directories whose change a package wants to hear of.
    pub fn triggers_of(&self, package: &Checksum) -> &[String] {
        self.triggers.get(package).map_or(&[], Vec::as_slice)
    }

    /// Records such patterns.
    pub fn add_triggers(&mut self, package: &Checksum, patterns: &str) {
        let patterns: Vec<String> = patterns.split_ascii_whitespace().map(str::to_string).collect();
        if !patterns.is_empty() {
            self.triggers.insert(package.clone(), patterns);
        }
    }

    /// Forgets scripts and triggers of packages that are not installed any more.
    fn tidy(&mut self) {
        let known: std::collections::BTreeSet<&Checksum> =
            self.packages.iter().map(|p| &p.package.checksum).collect();
        self.scripts.retain(|(checksum, _), _| known.contains(checksum));
        self.triggers.retain(|checksum, _| known.contains(checksum));
    }

    /// Writes everything, each file at once.
    pub fn save(&mut self, root: &Root) -> Result<(), Error> {
        self.tidy();
        let mut world: Vec<&String> = self.world.iter().collect();
        world.sort_by_key(|w| dependency::bare_name(w).to_string());
        let world: String = world.into_iter().map(|w| format!("{w}\n")).collect();
        let triggers: String = self
            .triggers
            .iter()
            .map(|(sum, list)| format!("{} {}\n", sum.as_str(), list.join(" ")))
            .collect();
        let path = self.scripts_path();
        let scripts = self
            .scripts_archive()
            .map_err(|e| Error::new(format!("cannot write /{path}: {e}")))?;
        let text = installed::write(&self.packages);
        for (path, bytes) in [
            (WORLD, world.as_bytes()),
            (&format!("{DIR}/triggers"), triggers.as_bytes()),
            (&path, &scripts),
            (&format!("{DIR}/installed"), text.as_bytes()),
        ] {
            replace(root, path, bytes)
                .map_err(|e| Error::new(format!("cannot write /{path} of the image: {e}")))?;
        }
        Ok(())
    }

    fn scripts_archive(&self) -> io::Result<Vec<u8>> {
        let mut builder = tar::Builder::new(Vec::new());
        for ((checksum, kind), (prefix, member)) in &self.scripts {
            let mut header = tar::Header::new_gnu();
            // apk takes nothing for a file that does not say that it is one, and then drops the script.
            header.set_entry_type(tar::EntryType::Regular);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mode(0o755);
            header.set_mtime(member.mtime);
            header.set_size(member.bytes.len() as u64);
            let name = format!("{prefix}.{}.{kind}", hexadecimal(checksum));
            builder.append_data(&mut header, name, member.bytes.as_slice())?;
        }
        let tar = builder.into_inner()?;
        if !self.compressed {
            return Ok(tar);
        }
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gz.write_all(&tar)?;
        gz.finish()
    }
}

/// `NAME-VERSION.CHECKSUM.KIND`, the checksum as `Q1` and base64 or `X1` and hex.
fn parse_script_name(name: &str) -> Option<(String, ScriptKey)> {
    let mut parts = name.rsplitn(3, '.');
    let (kind, checksum, prefix) = (parts.next()?, parts.next()?, parts.next()?);
    let checksum = match checksum.strip_prefix('X') {
        Some(rest) => {
            let bytes = rest.get(1..)?.from_hex().ok()?;
            Checksum::parse(&format!("Q{}{}", rest.get(..1)?, bytes.to_base64(STANDARD)))?
        }
        None => Checksum::parse(checksum)?,
    };
    Some((prefix.to_string(), (checksum, kind.to_string())))
}

/// `X1…`, which has no slash.
fn hexadecimal(checksum: &Checksum) -> String {
    let text = checksum.as_str();
    let bytes = text
        .get(2..)
        .and_then(|t| t.from_base64().ok())
        .unwrap_or_default();
    format!("X{}{}", text.get(1..2).unwrap_or("1"), bytes.to_hex())
}

fn read_text(root: &Root, path: &str) -> Result<String, Error> {
    let bad = |e: io::Error| Error::new(format!("cannot read /{path} of the image: {e}"));
    let file = match root.open_read(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        other => other.map_err(bad)?,
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut bytes).map_err(bad)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Writes a file under another name first. No `fsync`: an interrupted build is thrown away.
fn replace(root: &Root, path: &str, bytes: &[u8]) -> io::Result<()> {
    let (dir, _) = path.rsplit_once('/').unwrap_or(("", path));
    root.mkdir_all(dir, 0o755)?;
    let temporary = format!("{path}.new");
    root.create(&temporary, 0o644)?.write_all(bytes)?;
    root.rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_comes_back() {
        let dir = std::env::temp_dir().join(format!("vagga-apk-db-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let root = Root::open(&dir).unwrap();
        for compressed in [false, true] {
            let mut db = Database::load(&root).unwrap();
            db.compressed = compressed;
            let sum = Checksum::sha1(b"x");
            let lines = vec![format!("C:{}", sum.as_str()), "P:a".into(), "V:1".into()];
            db.packages = vec![Installed::new(lines).unwrap()];
            let member = Member {
                name: String::new(),
                mtime: 5,
                bytes: b"#!/bin/sh\n".to_vec(),
            };
            db.add_script("a-1", &sum, "trigger", &member);
            db.add_script("b-1", &Checksum::sha1(b"gone"), "trigger", &member);
            db.add_triggers(&sum, "/bin /usr/*");
            db.world = vec!["b=1".into(), "a".into()];
            db.save(&root).unwrap();
            let db = Database::load(&root).unwrap();
            assert_eq!(db.script(&sum, "trigger"), Some(&b"#!/bin/sh\n"[..]));
            assert_eq!((db.scripts.len(), db.triggers_of(&sum).len()), (1, 2));
            assert_eq!(db.world, ["a", "b=1"]);
            assert_eq!((db.position("a"), db.position("b")), (Some(0), None));
            assert_eq!(db.compressed, compressed);
        }
        let name = "a-1.Q12jmj7l5rSw0yVb/vlWAYkK/YBwk=.pre-install";
        assert_eq!(parse_script_name(name).unwrap().1 .1, "pre-install");
        assert!(parse_script_name("x").is_none() && parse_script_name("a.b.c").is_none());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
