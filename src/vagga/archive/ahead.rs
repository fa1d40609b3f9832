//! Decompression in a thread of its own, a few chunks ahead of the writer, as `tar --zstd` has it in a process.
//!
//! The one thread of the toolkit, because it is measured to be needed: 1 GB of zstd into memory, two cores with nothing
//! else to do, takes 0.96 s without it, 0.60 s with it, `tar --zstd -x` 0.82 s (medians of 9; `benches/bulk`). It reads
//! from one stream and passes chunks; it forks nothing, and it ends before the [`Ahead`] that started it is gone, so that
//! whoever forks later is single-threaded again. Nothing may fork while an `Ahead` lives.

use std::io::{self, ErrorKind, Read};
use std::sync::mpsc::{channel, sync_channel, Receiver, Sender, SyncSender};
use std::thread::{Builder, JoinHandle};

/// Bytes of a chunk.
const CHUNK: usize = 256 * 1024;
/// Chunks that wait for the reader at most: with the one being filled and the one being read, 1.5 MiB.
const WAITING: usize = 4;

/// What the thread says: a chunk and how much of it is filled (nothing at the end), or why it cannot go on.
type Message = io::Result<(Vec<u8>, usize)>;

/// Reads what a thread decodes.
pub struct Ahead {
    /// `None` once the stream has ended, well or not.
    messages: Option<Receiver<Message>>,
    /// Where chunks that were read go back.
    used: Sender<Vec<u8>>,
    chunk: Vec<u8>,
    at: usize,
    filled: usize,
    thread: Option<JoinHandle<()>>,
}

impl Ahead {
    /// Starts to read `stream`. Errors: no further thread is allowed.
    pub fn new(stream: impl Read + Send + 'static) -> io::Result<Ahead> {
        let (sender, messages) = sync_channel(WAITING);
        let (used, empty) = channel();
        let thread = Builder::new()
            .name("decompression".to_string())
            .spawn(move || pass(stream, &sender, &empty))?;
        Ok(Ahead {
            messages: Some(messages),
            used,
            chunk: Vec::new(),
            at: 0,
            filled: 0,
            thread: Some(thread),
        })
    }

    fn next_chunk(&mut self) -> io::Result<()> {
        let Some(messages) = &self.messages else {
            return Ok(());
        };
        let chunk = std::mem::take(&mut self.chunk);
        if !chunk.is_empty() {
            // Nobody takes it when the thread is at its end.
            let _ = self.used.send(chunk);
        }
        let message = messages
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("the thread that decompresses ended early")));
        if !matches!(&message, Ok((_, filled)) if *filled > 0) {
            self.messages = None;
        }
        (self.at, self.filled) = (0, 0);
        (self.chunk, self.filled) = message?;
        Ok(())
    }
}

impl Read for Ahead {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.at == self.filled {
            self.next_chunk()?;
        }
        let mut rest = self.chunk.get(self.at..self.filled).unwrap_or_default();
        let n = rest.read(buf)?;
        self.at += n;
        Ok(n)
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        // A thread that waits to send learns so that nobody listens any more.
        self.messages = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread: chunks until the end, an error, or nobody listening.
fn pass(mut stream: impl Read, sender: &SyncSender<Message>, empty: &Receiver<Vec<u8>>) {
    loop {
        let mut chunk = empty.try_recv().unwrap_or_else(|_| vec![0; CHUNK]);
        let message = fill(&mut stream, &mut chunk).map(|filled| (chunk, filled));
        let more = matches!(&message, Ok((_, filled)) if *filled > 0);
        if sender.send(message).is_err() || !more {
            return;
        }
    }
}

/// Fills the chunk as far as the stream goes.
fn fill(stream: &mut impl Read, chunk: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = chunk.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match stream.read(rest) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives `n` bytes in odd pieces, then an error.
    struct Broken(usize);

    impl Read for Broken {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::Error::other("broken"));
            }
            let n = buf.len().min(self.0).min(777);
            buf.iter_mut().take(n).for_each(|byte| *byte = 7);
            self.0 -= n;
            Ok(n)
        }
    }

    #[test]
    fn passes_everything_on() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 20 * CHUNK + 3] {
            let data: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            let mut found = Vec::new();
            let mut ahead = Ahead::new(io::Cursor::new(data.clone())).unwrap();
            ahead.read_to_end(&mut found).unwrap();
            assert!(found == data, "{length}");
            assert_eq!(ahead.read(&mut [0; 8]).unwrap(), 0, "the end stays the end");
        }
    }

    #[test]
    fn an_error_is_no_end() {
        let mut ahead = Ahead::new(Broken(3 * CHUNK)).unwrap();
        let error = io::copy(&mut ahead, &mut io::sink()).unwrap_err();
        assert_eq!(error.to_string(), "broken");
    }

    #[test]
    fn a_reader_may_stop_in_the_middle() {
        let mut ahead = Ahead::new(io::repeat(1)).unwrap();
        ahead.read_exact(&mut [0; 100]).unwrap();
        drop(ahead);
    }

    #[test]
    fn a_thread_that_dies_is_no_end() {
        struct Panics;
        impl Read for Panics {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                panic!("on purpose")
            }
        }
        let mut ahead = Ahead::new(Panics).unwrap();
        let error = ahead.read(&mut [0; 8]).unwrap_err();
        assert!(error.to_string().contains("ended early"));
    }
}
