//! Random bytes of the kernel, getrandom(2).

use std::io;

/// Bytes that nobody can guess. Waits until the kernel has collected enough at boot.
///
/// Errors: ENOSYS before Linux 3.17.
pub fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut buffer = [0; N];
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|r| !r.is_empty()) {
        // SAFETY: the pointer and the length are those of `rest`, which is writable.
        let n = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        match usize::try_from(n) {
            Ok(n) => filled += n,
            Err(_) => retry_after_signal(io::Error::last_os_error())?,
        }
    }
    Ok(buffer)
}

fn retry_after_signal(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::Interrupted => Ok(()),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn bytes_differ() {
        assert_ne!(super::bytes::<32>().unwrap(), super::bytes::<32>().unwrap());
    }
}
