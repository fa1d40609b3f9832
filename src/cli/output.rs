//! Printing. A reader that went away is not an error, and nothing here panics.

use std::io::{self, Write};

/// Prints on stdout. Errors: stdout is full or broken; not when its reader has closed it.
pub fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(e),
        _ => Ok(()),
    }
}

/// Prints on stderr in one write.
pub fn complain(text: &str) {
    // Nobody can be told that stderr is closed.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
