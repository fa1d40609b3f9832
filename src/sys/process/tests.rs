//! Tests of processes: real children, all reaped.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::*;

/// Exit status of a child that runs `f`; 99 when it fails.
fn in_child(ns: Namespaces, f: impl FnOnce() -> io::Result<i32>) -> Status {
    match fork(ns).unwrap() {
        Fork::Child => exit_now(f().unwrap_or(99)),
        Fork::Parent(child) => wait(Some(child.pid), WaitOptions::default()).unwrap().unwrap().1,
    }
}

#[test]
fn exit_codes_and_signals_are_told_apart() {
    assert_eq!(in_child(Namespaces::empty(), || Ok(7)), Status::Exited(7));
    let killed = in_child(Namespaces::empty(), || {
        kill(std::process::id() as i32, libc::SIGKILL)?;
        Ok(0)
    });
    assert_eq!(killed, Status::Signaled(libc::SIGKILL));
    assert_eq!(killed.exit_code(), 137);
    assert_eq!(
        wait(Some(i32::MAX), WaitOptions::default())
            .unwrap_err()
            .raw_os_error(),
        Some(libc::ECHILD)
    );
}

#[test]
fn clone_does_what_clone3_does() {
    let status = match clone(Namespaces::empty()).unwrap() {
        Fork::Child => exit_now(3),
        Fork::Parent(child) => wait(Some(child.pid), WaitOptions::default()).unwrap().unwrap().1,
    };
    assert_eq!(status, Status::Exited(3));
}

#[test]
fn pidfd_becomes_ready_when_the_child_ends() {
    let Fork::Parent(child) = fork(Namespaces::empty()).unwrap() else {
        exit_now(0)
    };
    if let Some(fd) = &child.pidfd {
        let soon = Instant::now() + Duration::from_secs(10);
        assert_eq!(
            super::super::poll::wait(&[fd.as_fd()], Some(soon)).unwrap(),
            [true]
        );
    }
    wait(Some(child.pid), WaitOptions::default()).unwrap();
}

#[test]
fn exec_passes_arguments_and_environment() {
    let status = in_child(Namespaces::empty(), || {
        let argv = ["sh", "-c", "test \"$A-$1-$#\" = 'x y-b c-1'", "-", "b c"].map(OsString::from);
        Err(exec(Path::new("/bin/sh"), &argv, &[("A".into(), "x y".into())]))
    });
    assert_eq!(status, Status::Exited(0));
    assert_eq!(
        exec(Path::new("/no/such"), &[], &[]).raw_os_error(),
        Some(libc::ENOENT)
    );
    assert_eq!(
        exec(Path::new("/a\0b"), &[], &[]).kind(),
        io::ErrorKind::InvalidInput
    );
}

#[test]
fn exec_after_reset_starts_with_clean_signals() {
    let status = in_child(Namespaces::empty(), || {
        change_mask(libc::SIG_BLOCK, u64::MAX)?;
        reset_signals()?;
        let script = "grep -q 'SigIgn:[[:space:]]*0*$' /proc/self/status && grep -q 'SigBlk:[[:space:]]*0*$' /proc/self/status";
        Err(exec(
            Path::new("/bin/sh"),
            &["sh".into(), "-c".into(), script.into()],
            &[],
        ))
    });
    assert_eq!(status, Status::Exited(0));
}

#[test]
fn a_first_process_loses_no_signal_before_it_collects_them() {
    let status = in_child(Namespaces::empty(), || {
        let (read, write) = pipe()?;
        let ns = Namespaces::USER | Namespaces::PID;
        let Fork::Parent(child) = fork_first(ns, &[libc::SIGTERM])? else {
            drop(write);
            let mut told = Vec::new();
            File::from(read).read_to_end(&mut told)?;
            let signals = crate::sys::poll::Signals::new(&[libc::SIGTERM])?.drain()?;
            exit_now(if signals == [libc::SIGTERM] { 0 } else { 3 });
        };
        child.signal(libc::SIGTERM)?;
        drop((read, write));
        let (_, status) = wait(Some(child.pid), WaitOptions::default())?.ok_or(io::ErrorKind::Other)?;
        Ok(status.exit_code().into())
    });
    assert_eq!(status, Status::Exited(0));
}

