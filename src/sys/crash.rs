//! The last resort of a process that must not die: on a fatal signal it becomes a fresh copy of its program.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use super::process::check;

/// Signals of the processor's faults and of abort(3).
const FATAL: [i32; 5] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGABRT,
    libc::SIGFPE,
];
/// Bytes of the handler's own stack: that of the program may be what overflowed.
const STACK: usize = 64 << 10;
/// A crash right at the start must not become a loop without pause, nanoseconds.
const PAUSE: libc::c_long = 200_000_000;

static OWNER: AtomicU32 = AtomicU32::new(0);
static PROGRAM: AtomicPtr<libc::c_char> = AtomicPtr::new(ptr::null_mut());
static ARGV: AtomicPtr<*const libc::c_char> = AtomicPtr::new(ptr::null_mut());
static ENV: AtomicPtr<*const libc::c_char> = AtomicPtr::new(ptr::null_mut());

/// From now on a fatal signal of this process executes `program` with these arguments (the zeroth included) and this
/// environment. Forked children die of theirs, as usual. To be called once, for it keeps a little memory for good.
///
/// Errors: a string contains a NUL; sigaction(2), sigaltstack(2).
pub fn restart_on_fatal_signals(program: &Path, argv: &[OsString], env: &[OsString]) -> io::Result<()> {
    PROGRAM.store(c_string(program.as_os_str())?, Ordering::Relaxed);
    ARGV.store(array(argv)?, Ordering::Relaxed);
    ENV.store(array(env)?, Ordering::Relaxed);
    OWNER.store(std::process::id(), Ordering::SeqCst);
    own_stack()?;
    FATAL.iter().try_for_each(|signal| install(*signal))?;
    // The former program has held back what came while it was replaced.
    hold(false)
}

/// Holds the fatal signals of others back, or lets them through again: nothing may be lost, and nothing may end the
/// process, between execve(2) and the moment the next program is prepared. A fault of the processor ends it all the same.
pub fn hold(on: bool) -> io::Result<()> {
    let how = if on { libc::SIG_BLOCK } else { libc::SIG_UNBLOCK };
    let set = fatal_set();
    // SAFETY: a valid set; the former one is not asked for.
    check(unsafe { libc::sigprocmask(how, &set, ptr::null_mut()) })
}

fn fatal_set() -> libc::sigset_t {
    // SAFETY: plain data, initialised by sigemptyset(3); the numbers are valid.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for signal in FATAL {
            libc::sigaddset(&mut set, signal);
        }
        set
    }
}

fn c_string(text: &OsStr) -> io::Result<*mut libc::c_char> {
    Ok(CString::new(text.as_bytes()).map_err(io::Error::from)?.into_raw())
}

fn array(texts: &[OsString]) -> io::Result<*mut *const libc::c_char> {
    let mut pointers: Vec<*const libc::c_char> = Vec::with_capacity(texts.len() + 1);
    for text in texts {
        pointers.push(c_string(text)?);
    }
    pointers.push(ptr::null());
    Ok(Box::leak(pointers.into_boxed_slice()).as_mut_ptr())
}

fn own_stack() -> io::Result<()> {
    let memory = Box::leak(vec![0u8; STACK].into_boxed_slice());
    let stack = libc::stack_t {
        ss_sp: memory.as_mut_ptr().cast(),
        ss_flags: 0,
        ss_size: STACK,
    };
    // SAFETY: the memory is of the size told and is never freed.
    check(unsafe { libc::sigaltstack(&stack, ptr::null_mut()) })
}

fn install(signal: i32) -> io::Result<()> {
    let handler: extern "C" fn(libc::c_int) = restart;
    // SAFETY: plain data, zero is valid for every field; the handler does only what signal-safety(7) allows.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as libc::sighandler_t;
        // Blocked while it runs and in the next program until that is prepared, as `hold` does.
        action.sa_mask = fatal_set();
        action.sa_flags = libc::SA_ONSTACK | libc::SA_RESETHAND;
        check(libc::sigaction(signal, &action, ptr::null_mut()))
    }
}

extern "C" fn restart(signal: libc::c_int) {
    let pause = libc::timespec {
        tv_sec: 0,
        tv_nsec: PAUSE,
    };
    // SAFETY: only async-signal-safe calls; the strings and arrays live for good. In a forked child, or when execve
    // fails, the default action of the signal follows on return, which SA_RESETHAND has restored.
    unsafe {
        if libc::getpid() as u32 == OWNER.load(Ordering::SeqCst) {
            libc::nanosleep(&pause, ptr::null_mut());
            libc::execve(
                PROGRAM.load(Ordering::Relaxed),
                ARGV.load(Ordering::Relaxed),
                ENV.load(Ordering::Relaxed),
            );
        }
        libc::raise(signal);
    }
}
