//! Memory of this process that is given back to the system. Nothing that is in use may change by it.

use std::fs;
use std::io;

/// Gives back what only the past has needed: freed pieces of the heap (malloc_trim(3)), and the program's code from our
/// page table (madvise(2), `MADV_DONTNEED`). Code that runs again is mapped again from the page cache, 16 pages at a
/// time.
///
/// For long-lived programs after work that does not come often: the next work pays some tens of microseconds.
///
/// Errors: of reading `/proc/self/maps`, or of madvise; what was given back until then stays given back.
pub fn give_back() -> io::Result<()> {
    trim_heap();
    let maps = fs::read_to_string("/proc/self/maps")?;
    maps.lines().filter_map(code).try_for_each(|(start, length)| {
        // SAFETY: a private mapping of a file that we can't write to: all its pages are those of the file, and come
        // back from there.
        match unsafe { libc::madvise(start as *mut libc::c_void, length, libc::MADV_DONTNEED) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    })
}

#[cfg(target_env = "gnu")]
fn trim_heap() {
    // SAFETY: takes no pointer and touches only memory that is free.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
fn trim_heap() {}

/// Address and length of a mapping of `/proc/PID/maps` (proc_pid_maps(5)) that holds code from a file: not writable, so
/// never different from the file.
fn code(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_ascii_whitespace();
    let (range, rights) = (words.next()?, words.next()?);
    let inode = words.nth(2)?;
    if rights != "r-xp" || inode == "0" {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    let number = |text| usize::from_str_radix(text, 16).ok();
    let (start, end) = (number(start)?, number(end)?);
    Some((start, end.checked_sub(start)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_of_files_is_found() {
        let found =
            code("00400000-00754000 r-xp 000ad000 fe:00 1234                       /usr/bin/lithos_tree");
        assert_eq!(found, Some((0x40_0000, 0x35_4000)));
        assert_eq!(code("7ffd0000-7ffd2000 r-xp 00000000 00:00 0     [vdso]"), None);
        assert_eq!(code("00400000-00754000 rw-p 000ad000 fe:00 1234 /x"), None);
        assert_eq!(code("00400000-00754000 r--p 000ad000 fe:00 1234 /x"), None);
        assert_eq!(code("nonsense"), None);
        assert_eq!(code(""), None);
    }

    #[test]
    fn code_and_data_are_the_same_afterwards() {
        let kept: Vec<u64> = (0..10_000).collect();
        drop(vec![1u8; 1 << 20]);
        give_back().unwrap();
        assert!(kept.iter().copied().eq(0..10_000));
        assert!(fs::read_to_string("/proc/self/maps").unwrap().contains("r-xp"));
    }
}
