//! A package file of apk v2: signature, control and data, three gzip streams (apk-package(5)).
//!
//! The index has the digest of the control part, the control part the digest of the data: what both fit is what the
//! signer of the index meant.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::digest::{self, Checksum};
use super::index;
use super::keys::{Keys, Refusal, Signature};
use super::package::{Package, PkgInfo};
use super::segment::{self, invalid, Counter, Member, MAX_CONTROL};
use crate::vagga::archive::decompress;

/// Scripts that a control part may hold, as `.NAME`.
pub const SCRIPTS: [&str; 7] = [
    "pre-install",
    "post-install",
    "pre-upgrade",
    "post-upgrade",
    "pre-deinstall",
    "post-deinstall",
    "trigger",
];

/// An opened package file.
#[derive(Debug)]
pub struct Apk {
    file: File,
    signatures: Vec<Signature>,
    /// The control part as it is in the file.
    control: Vec<u8>,
    members: Vec<Member>,
    /// Where the data begin, and what the file is long.
    data: u64,
    size: u64,
    pub info: PkgInfo,
}

impl Apk {
    /// Reads everything but the data.
    ///
    /// Errors: broken files, the newer format, no `.PKGINFO`.
    pub fn open(path: &Path) -> io::Result<Apk> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        let mut input = Counter::new(BufReader::with_capacity(1 << 15, file.try_clone()?));
        let mut part = segment::one(&mut input, MAX_CONTROL)?;
        let signatures = index::signatures(&part)?;
        let mut begin = 0;
        if !signatures.is_empty() {
            begin = input.position;
            part = segment::one(&mut input, MAX_CONTROL)?;
        }
        let data = input.position;
        let length = usize::try_from(data - begin).map_err(|_| invalid("too large"))?;
        let mut control = vec![0; length];
        file.read_exact_at(&mut control, begin)?;
        let members = segment::files(&part)?;
        let info = members
            .iter()
            .find(|m| m.name == ".PKGINFO")
            .map(|m| PkgInfo::parse(&String::from_utf8_lossy(&m.bytes)))
            .ok_or_else(|| invalid("it has no .PKGINFO"))?;
        Ok(Apk {
            file,
            signatures,
            control,
            members,
            data,
            size,
            info,
        })
    }

    /// Checks that this is the package of the index, to the last byte. A signature by one of `keys` must be right.
    pub fn verify(&self, package: &Package, keys: &Keys) -> io::Result<()> {
        if !package.checksum.fits(&self.control) {
            return Err(invalid("its control part is not the one in the index"));
        }
        let (name, version) = (self.info.get("pkgname"), self.info.get("pkgver"));
        if (name, version) != (&package.name, &package.version) {
            return Err(invalid(&format!("it says that it is {name} {version}")));
        }
        if let Err(refusal @ Refusal::Bad(_)) = keys.verify(&self.signatures, &self.control) {
            return Err(invalid(&refusal.to_string()));
        }
        let wanted = self.info.get("datahash");
        if wanted.is_empty() {
            return Err(invalid("its control part does not have the digest of the data"));
        }
        match digest::sha256_hex(self.raw_data()?)?.eq_ignore_ascii_case(wanted) {
            true => Ok(()),
            false => Err(invalid("its data do not have the digest of the control part")),
        }
    }

    /// The data as they are in the file. The descriptor stays the one that was checked, whatever happens to the name.
    fn raw_data(&self) -> io::Result<Span> {
        Ok(Span {
            file: self.file.try_clone()?,
            position: self.data,
        })
    }

    /// The tar stream of the files.
    pub fn data(&self) -> io::Result<Box<dyn Read>> {
        match self.data == self.size {
            true => Ok(Box::new(io::empty())),
            false => decompress(self.raw_data()?),
        }
    }

    /// The scripts by their names in [`SCRIPTS`].
    pub fn scripts(&self) -> impl Iterator<Item = (&'static str, &Member)> {
        SCRIPTS.into_iter().filter_map(|kind| {
            let member = self
                .members
                .iter()
                .find(|m| m.name.strip_prefix('.') == Some(kind))?;
            Some((kind, member))
        })
    }

    /// The identity of the package: the digest of its control part.
    pub fn checksum(&self) -> Checksum {
        Checksum::sha1(&self.control)
    }

    /// Length of the file in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }
}

/// The rest of a file from a position on, whatever others do with the descriptor's own position.
struct Span {
    file: File,
    position: u64,
}

impl Read for Span {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(buf, self.position)?;
        self.position += n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::super::segment::tests::part;
    use super::*;
    use rustc_serialize::hex::ToHex;
    use sha2::{Digest, Sha256};
    use std::fs;

    fn package(checksum: Checksum) -> Package {
        let lines = [format!("C:{}", checksum.as_str()), "P:a".into(), "V:1".into()];
        Package::parse(lines.iter().map(String::as_str), None).unwrap()
    }

    #[test]
    fn only_what_the_index_means() {
        let dir = std::env::temp_dir().join(format!("vagga-apk-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let write = |name: &str, parts: &[&[u8]]| {
            fs::write(dir.join(name), parts.concat()).unwrap();
            Apk::open(&dir.join(name))
        };
        let data = part(&[("usr/bin/a", b"a")]);
        let hash = Sha256::digest(&data).as_slice().to_hex();
        let info = format!("pkgname = a\npkgver = 1\ndatahash = {hash}\n");
        let control = part(&[(".PKGINFO", info.as_bytes()), (".post-install", b"#!/bin/sh\n")]);
        let signature = part(&[(".SIGN.RSA.k", b"s")]);
        let apk = write("good", &[&signature, &control, &data]).unwrap();
        assert_eq!(
            apk.scripts().map(|(kind, _)| kind).collect::<Vec<_>>(),
            ["post-install"]
        );
        assert_eq!(apk.checksum(), Checksum::sha1(&control));
        let wanted = package(Checksum::sha1(&control));
        apk.verify(&wanted, &Keys::default()).unwrap();
        let mut plain = Vec::new();
        apk.data().unwrap().read_to_end(&mut plain).unwrap();
        assert!(plain.starts_with(b"usr/bin/a"));
        write("unsigned", &[&control, &data])
            .unwrap()
            .verify(&wanted, &Keys::default())
            .unwrap();
        let refused = |apk: Apk, why: &str| {
            let error = apk.verify(&wanted, &Keys::default()).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        };
        refused(
            write("cut", &[&control, &data[..data.len() - 1]]).unwrap(),
            "data do not have",
        );
        refused(
            write("more", &[&control, &data, b"x"]).unwrap(),
            "data do not have",
        );
        refused(
            write("other", &[&part(&[(".PKGINFO", b"pkgname = a\n")]), &data]).unwrap(),
            "not the one",
        );
        assert!(write("no-info", &[&part(&[("x", b"")]), &data]).is_err());
        assert!(write("short", &[&control[..9]]).is_err());
        assert!(write("v3", &[b"ADBd...."])
            .unwrap_err()
            .to_string()
            .contains("apk v3"));
        fs::remove_dir_all(&dir).unwrap();
    }
}
