//! Memory of this process that is given back to the system. Nothing that is in use may change by it.

use std::io;
use std::ptr;

/// Gives back what only the past has needed: freed pieces of the heap (malloc_trim(3)), and the program's code from our
/// page table (madvise(2), `MADV_DONTNEED`). Code that runs again is mapped again from the page cache, 16 pages at a
/// time.
///
/// For long-lived programs after work that does not come often: the next work pays some microseconds.
///
/// Errors: of madvise.
pub fn give_back() -> io::Result<()> {
    trim_heap();
    let (start, length) = code();
    // SAFETY: private mappings of the program's file that nobody can write to: all their pages are those of the file, and
    // come back from there.
    match unsafe { libc::madvise(start as *mut libc::c_void, length, libc::MADV_DONTNEED) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Address and length of the program's constants and code, whole pages: from the ELF header to the end of the code, by
/// the symbols that linkers define for them (end(3)).
fn code() -> (usize, usize) {
    extern "C" {
        static __executable_start: u8;
        static etext: u8;
    }
    let start = &raw const __executable_start as usize;
    let end = &raw const etext as usize & !(PAGE - 1);
    (start, end.saturating_sub(start))
}

/// Alignment of mappings on all machines with smaller pages, too.
const PAGE: usize = 64 << 10;

/// Gives back freed pieces of the heap (malloc_trim(3)), of a C library that can.
#[cfg(target_env = "gnu")]
fn trim_heap() {
    // SAFETY: takes no pointer and touches only memory that is free.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
fn trim_heap() {}

/// Gives back what deeper calls have used of the stack of the first thread; in other threads it does nothing.
pub fn trim_stack() {
    /// Left alone: what this function and what it calls use.
    const OURS: usize = 8 << 10;
    /// Less than the kernel leaves free below a stack (`stack_guard_gap`, 1 MiB).
    const LENGTH: usize = 256 << 10;
    let here = 0u8;
    let end = (ptr::from_ref(&here) as usize & !4095) - OURS;
    // SAFETY: no arguments, cannot fail.
    let first = unsafe { libc::gettid() == libc::getpid() };
    if first {
        // SAFETY: in the first thread there is nothing but its stack in this range, which ends below all frames in use.
        // What is not mapped is ENOMEM, after the rest was done.
        unsafe { libc::madvise((end - LENGTH) as *mut libc::c_void, LENGTH, libc::MADV_DONTNEED) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_that_of_this_program() {
        let (start, length) = code();
        let this = code_is_that_of_this_program as fn() as usize;
        assert!(start % 4096 == 0 && (start..start + length + PAGE).contains(&this));
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let mut within = 0;
        for line in maps.lines() {
            let (range, rights) = line.split_once(' ').unwrap();
            let from = usize::from_str_radix(range.split_once('-').unwrap().0, 16).unwrap();
            if (start..start + length).contains(&from) {
                assert!(!rights.starts_with("rw") && !line.contains(" 00:00 0"), "{line}");
                within += 1;
            }
        }
        assert!(within > 0, "{maps}");
    }

    #[test]
    fn code_and_data_are_the_same_afterwards() {
        let kept: Vec<u64> = (0..10_000).collect();
        drop(vec![1u8; 1 << 20]);
        give_back().unwrap();
        assert!(kept.iter().copied().eq(0..10_000));
    }
}
