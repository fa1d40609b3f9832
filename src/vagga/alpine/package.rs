//! Package records: paragraphs of an index and of apk's database, and `.PKGINFO`; pure text.

use std::collections::HashMap;

use super::digest::Checksum;

/// What resolution has to know of a package, whether it is installed or in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    pub name: String,
    pub version: String,
    /// Its identity.
    pub checksum: Checksum,
    /// Bytes of the package file.
    pub size: u64,
    /// Lists of dependencies as written.
    pub depends: String,
    pub provides: String,
    pub install_if: String,
    /// Says that it may be chosen for a name without version, and which is chosen first.
    pub provider_priority: u32,
    /// Number of the repository; `None` for what is installed.
    pub repository: Option<usize>,
}

impl Package {
    /// Reads one paragraph (`K:value` lines) of an index or the database.
    ///
    /// Errors: no or bad name, version or checksum.
    pub fn parse<'a>(
        lines: impl IntoIterator<Item = &'a str>,
        repository: Option<usize>,
    ) -> Result<Package, String> {
        let mut fields = [""; 26 * 2];
        for line in lines {
            let (letter, value) = split_field(line)?;
            if let Some(field) = place(letter).and_then(|at| fields.get_mut(at)) {
                *field = value;
            }
        }
        let get = |letter: char| {
            place(letter)
                .and_then(|at| fields.get(at))
                .copied()
                .unwrap_or_default()
        };
        let (name, version) = (get('P'), get('V'));
        if !is_name(name) || !is_version(version) {
            return Err(format!("bad package name or version: {name:?}, {version:?}"));
        }
        let checksum =
            Checksum::parse(get('C')).ok_or_else(|| format!("package {name:?} has a bad checksum"))?;
        let number = |letter| get(letter).parse().unwrap_or(0);
        Ok(Package {
            name: name.to_string(),
            version: version.to_string(),
            checksum,
            size: number('S'),
            depends: get('D').to_string(),
            provides: get('p').to_string(),
            install_if: get('i').to_string(),
            provider_priority: u32::try_from(number('k')).unwrap_or(u32::MAX),
            repository,
        })
    }

    /// Names it provides beside its own, with their versions (empty: none).
    pub fn provided(&self) -> impl Iterator<Item = (&str, &str)> {
        self.provides
            .split_ascii_whitespace()
            .map(|word| word.split_once('=').unwrap_or((word, "")))
    }

    /// `name-version`
    pub fn full_name(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }
}

/// Letter and value of a line `K:value`.
pub fn split_field(line: &str) -> Result<(char, &str), String> {
    let mut chars = line.chars();
    match (chars.next(), chars.next()) {
        (Some(letter), Some(':')) if letter.is_ascii_alphabetic() => Ok((letter, chars.as_str())),
        _ => Err(format!(
            "bad line {:?}",
            line.chars().take(60).collect::<String>()
        )),
    }
}

fn place(letter: char) -> Option<usize> {
    let byte = u8::try_from(letter).ok()?;
    match byte {
        b'A'..=b'Z' => Some(usize::from(byte - b'A')),
        b'a'..=b'z' => Some(usize::from(byte - b'a') + 26),
        _ => None,
    }
}

/// Names become parts of paths and URLs.
fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"+-._".contains(&b);
    !name.is_empty()
        && name.len() < 128
        && !name.starts_with('-')
        && !name.starts_with("..")
        && name.bytes().all(plain)
}

/// Versions that break the rules exist (virtual packages), but none with a slash or the like.
fn is_version(version: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"+-._~".contains(&b);
    !version.is_empty() && version.len() < 128 && version.bytes().all(plain)
}

/// The `key = value` lines of a `.PKGINFO`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct PkgInfo(HashMap<String, Vec<String>>);

