//! Paragraphs of apk's database `/lib/apk/db/installed`: packages with the files they own (apk v2; v3 writes the same).

use std::collections::HashMap;
use std::rc::Rc;

use super::dependency::{self, Dependency};
use super::digest::Checksum;
use super::package::{split_field, Package};

/// A file of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    pub name: String,
    /// `uid:gid:mode` unless it is 0:0:644.
    pub access: Option<String>,
    /// SHA-1 of the content, or of a link's text.
    pub checksum: Option<Checksum>,
}

/// A directory of a package, without leading slash; empty for the root.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Directory {
    pub path: String,
    /// `uid:gid:mode` unless it is 0:0:755.
    pub access: Option<String>,
    pub files: Vec<Owned>,
}

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    pub package: Package,
    /// Its fields as they were written.
    lines: Vec<String>,
    pub directories: Vec<Directory>,
}

impl Installed {
    /// A package from the lines of its fields; its files come later.
    pub fn new(lines: Vec<String>) -> Result<Installed, String> {
        let package = Package::parse(lines.iter().map(String::as_str), None)?;
        Ok(Installed {
            package,
            lines,
            directories: Vec::new(),
        })
    }

    /// The value of a field, empty without.
    pub fn field(&self, letter: char) -> &str {
        let found = self
            .lines
            .iter()
            .filter_map(|l| split_field(l).ok())
            .find(|(l, _)| *l == letter);
        found.map_or("", |(_, value)| value)
    }

    /// What it may overwrite.
    pub fn replaces(&self) -> Vec<Dependency> {
        dependency::parse_list(self.field('r')).unwrap_or_default()
    }

    /// Which of two packages that replace each other wins.
    pub fn replaces_priority(&self) -> u32 {
        self.field('q').parse().unwrap_or(0)
    }

    /// The paths of its files, without leading slash.
    pub fn files(&self) -> impl Iterator<Item = (String, &Owned)> {
        self.directories
            .iter()
            .flat_map(|dir| dir.files.iter().map(|file| (join(&dir.path, &file.name), file)))
    }

    /// Takes a file out of its list.
    pub fn forget(&mut self, path: &str) {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        for directory in self.directories.iter_mut().filter(|d| d.path == dir) {
            directory.files.retain(|f| f.name != name);
        }
    }

    fn read(paragraph: &str) -> Result<Installed, String> {
        let mut lines = Vec::new();
        let mut directories: Vec<Directory> = Vec::new();
        for line in paragraph.lines() {
            let (letter, value) = split_field(line)?;
            let text = || Some(value.to_string());
            match (letter, directories.last_mut()) {
                ('F', _) => directories.push(Directory {
                    path: value.to_string(),
                    ..Directory::default()
                }),
                ('M', Some(dir)) => dir.access = text(),
                ('R', Some(dir)) => {
                    let name = value.to_string();
                    dir.files.push(Owned {
                        name,
                        access: None,
                        checksum: None,
                    });
                }
                ('a', Some(Directory { files, .. })) if !files.is_empty() => {
                    files
                        .iter_mut()
                        .last()
                        .into_iter()
                        .for_each(|f| f.access = text());
                }
                ('Z', Some(Directory { files, .. })) if !files.is_empty() => {
                    files
                        .iter_mut()
                        .last()
                        .into_iter()
                        .for_each(|f| f.checksum = Checksum::parse(value));
                }
                _ => lines.push(line.to_string()),
            }
        }
        Ok(Installed {
            directories,
            ..Installed::new(lines)?
        })
    }

    fn write(&self, out: &mut String) {
        let mut put = |letter: char, value: &str| {
            out.push(letter);
            out.push(':');
            out.push_str(value);
            out.push('\n');
        };
        for line in &self.lines {
            if let Ok((letter, value)) = split_field(line) {
                put(letter, value);
            }
        }
        for dir in &self.directories {
            put('F', &dir.path);
            dir.access.iter().for_each(|access| put('M', access));
            for file in &dir.files {
                put('R', &file.name);
                file.access.iter().for_each(|access| put('a', access));
                file.checksum.iter().for_each(|sum| put('Z', sum.as_str()));
            }
        }
    }
}

