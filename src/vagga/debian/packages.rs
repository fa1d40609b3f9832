//! `Packages` indexes: the binary packages of one component and architecture, reduced to what a bootstrap needs.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::ops::Range;
use std::path::Path;

use super::deb822;
use crate::vagga::archive;

/// Fields kept, in the order of [`Field`].
const FIELDS: [&str; 13] = [
    "Package",
    "Version",
    "Architecture",
    "Essential",
    "Priority",
    "Depends",
    "Pre-Depends",
    "Provides",
    "Conflicts",
    "Breaks",
    "Filename",
    "Size",
    "SHA256",
];

/// How much a package belongs to every system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    Required,
    Important,
    Standard,
    Optional,
}

/// One package; texts are ranges of the index's arena.
#[derive(Debug, Clone)]
struct Record {
    text: [Range<u32>; 9],
    sha256: Range<u32>,
    size: u64,
    priority: Priority,
    essential: bool,
    /// Which archive (see [`Index::read`]).
    archive: u16,
}

/// Positions in [`Record::text`].
#[derive(Clone, Copy)]
enum Field {
    Name,
    Version,
    Arch,
    Depends,
    PreDepends,
    Provides,
    Conflicts,
    Breaks,
    Filename,
}

/// Packages of any number of indexes.
#[derive(Debug, Default)]
pub struct Index {
    text: String,
    records: Vec<Record>,
}

/// A view of one package of an [`Index`].
#[derive(Clone, Copy)]
pub struct Package<'a> {
    index: &'a Index,
    record: &'a Record,
}

impl Index {
    /// Adds the packages of one uncompressed stream. `archive` is the caller's number of the archive it is from.
    ///
    /// Errors: malformed text, a package without name, version, file name, size or SHA-256.
    pub fn read(&mut self, input: impl BufRead, archive: u16) -> Result<(), String> {
        let mut reader = deb822::Reader::new(input);
        let mut stanza = deb822::Stanza::default();
        while reader.next(&FIELDS, &mut stanza).map_err(|e| e.to_string())? {
            self.add(&stanza, archive)?;
        }
        Ok(())
    }

    /// Number of packages.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// No package at all.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// All packages in file order.
    pub fn iter(&self) -> impl Iterator<Item = Package<'_>> {
        self.records.iter().map(|record| Package { index: self, record })
    }

    fn add(&mut self, stanza: &deb822::Stanza, archive: u16) -> Result<(), String> {
        let get = |name: &str| stanza.get(name).unwrap_or_default();
        let name = get("Package");
        let need = |field: &str| match get(field) {
            "" => Err(format!("package {name:?} has no {field}")),
            value => Ok(value),
        };
        let (version, filename) = (need("Version")?, need("Filename")?);
        let size = need("Size")?
            .parse()
            .map_err(|_| format!("package {name:?} has a bad Size"))?;
        let sha256 = need("SHA256")?;
        if name.is_empty() || sha256.len() != 64 || !sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(format!("package {name:?} has a bad name or SHA256"));
        }
        if filename.starts_with('/') || filename.split('/').any(|c| c == "..") {
            return Err(format!("package {name:?} has a bad Filename {filename:?}"));
        }
        let fields = [
            name,
            version,
            get("Architecture"),
            get("Depends"),
            get("Pre-Depends"),
            get("Provides"),
            get("Conflicts"),
            get("Breaks"),
            filename,
        ];
        let priority = match get("Priority") {
            "required" => Priority::Required,
            "important" => Priority::Important,
            "standard" => Priority::Standard,
            _ => Priority::Optional,
        };
        let sha256 = self.intern(sha256)?;
        let mut text: [Range<u32>; 9] = Default::default();
        for (slot, field) in text.iter_mut().zip(fields) {
            *slot = self.intern(field)?;
        }
        let essential = get("Essential") == "yes";
        self.records.push(Record {
            text,
            sha256,
            size,
            priority,
            essential,
            archive,
        });
        Ok(())
    }

    fn intern(&mut self, text: &str) -> Result<Range<u32>, String> {
        let start = self.text.len();
        self.text.push_str(text);
        let at = |n: usize| u32::try_from(n).map_err(|_| "package indexes are too large".to_string());
        Ok(at(start)?..at(self.text.len())?)
    }
}