/// Fields of the database in its order, and where they come from. Those of several lines are joined.
const FIELDS: [(char, &str); 17] = [
    ('P', "pkgname"),
    ('V', "pkgver"),
    ('A', "arch"),
    ('S', ""),
    ('I', "size"),
    ('T', "pkgdesc"),
    ('U', "url"),
    ('L', "license"),
    ('o', "origin"),
    ('m', "maintainer"),
    ('t', "builddate"),
    ('c', "commit"),
    ('k', "provider_priority"),
    ('D', "depend"),
    ('p', "provides"),
    ('i', "install_if"),
    ('r', "replaces"),
];

impl PkgInfo {
    /// Reads the file; lines that are no assignment are passed over, as by apk.
    pub fn parse(text: &str) -> PkgInfo {
        let mut fields: HashMap<String, Vec<String>> = HashMap::new();
        for line in text.lines().filter(|l| !l.starts_with('#')) {
            if let Some((key, value)) = line.split_once(" = ") {
                fields
                    .entry(key.trim().to_string())
                    .or_default()
                    .push(value.trim().to_string());
            }
        }
        PkgInfo(fields)
    }

    /// The first value of a key, or nothing.
    pub fn get(&self, key: &str) -> &str {
        self.0.get(key).and_then(|v| v.first()).map_or("", String::as_str)
    }

    /// All values of a key, separated by blanks.
    pub fn joined(&self, key: &str) -> String {
        self.0.get(key).map(|v| v.join(" ")).unwrap_or_default()
    }

    /// The lines of its paragraph in the database, files excepted.
    pub fn database_lines(&self, checksum: &Checksum, size: u64) -> Vec<String> {
        let mut lines = vec![format!("C:{}", checksum.as_str())];
        for (letter, key) in FIELDS {
            let value = match key {
                "" => size.to_string(),
                _ => self.joined(key),
            };
            if !value.is_empty() {
                lines.push(format!("{letter}:{value}"));
            }
        }
        let priority = self.get("replaces_priority");
        if !priority.is_empty() {
            lines.push(format!("q:{priority}"));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "Q12jmj7l5rSw0yVb/vlWAYkK/YBwk=";

    #[test]
    fn paragraphs_become_packages() {
        let text = format!("C:{SUM}\nP:a\nV:1-r0\nS:12\nD:so:x b>1\np:cmd:a=1 v\nk:10\nT:any text\nZ:?");
        let package = Package::parse(text.lines(), Some(3)).unwrap();
        assert_eq!(
            (
                package.full_name().as_str(),
                package.size,
                package.provider_priority
            ),
            ("a-1-r0", 12, 10)
        );
        assert_eq!(
            package.provided().collect::<Vec<_>>(),
            [("cmd:a", "1"), ("v", "")]
        );
        assert_eq!(package.repository, Some(3));
        for bad in [
            "P:a\nV:1".to_string(),
            format!("C:{SUM}\nV:1"),
            format!("C:{SUM}\nP:../a\nV:1"),
            format!("C:{SUM}\nP:a/b\nV:1"),
            format!("C:{SUM}\nP:a\nV:1/2"),
            format!("C:{SUM}\nP:a\nV:1\nnonsense"),
            "C:Q1xx\nP:a\nV:1".to_string(),
        ] {
            assert!(Package::parse(bad.lines(), None).is_err(), "{bad}");
        }
    }

    #[test]
    fn pkginfo_becomes_a_paragraph() {
        let info = PkgInfo::parse(
            "# made by x\npkgname = a\npkgver = 1-r0\npkgdesc = text = more\ndepend = b\ndepend = c>1\n\
             replaces = d\nreplaces_priority = 5\ndatahash = 00\nnonsense\n",
        );
        assert_eq!((info.get("datahash"), info.get("none")), ("00", ""));
        let lines = info.database_lines(&Checksum::parse(SUM).unwrap(), 7);
        assert_eq!(
            lines.join("\n"),
            format!("C:{SUM}\nP:a\nV:1-r0\nS:7\nT:text = more\nD:b c>1\nr:d\nq:5")
        );
    }
}