/// `dir/name`, without a slash at the top.
pub fn join(dir: &str, name: &str) -> String {
    match dir {
        "" => name.to_string(),
        _ => format!("{dir}/{name}"),
    }
}

/// Reads the whole file.
pub fn read(text: &str) -> Result<Vec<Installed>, String> {
    text.split("\n\n")
        .map(|paragraph| paragraph.trim_matches('\n'))
        .filter(|paragraph| !paragraph.is_empty())
        .map(Installed::read)
        .collect()
}

/// The file as apk writes it.
pub fn write(packages: &[Installed]) -> String {
    let mut text = String::new();
    for package in packages {
        package.write(&mut text);
        text.push('\n');
    }
    text
}

/// Which package owns a path, and what it says of it.
#[derive(Debug, Default)]
pub struct Owners(HashMap<String, (Rc<str>, Option<Checksum>)>);

impl Owners {
    /// The owners of all files.
    pub fn new(packages: &[Installed]) -> Owners {
        let mut owners = Owners::default();
        packages.iter().for_each(|package| owners.add(package));
        owners
    }

    /// Gives a package its files.
    pub fn add(&mut self, package: &Installed) {
        let name: Rc<str> = package.package.name.as_str().into();
        let files = package.files();
        self.0
            .extend(files.map(|(path, file)| (path, (name.clone(), file.checksum.clone()))));
    }

    /// Takes away the files that are a package's still.
    pub fn remove(&mut self, package: &Installed) {
        for (path, _) in package.files() {
            if self.of(&path) == Some(&package.package.name) {
                self.0.remove(&path);
            }
        }
    }

    /// Name of the owner.
    pub fn of(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(|(name, _)| &**name)
    }

    /// What the owner's file was.
    pub fn checksum(&self, path: &str) -> Option<&Checksum> {
        self.0.get(path).and_then(|(_, checksum)| checksum.as_ref())
    }
}

/// `apk -vv info`: a line for each package, sorted.
pub fn listing(packages: &[Installed]) -> String {
    let mut lines: Vec<String> = packages
        .iter()
        .map(|p| format!("{} - {}\n", p.package.full_name(), p.field('T')))
        .collect();
    lines.sort();
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "C:Q12jmj7l5rSw0yVb/vlWAYkK/YBwk=\nP:a\nV:1\nT:Text\nr:b c<2\nq:7\nF:\nF:etc\nM:0:0:700\nR:x\n\
                        a:0:0:600\nZ:Q12jmj7l5rSw0yVb/vlWAYkK/YBwk=\nR:y\nF:usr/bin\nR:z\n\n\
                        C:Q12jmj7l5rSw0yVb/vlWAYkK/YBwk=\nP:.virtual\nV:20260101.1\nf:S\n\n";

    #[test]
    fn databases_are_read_and_written() {
        let mut packages = read(TEXT).unwrap();
        assert_eq!(write(&packages), TEXT);
        assert_eq!(listing(&packages), ".virtual-20260101.1 - \na-1 - Text\n");
        let a = &packages[0];
        assert_eq!((a.replaces().len(), a.replaces_priority()), (2, 7));
        let mut owners = Owners::new(&packages);
        assert_eq!(
            (
                owners.0.len(),
                owners.of("usr/bin/z"),
                owners.checksum("etc/x").is_some()
            ),
            (3, Some("a"), true)
        );
        owners.remove(a);
        assert_eq!(owners.of("etc/x"), None);
        packages[0].forget("etc/x");
        assert_eq!(
            packages[0].files().map(|(p, _)| p).collect::<Vec<_>>(),
            ["etc/y", "usr/bin/z"]
        );
        assert!(read("nonsense\n").is_err() && read("").unwrap().is_empty());
        assert!(read("C:Q12jmj7l5rSw0yVb/vlWAYkK/YBwk=\nP:a\nV:1\nZ:x\na:y\n").is_ok());
    }
}
