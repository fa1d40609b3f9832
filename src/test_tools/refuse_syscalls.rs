//! `refuse-syscalls [--only NAME,NAME…] [--errno N] [--no-netfilter] COMMAND [ARG…]`: runs a command as an old kernel or a strict
//! outer sandbox would, with young system calls refused; with `--no-netfilter` as a kernel without packet filters, with
//! nothing else refused.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::sys::seccomp::{refuse, refuse_sockets, YOUNG_CALLS};

/// Not young, but not possible everywhere: attributes of files in a tmpfs (Linux 6.6 for those of users).
const OTHERS: [(&str, i64); 2] = [
    ("setxattr", libc::SYS_setxattr),
    ("fsetxattr", libc::SYS_fsetxattr),
];

/// What to refuse and what to run.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    calls: Vec<i64>,
    errno: i32,
    no_netfilter: bool,
    command: Vec<OsString>,
}

/// Entry point; returns the exit code when the command could not be started: 122 usage, 126 filter or exec.
pub fn main() -> i32 {
    let request = match parse(std::env::args_os().skip(1)) {
        Ok(request) => request,
        Err(e) => {
            eprintln!("refuse-syscalls: {e}");
            return 122;
        }
    };
    let e = run(&request);
    eprintln!("refuse-syscalls: {:?}: {e}", request.command);
    126
}

fn run(request: &Request) -> io::Error {
    let Some((program, args)) = request.command.split_first() else {
        return io::Error::from(io::ErrorKind::InvalidInput);
    };
    let filtered = match request.no_netfilter {
        true => refuse_sockets(libc::AF_NETLINK, libc::NETLINK_NETFILTER),
        false => refuse(&request.calls, request.errno),
    };
    match filtered {
        Ok(()) => Command::new(program).args(args).exec(),
        Err(e) => e,
    }
}

fn parse(args: impl Iterator<Item = OsString>) -> Result<Request, String> {
    let mut args = args.peekable();
    let mut request = Request {
        calls: YOUNG_CALLS.iter().map(|(_, number)| *number).collect(),
        errno: libc::ENOSYS,
        no_netfilter: false,
        command: Vec::new(),
    };
    while let Some(arg) = args.next_if(|arg| arg.as_encoded_bytes().starts_with(b"--")) {
        let mut value = || args.next().and_then(|v| v.into_string().ok()).unwrap_or_default();
        match arg.to_str() {
            Some("--only") => request.calls = value().split(',').map(number).collect::<Result<_, _>>()?,
            Some("--errno") => request.errno = value().parse().map_err(|e| format!("--errno: {e}"))?,
            Some("--no-netfilter") => request.no_netfilter = true,
            Some("--") => break,
            _ => return Err(format!("unknown option {arg:?}")),
        }
    }
    request.command = args.collect();
    if request.command.is_empty() {
        return Err("usage: refuse-syscalls [--only NAME,NAME...] [--errno N] COMMAND [ARG...]".to_string());
    }
    Ok(request)
}

fn number(name: &str) -> Result<i64, String> {
    let known = YOUNG_CALLS
        .iter()
        .chain(&OTHERS)
        .find(|(known, _)| *known == name);
    known
        .map(|(_, number)| *number)
        .ok_or_else(|| format!("unknown system call {name:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str]) -> Result<Request, String> {
        parse(words.iter().map(OsString::from))
    }

    #[test]
    fn options_end_at_the_command() {
        let r = of(&["--only", "openat2,clone3", "--errno", "1", "ls", "--only"]).unwrap();
        assert_eq!(r.calls, [libc::SYS_openat2, libc::SYS_clone3]);
        assert_eq!((r.errno, r.command), (1, vec!["ls".into(), "--only".into()]));
        assert_eq!(of(&["ls"]).unwrap().calls.len(), YOUNG_CALLS.len());
        assert!(of(&["--no-netfilter", "ls"]).unwrap().no_netfilter);
        assert!(of(&[]).is_err() && of(&["--only", "nosuch", "ls"]).is_err() && of(&["--x"]).is_err());
    }
}
