//! The private key file of a sandbox: read through one descriptor, whose owner and mode are checked before.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use zeroize::Zeroizing;

use super::key::PrivateKey;
use super::openssh::{self, BadKey};

/// Larger files are refused, bytes.
const LARGEST: u64 = 256 << 10;
/// The bits of the mode that may be set.
const ALLOWED: u32 = 0o600;

/// Why a key file cannot be used.
#[derive(Debug)]
pub enum BadFile {
    /// It cannot be opened or read.
    Io(io::Error),
    /// Its owner, not root.
    Owner(u32),
    /// Its mode, which lets others at it.
    Mode(u32),
    /// It is not a regular file of a sensible size.
    Shape,
    /// What is in it is no usable key.
    Key(BadKey),
}

impl fmt::Display for BadFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadFile::Io(e) => write!(f, "{e}"),
            BadFile::Owner(uid) => write!(f, "it belongs to user {uid}: chown it to 0"),
            BadFile::Mode(mode) => write!(f, "its mode is {mode:04o}: chmod it to 0600"),
            BadFile::Shape => write!(f, "not a regular file of at most {} kiB", LARGEST >> 10),
            BadFile::Key(bad) => write!(f, "{bad}"),
        }
    }
}

impl std::error::Error for BadFile {}

/// All keys of a file that belongs to root alone.
pub fn load(path: &Path) -> Result<Vec<PrivateKey>, BadFile> {
    // A pipe must not make the container wait.
    let flags = libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path);
    from_file(&file.map_err(BadFile::Io)?)
}

/// The same through a descriptor that is open already, at its current position.
pub fn from_file(file: &File) -> Result<Vec<PrivateKey>, BadFile> {
    owned_by(file, 0)?;
    openssh::private(&text(file)?).map_err(BadFile::Key)
}

fn owned_by(file: &File, uid: u32) -> Result<(), BadFile> {
    let meta = file.metadata().map_err(BadFile::Io)?;
    let mode = meta.mode() & 0o7777;
    if !meta.is_file() || meta.len() > LARGEST {
        Err(BadFile::Shape)
    } else if meta.uid() != uid {
        Err(BadFile::Owner(meta.uid()))
    } else if mode & !ALLOWED != 0 {
        Err(BadFile::Mode(mode))
    } else {
        Ok(())
    }
}

/// The text of a key file, without a look at its owner. Not UTF-8: no key.
pub fn text(file: &File) -> Result<Zeroizing<String>, BadFile> {
    // One allocation of the right size, so that no copy is left behind by growth.
    let mut text = Zeroizing::new(String::with_capacity(
        usize::try_from(LARGEST).unwrap_or_default() + 1,
    ));
    file.take(LARGEST + 1)
        .read_to_string(&mut text)
        .map_err(|e| match e.kind() {
            io::ErrorKind::InvalidData => BadFile::Key(BadKey::NoKey),
            _ => BadFile::Io(e),
        })?;
    match text.len() as u64 > LARGEST {
        true => Err(BadFile::Shape),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::PRIVATE;
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn owner_and_mode_are_checked() {
        let path = std::env::temp_dir().join(format!("lithos-key-{}", std::process::id()));
        fs::write(&path, PRIVATE).unwrap();
        let me = fs::metadata(&path).unwrap().uid();
        for (mode, good) in [
            (0o600, true),
            (0o400, true),
            (0o640, false),
            (0o644, false),
            (0o700, false),
        ] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let file = File::open(&path).unwrap();
            assert_eq!(owned_by(&file, me).is_ok(), good, "{mode:o}");
            assert!(matches!(owned_by(&file, me + 1), Err(BadFile::Owner(u)) if u == me));
        }
        assert_eq!(text(&File::open(&path).unwrap()).unwrap().as_str(), PRIVATE);
        fs::remove_file(&path).unwrap();
        assert!(matches!(load(&path), Err(BadFile::Io(_))));
        assert!(matches!(
            owned_by(&File::open("/dev/null").unwrap(), 0),
            Err(BadFile::Shape)
        ));
    }
}
