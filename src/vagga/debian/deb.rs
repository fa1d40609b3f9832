//! The `.deb` container: an `ar` archive of `debian-binary`, `control.tar*` and `data.tar*` (deb(5)).

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::vagga::archive::{self, Guard};

/// Largest control archive and largest file in it; real ones stay below 1 MB.
const MAX_CONTROL: u64 = 16 << 20;

const AR_MAGIC: &[u8] = b"!<arch>\n";
const AR_HEADER: usize = 60;

/// Position of a member in the file.
#[derive(Debug, Clone, Copy)]
struct Member {
    offset: u64,
    size: u64,
}

/// An opened package file.
#[derive(Debug)]
pub struct Deb {
    file: File,
    control: Member,
    data: Member,
}

impl Deb {
    /// Opens a package and finds its members.
    ///
    /// Errors: `InvalidData` with the reason when it is not a package of format 2.
    pub fn open(path: &Path) -> io::Result<Deb> {
        let mut file = File::open(path)?;
        let mut magic = [0; AR_MAGIC.len()];
        file.read_exact(&mut magic)?;
        if magic != AR_MAGIC {
            return Err(invalid("not an ar archive"));
        }
        let (mut control, mut data, mut version) = (None, None, false);
        let mut offset = AR_MAGIC.len() as u64;
        while let Some((name, member)) = next_member(&mut file, offset)? {
            match name.as_str() {
                "debian-binary" => version = format_version(&mut file, member)?,
                n if n.starts_with("control.tar") => control = control.or(Some(member)),
                n if n.starts_with("data.tar") => data = data.or(Some(member)),
                _ => {}
            }
            offset = member.offset + member.size + member.size % 2;
        }
        match (version, control, data) {
            (true, Some(control), Some(data)) => Ok(Deb { file, control, data }),
            _ => Err(invalid("not a Debian package of format 2")),
        }
    }

    /// The files of the control archive: name, mode, contents.
    pub fn control(&self) -> io::Result<Vec<(String, u32, Vec<u8>)>> {
        let stream = Guard::new(self.stream(self.control)?).take(MAX_CONTROL);
        let mut files = Vec::new();
        for entry in tar::Archive::new(stream).entries()? {
            let mut entry = entry?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let name = String::from_utf8_lossy(&entry.path_bytes())
                .trim_start_matches("./")
                .to_string();
            if name.is_empty() || name.contains('/') {
                return Err(invalid("strange name in the control archive"));
            }
            let mode = entry.header().mode()?;
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            files.push((name, mode, bytes));
        }
        Ok(files)
    }

    /// The decompressed stream of the data archive.
    pub fn data(&self) -> io::Result<Box<dyn Read>> {
        self.stream(self.data)
    }

    fn stream(&self, member: Member) -> io::Result<Box<dyn Read>> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(member.offset))?;
        archive::decompress(file.take(member.size))
    }
}

fn next_member(file: &mut File, offset: u64) -> io::Result<Option<(String, Member)>> {
    file.seek(SeekFrom::Start(offset))?;
    let mut header = [0; AR_HEADER];
    let mut got = 0;
    while let Some(rest) = header.get_mut(got..).filter(|r| !r.is_empty()) {
        match file.read(rest)? {
            0 if got == 0 => return Ok(None),
            0 => return Err(invalid("truncated")),
            n => got += n,
        }
    }
    let text = |range: std::ops::Range<usize>| {
        String::from_utf8_lossy(header.get(range).unwrap_or_default()).into_owned()
    };
    if text(58..60) != "`\n" {
        return Err(invalid("broken ar header"));
    }
    let name = text(0..16).trim_end().trim_end_matches('/').to_string();
    let size = text(48..58)
        .trim()
        .parse()
        .map_err(|_| invalid("broken ar header"))?;
    Ok(Some((
        name,
        Member {
            offset: offset + AR_HEADER as u64,
            size,
        },
    )))
}

fn format_version(file: &mut File, member: Member) -> io::Result<bool> {
    file.seek(SeekFrom::Start(member.offset))?;
    let mut text = String::new();
    file.take(member.size.min(64)).read_to_string(&mut text)?;
    Ok(text.starts_with("2."))
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::path::PathBuf;

    /// Builds a package file from control files and data entries (name, mode, contents; `None` = directory).
    pub fn build(
        dir: &Path,
        name: &str,
        control: &[(&str, &str)],
        data: &[(&str, u32, Option<&str>)],
    ) -> PathBuf {
        let mut control_tar = tar::Builder::new(Vec::new());
        for (file, text) in control {
            append(&mut control_tar, file, 0o755, Some(text));
        }
        let mut data_tar = tar::Builder::new(Vec::new());
        for (file, mode, text) in data {
            append(&mut data_tar, file, *mode, *text);
        }
        let data = zstd::encode_all(&data_tar.into_inner().unwrap()[..], 1).unwrap();
        let mut deb = AR_MAGIC.to_vec();
        for (member, bytes) in [
            ("debian-binary", b"2.0\n".to_vec()),
            ("control.tar", control_tar.into_inner().unwrap()),
            ("data.tar.zst", data),
        ] {
            deb.extend(
                format!(
                    "{member:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
                    0,
                    0,
                    0,
                    100644,
                    bytes.len()
                )
                .bytes(),
            );
            deb.extend(&bytes);
            deb.extend(vec![b'\n'; bytes.len() % 2]);
        }
        let path = dir.join(name);
        std::fs::write(&path, deb).unwrap();
        path
    }

    fn append(tar: &mut tar::Builder<Vec<u8>>, name: &str, mode: u32, text: Option<&str>) {
        let mut header = tar::Header::new_ustar();
        let bytes = text.unwrap_or_default();
        header.set_mode(mode);
        header.set_mtime(1_000_000_000);
        header.set_uid(0);
        header.set_gid(0);
        match (text, bytes.strip_prefix("-> ")) {
            (None, _) => header.set_entry_type(tar::EntryType::Directory),
            (_, Some(target)) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                tar.append_link(&mut header, name, target).unwrap();
                return;
            }
            _ => header.set_entry_type(tar::EntryType::Regular),
        }
        header.set_size(bytes.len() as u64);
        // Not `append_data`: tests need names that it refuses.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        tar.append(&header, bytes.as_bytes()).unwrap();
    }

    #[test]
    fn reads_control_and_data() {
        let dir = std::env::temp_dir().join(format!("vagga-deb-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = build(
            &dir,
            "a.deb",
            &[("./control", "Package: a\n")],
            &[("./x", 0o644, Some("hi"))],
        );
        let deb = Deb::open(&path).unwrap();
        assert_eq!(
            deb.control().unwrap(),
            [("control".to_string(), 0o755, b"Package: a\n".to_vec())]
        );
        let mut archive = tar::Archive::new(deb.data().unwrap());
        assert_eq!(archive.entries().unwrap().count(), 1);
        for length in [0, 8, 40, 100, 200] {
            let bytes = std::fs::read(&path).unwrap();
            let cut = dir.join("cut.deb");
            std::fs::write(&cut, &bytes[..length]).unwrap();
            assert!(Deb::open(&cut).is_err(), "{length}");
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