#[test]
fn changed_signals_are_ignored_or_caught_ones() {
    let status = "Name:\tx\nSigIgn:\t0000000000001000\nSigCgt:\t0000000000000440\n";
    assert_eq!(changed_signals(status), Some(0x1440));
    assert_eq!(changed_signals("SigIgn:\tzz\nSigCgt:\t0\n"), None);
}

#[test]
fn close_from_leaves_the_lower_ones() {
    let status = in_child(Namespaces::empty(), || {
        let (read, write) = pipe()?;
        dup_to(write.as_fd(), 1)?;
        let ids = (
            std::os::fd::IntoRawFd::into_raw_fd(read),
            std::os::fd::IntoRawFd::into_raw_fd(write),
        );
        close_from(3)?;
        // SAFETY: integer arguments only.
        let closed = |fd| unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1;
        Ok(i32::from(!(closed(ids.0) && closed(ids.1) && !closed(1))))
    });
    assert_eq!(status, Status::Exited(0));
}

/// What a child writes whose parent (a child of the test) dies before it asks for the signal; `prepare` runs in
/// the parent. `None` when the namespaces cannot be had here.
fn orphan_says(ns: Namespaces, prepare: impl FnOnce() -> io::Result<()>) -> Option<String> {
    let (read, write) = pipe().unwrap();
    let status = in_child(Namespaces::empty(), || {
        prepare()?;
        match fork(ns)? {
            Fork::Parent(_) => Ok(0),
            Fork::Child => {
                std::thread::sleep(Duration::from_millis(100));
                set_parent_death_signal(libc::SIGKILL)?;
                File::from(write.try_clone()?).write_all(b"survived")?;
                Ok(0)
            }
        }
    });
    drop(write);
    let mut text = String::new();
    File::from(read).read_to_string(&mut text).unwrap();
    (status == Status::Exited(0)).then_some(text)
}

#[test]
fn child_of_a_dead_parent_ends_even_in_another_pid_namespace() {
    assert_eq!(orphan_says(Namespaces::empty(), || Ok(())), Some(String::new()));
    let text = orphan_says(Namespaces::USER | Namespaces::PID, || Ok(()));
    assert_eq!(text.unwrap_or_default(), "");
}

#[test]
fn death_of_the_parent_is_noticed_without_pidfds() {
    let text = orphan_says(Namespaces::USER | Namespaces::PID, || {
        super::super::seccomp::refuse(&[libc::SYS_pidfd_open, libc::SYS_clone3], libc::ENOSYS)
    });
    assert_eq!(text.unwrap_or_default(), "");
}

#[test]
fn child_of_a_living_parent_goes_on() {
    let status = in_child(Namespaces::empty(), || {
        set_parent_death_signal(libc::SIGKILL)?;
        Ok(5)
    });
    assert_eq!(status, Status::Exited(5));
}

#[test]
fn groups_that_mean_everybody_are_refused() {
    for group in [-1, 0, 1] {
        assert_eq!(
            kill_group(group, 0).unwrap_err().raw_os_error(),
            Some(libc::EINVAL)
        );
    }
}

#[test]
fn numbers_that_mean_many_processes_are_refused() {
    for pid in [0, -1, -5, i32::MIN] {
        assert_eq!(
            kill(pid, 0).unwrap_err().raw_os_error(),
            Some(libc::EINVAL),
            "{pid}"
        );
    }
    assert_eq!(kill_namespace(0).unwrap_err().raw_os_error(), Some(libc::EPERM));
    let status = in_child(Namespaces::USER | Namespaces::PID, || {
        // Nobody else is there.
        Ok(kill_namespace(0)
            .is_err_and(|e| e.raw_os_error() == Some(libc::ESRCH))
            .into())
    });
    assert_eq!(status, Status::Exited(1));
}

#[test]
fn a_mask_cut_off_is_not_believed() {
    let line = "SigIgn:\t0000000000001000\nSigCgt:\t0000000000000001\n";
    assert_eq!(changed_signals(line), Some(0x1001));
    assert_eq!(changed_signals(&line[..line.len() - 3]), None);
}
