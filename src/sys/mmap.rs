//! Memory shared with other processes through a file (mmap(2)), as whole words that are read and written atomically.
//!
//! The length is fixed when the file is mapped. A file that somebody shortens later would end this process (SIGBUS), so
//! only files that nobody else may write to belong here.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a word.
pub const WORD: usize = 8;

/// The first words of a file, shared with everybody who maps or reads it.
#[derive(Debug)]
pub struct SharedWords {
    start: NonNull<AtomicU64>,
    words: usize,
}

impl SharedWords {
    /// Maps the first `words` words of a file that is open for reading and writing.
    ///
    /// Errors: `UnexpectedEof` when the file is shorter; what mmap(2) says.
    pub fn map(file: &File, words: usize) -> io::Result<SharedWords> {
        let bytes = words.checked_mul(WORD).ok_or(io::ErrorKind::InvalidInput)?;
        if file.metadata()?.len() < bytes as u64 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if words == 0 {
            let start = NonNull::dangling();
            return Ok(SharedWords { start, words });
        }
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a fresh mapping at an address of the kernel's choice; the descriptor is open.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                protection,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(at.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(SharedWords { start, words })
    }

    /// Number of words.
    pub fn len(&self) -> usize {
        self.words
    }

    /// True when there is nothing to share.
    pub fn is_empty(&self) -> bool {
        self.words == 0
    }

    fn word(&self, index: usize) -> Option<&AtomicU64> {
        // SAFETY: `start` points to `words` aligned words, which stay mapped as long as `self` lives.
        (index < self.words).then(|| unsafe { self.start.add(index).as_ref() })
    }

    /// The word at an index; 0 beyond the end.
    pub fn load(&self, index: usize) -> u64 {
        self.word(index).map_or(0, |w| w.load(Ordering::Relaxed))
    }

    /// Sets the word at an index; nothing happens beyond the end.
    pub fn store(&self, index: usize, value: u64) {
        if let Some(word) = self.word(index) {
            word.store(value, Ordering::Relaxed);
        }
    }
}

impl Drop for SharedWords {
    fn drop(&mut self) {
        if self.words > 0 {
            // SAFETY: exactly the mapping made in `map`, to which no reference remains.
            unsafe { libc::munmap(self.start.as_ptr().cast(), self.words * WORD) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek};

    fn file(content: &[u8]) -> File {
        use std::io::Write;
        let path = std::env::temp_dir().join(format!("words.{}.{:p}", std::process::id(), content));
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .unwrap();
        std::fs::remove_file(&path).unwrap();
        file.write_all(content).unwrap();
        file
    }

    #[test]
    fn others_see_what_is_stored() {
        let mut file = file(&[0; 24]);
        let words = SharedWords::map(&file, 3).unwrap();
        words.store(1, 0x0102_0304_0506_0708);
        words.store(3, 9);
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes[8..16], 0x0102_0304_0506_0708u64.to_ne_bytes());
        assert_eq!((words.load(1), words.load(3)), (0x0102_0304_0506_0708, 0));
    }

    #[test]
    fn short_files_are_refused() {
        let short = SharedWords::map(&file(&[0; 23]), 3).unwrap_err();
        assert_eq!(short.kind(), io::ErrorKind::UnexpectedEof);
        assert!(SharedWords::map(&file(&[]), 0).unwrap().is_empty());
    }
}
