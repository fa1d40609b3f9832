//! Time that never goes back, as numbers that survive an exec and mean the same in every process (clock_gettime(2)).

/// Milliseconds of `CLOCK_MONOTONIC`; 0 when the kernel has none, which does not happen.
pub fn millis() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a writable timespec.
    if unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) } != 0 {
        return 0;
    }
    time.tv_sec as u64 * 1000 + time.tv_nsec as u64 / 1_000_000
}

#[cfg(test)]
mod tests {
    #[test]
    fn clock_advances() {
        let before = super::millis();
        std::thread::sleep(std::time::Duration::from_millis(5));
        let after = super::millis();
        assert!(
            before > 0 && (before + 4..before + 5000).contains(&after),
            "{before} {after}"
        );
    }
}
