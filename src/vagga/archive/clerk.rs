//! Who decides entry by entry: a package manager that keeps books of the files it unpacks.

use std::io::{self, Read};
use std::path::PathBuf;

use super::writer::Meta;
use super::ArchiveError;

/// Decides on every entry before it is written, and sees what is written.
pub trait Clerk {
    /// Where the entry that would go to `path` (relative to the destination) is to go; `None` leaves it out.
    fn place(&mut self, path: PathBuf, what: &What, meta: &Meta) -> Result<Option<PathBuf>, ArchiveError>;

    /// The next bytes of the file placed last.
    fn content(&mut self, bytes: &[u8]);
}

/// What kind of thing an entry makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Dir,
    File,
    /// With its text.
    Symlink(PathBuf),
    /// With the entry's name of the file it is another name of.
    HardLink(PathBuf),
    /// A pipe or a device.
    Special,
}

/// Everything goes where the archive says.
pub struct Everywhere;

impl Clerk for Everywhere {
    fn place(&mut self, path: PathBuf, _: &What, _: &Meta) -> Result<Option<PathBuf>, ArchiveError> {
        Ok(Some(path))
    }

    fn content(&mut self, _: &[u8]) {}
}

/// Shows a clerk what is read.
pub struct Seen<'a, R> {
    pub inner: R,
    pub clerk: &'a mut dyn Clerk,
}

impl<R: Read> Read for Seen<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.clerk.content(buf.get(..n).unwrap_or_default());
        Ok(n)
    }
}
