//! `after-setup-command`: a program of the operator that sees the container's network and the host's files.

use std::ffi::OsString;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use super::connect::within;
use crate::sys::process::{ignored_signals, spawn, wait, Start, Status, WaitOptions};

/// The only variable with a value here.
const ADDRESS: &str = "container_ip";
/// What the program gets of our environment.
const PASSED: [&str; 3] = ["TERM", "RUST_LOG", "RUST_BACKTRACE"];

/// The command with `@{container_ip}` replaced in everything but the program; other variables become empty and are
/// returned by name, for the log.
pub fn arguments(command: &[String], ip: IpAddr) -> (Vec<String>, Vec<String>) {
    let mut unknown = Vec::new();
    let mut words = command.iter();
    let program = words.next().cloned();
    let rest = words.map(|word| substitute(word, &ip.to_string(), &mut unknown));
    let all = program.into_iter().chain(rest).collect();
    (all, unknown)
}

fn substitute(text: &str, ip: &str, unknown: &mut Vec<String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("@{") {
        let Some((name, tail)) = after.split_once('}') else {
            break;
        };
        out.push_str(before);
        match name.trim() {
            ADDRESS => out.push_str(ip),
            other => unknown.push(other.to_string()),
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// Runs the command in the network namespace `netns`, with its output going to `stderr`, and waits for its end.
///
/// Errors name the program; a program that fails is an error too.
pub fn run(command: &[String], netns: BorrowedFd<'_>, stderr: BorrowedFd<'_>) -> io::Result<()> {
    let Some(program) = command.first() else {
        return Ok(());
    };
    let named = |e: io::Error| io::Error::new(e.kind(), format!("after-setup-command {program}: {e}"));
    if !Path::new(program).is_absolute() {
        return Err(named(io::Error::other("the program must be an absolute path")));
    }
    let argv: Vec<OsString> = command.iter().map(OsString::from).collect();
    let env: Vec<(OsString, OsString)> = PASSED
        .iter()
        .filter_map(|name| std::env::var_os(name).map(|value| (name.into(), value)))
        .collect();
    let start = Start {
        program: Path::new(program),
        argv: &argv,
        env: &env,
        descriptors: &[(stderr.as_fd(), 2)],
        ignored: ignored_signals(),
    };
    let child = within(netns, || spawn(&start)).map_err(named)?;
    match wait(Some(child.pid), WaitOptions::default()).map_err(named)? {
        Some((_, Status::Exited(0))) => Ok(()),
        Some((_, Status::Exited(code))) => Err(named(io::Error::other(format!("exited with code {code}")))),
        Some((_, Status::Signaled(signal))) => {
            Err(named(io::Error::other(format!("killed by signal {signal}"))))
        }
        _ => Err(named(io::Error::other("its end was not seen"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|w| w.to_string()).collect()
    }

    #[test]
    fn only_the_address_is_known_and_never_in_the_program() {
        let ip = "10.0.0.5".parse().unwrap();
        let command = strings(&[
            "/@{container_ip}",
            "-A",
            "x@{ container_ip }y",
            "@{other}z",
            "@{open",
        ]);
        let (words, unknown) = arguments(&command, ip);
        assert_eq!(
            words,
            strings(&["/@{container_ip}", "-A", "x10.0.0.5y", "z", "@{open"])
        );
        assert_eq!(unknown, ["other"]);
    }

    #[test]
    fn failures_name_the_program() {
        let netns = File::open("/proc/self/ns/net").unwrap();
        let null = File::options().write(true).open("/dev/null").unwrap();
        let run = |words: &[&str]| run(&strings(words), netns.as_fd(), null.as_fd());
        run(&[]).unwrap();
        let relative = run(&["true"]).unwrap_err().to_string();
        assert!(relative.contains("absolute"), "{relative}");
        // Entering a network namespace, even the own one, needs power over the user namespace that it belongs to.
        let ids = std::fs::read_to_string("/proc/self/uid_map").unwrap();
        if nix::unistd::geteuid().is_root() && ids.split_whitespace().eq(["0", "0", "4294967295"]) {
            run(&["/bin/true"]).unwrap();
            let code = run(&["/bin/sh", "-c", "exit 3"]).unwrap_err().to_string();
            assert_eq!(code, "after-setup-command /bin/sh: exited with code 3");
            assert!(run(&["/nowhere"]).unwrap_err().to_string().contains("/nowhere"));
        }
    }
}