impl<'a> Package<'a> {
    fn at(&self, range: &Range<u32>) -> &'a str {
        self.index
            .text
            .get(range.start as usize..range.end as usize)
            .unwrap_or_default()
    }

    fn field(&self, field: Field) -> &'a str {
        self.record.text.get(field as usize).map_or("", |r| self.at(r))
    }

    pub fn name(&self) -> &'a str {
        self.field(Field::Name)
    }
    pub fn version(&self) -> &'a str {
        self.field(Field::Version)
    }
    pub fn arch(&self) -> &'a str {
        self.field(Field::Arch)
    }
    pub fn depends(&self) -> &'a str {
        self.field(Field::Depends)
    }
    pub fn pre_depends(&self) -> &'a str {
        self.field(Field::PreDepends)
    }
    pub fn provides(&self) -> &'a str {
        self.field(Field::Provides)
    }
    pub fn conflicts(&self) -> &'a str {
        self.field(Field::Conflicts)
    }
    pub fn breaks(&self) -> &'a str {
        self.field(Field::Breaks)
    }
    /// Path below the archive's base URL.
    pub fn filename(&self) -> &'a str {
        self.field(Field::Filename)
    }
    /// Lower or upper case hex.
    pub fn sha256(&self) -> &'a str {
        self.at(&self.record.sha256)
    }
    /// Bytes of the `.deb`.
    pub fn size(&self) -> u64 {
        self.record.size
    }
    pub fn priority(&self) -> Priority {
        self.record.priority
    }
    pub fn essential(&self) -> bool {
        self.record.essential
    }
    pub fn archive(&self) -> u16 {
        self.record.archive
    }
}

/// Opens an index file, decompressing by its magic bytes (xz, gzip, zstd or none).
pub fn open(path: &Path) -> io::Result<impl BufRead> {
    let stream = archive::decompress(File::open(path)?)?;
    Ok(BufReader::with_capacity(1 << 16, stream))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An index from `name version` plus extra lines; used by the resolver's tests too.
    pub fn index(packages: &[(&str, &str, &str)]) -> Index {
        let mut text = String::new();
        for (name, version, extra) in packages {
            text.push_str(&format!(
                "Package: {name}\nVersion: {version}\nArchitecture: amd64\nFilename: pool/{name}_{version}.deb\n\
                 Size: 10\nSHA256: {}\n{extra}\n\n",
                "0".repeat(64)
            ));
        }
        let mut index = Index::default();
        index.read(text.as_bytes(), 0).unwrap();
        index
    }

    #[test]
    fn keeps_what_is_needed() {
        let i = index(&[
            ("a", "1", "Essential: yes\nPriority: required\nDepends: b"),
            ("b", "2", "Provides: c"),
        ]);
        let all: Vec<_> = i.iter().collect();
        assert_eq!(all.len(), 2);
        assert!(all[0].essential());
        assert_eq!(all[0].priority(), Priority::Required);
        assert_eq!(all[0].depends(), "b");
        assert_eq!(all[1].provides(), "c");
        assert_eq!(all[1].filename(), "pool/b_2.deb");
        assert_eq!(all[1].priority(), Priority::Optional);
    }

    #[test]
    fn refuses_incomplete_packages() {
        for text in [
            "Package: a\n",
            "Package: a\nVersion: 1\nFilename: x\nSize: a\nSHA256: 0\n",
            "Package: a\nVersion: 1\nFilename: ../x\nSize: 1\nSHA256: \
             0000000000000000000000000000000000000000000000000000000000000000\n",
        ] {
            assert!(Index::default().read(text.as_bytes(), 0).is_err(), "{text}");
        }
    }

    #[test]
    fn opens_by_magic() {
        use std::io::{Read, Write};
        let dir = std::env::temp_dir().join(format!("vagga-packages-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let plain = b"Package: a\n".to_vec();
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(&plain).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(&plain).unwrap();
        let all = [
            plain.clone(),
            gz.finish().unwrap(),
            xz.finish().unwrap(),
            zstd::encode_all(&plain[..], 1).unwrap(),
        ];
        for bytes in all {
            let path = dir.join("Packages");
            std::fs::write(&path, bytes).unwrap();
            let mut text = Vec::new();
            open(&path).unwrap().read_to_end(&mut text).unwrap();
            assert_eq!(text, plain);
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
