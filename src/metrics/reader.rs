//! Reads a pair of metric files of another process, which may be hostile: bounded, regular files only, no links.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::meta::{self, MAX_FIELDS, MAX_TEXT};
use super::values::{decode, Value};
use super::with;

/// Largest values file that is looked at, bytes: as many fields as there may be, of the longest usual kind.
const MAX_VALUES: u64 = (MAX_FIELDS * 128) as u64;

/// Every readable metric of `PREFIX.meta` and `PREFIX.values`: its description as written (JSON) and its value now.
///
/// Errors: of open(2) and read(2); `InvalidData` when the files are not metrics or do not fit together.
pub fn read(prefix: &Path) -> io::Result<Vec<(String, Value)>> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let text = String::from_utf8(bytes(&with(prefix, "meta"), MAX_TEXT as u64)?).map_err(|_| invalid())?;
    let fields = meta::parse(&text).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
    let values = bytes(&with(prefix, "values"), MAX_VALUES)?;
    let values = decode(&fields, &values).ok_or_else(invalid)?;
    let values = values.into_iter();
    Ok(values
        .filter_map(|(index, value)| Some((fields.get(index)?.json.clone(), value)))
        .collect())
}

fn bytes(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > most {
        true => Err(io::ErrorKind::InvalidData.into()),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Description, Metric, Writer};
    use super::*;
    use crate::sys::fs::tests::Temp;

    #[test]
    fn what_the_writer_wrote() {
        let dir = Temp::new();
        let metrics = [Metric::counter("a", "x"), Metric::level("a", "y")];
        let writer = Writer::open(&dir.0.join("m"), &metrics).unwrap();
        writer.add(0, 7);
        writer.set(1, -1);
        let read = read(&dir.0.join("m")).unwrap();
        assert_eq!(read[0], (Description::new("a", "x").to_json(), Value::Counter(7)));
        assert_eq!(read[1].1, Value::Integer(-1));
    }

    #[test]
    fn what_is_no_pair_of_metric_files() {
        let dir = Temp::new();
        let prefix = dir.0.join("m");
        assert!(read(&prefix).is_err());
        std::fs::write(dir.0.join("m.meta"), "counter 8: {\"group\":\"a\"}\n").unwrap();
        std::fs::write(dir.0.join("m.values"), [0; 4]).unwrap();
        assert_eq!(read(&prefix).unwrap_err().kind(), io::ErrorKind::InvalidData);
        std::fs::remove_file(dir.0.join("m.values")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", dir.0.join("m.values")).unwrap();
        assert!(read(&prefix).is_err());
    }
}
