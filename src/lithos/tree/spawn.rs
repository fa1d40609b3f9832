//! Starting a knot: its command line, its descriptors, its environment of three variables and the channel's number.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use super::machine::Instance;
use crate::lithos::knot::message::{DIE_WITH_TREE, STANDBY, START_FD};
use crate::sys::passing::Passage;
use crate::sys::process::{self, Child};

/// Variables that knots get from our environment.
const PASSED: [&str; 3] = ["TERM", "RUST_LOG", "RUST_BACKTRACE"];

/// What is the same for all knots.
#[derive(Debug, Clone)]
pub struct Launcher {
    /// The program.
    pub knot: PathBuf,
    /// The master file, absolute.
    pub master: PathBuf,
    /// Options of the log, which follow the rest.
    pub options: Vec<String>,
    /// Containers end with us.
    pub die_with_tree: bool,
    /// Signals that the tree ignores, and containers do not: bit n-1 is signal n.
    pub ignored: u64,
}

impl Launcher {
    /// Command line of the knot of an instance; its beginning is a contract.
    fn arguments(&self, instance: &Instance) -> Vec<OsString> {
        let mut argv: Vec<OsString> = vec![self.knot.clone().into()];
        argv.extend(["--name", &instance.name, "--master"].map(OsString::from));
        argv.push(self.master.clone().into());
        argv.extend(["--config", &instance.json].map(OsString::from));
        argv.extend(self.options.iter().map(OsString::from));
        argv
    }

    fn environment(&self, channel: i32, standby: bool) -> Vec<(OsString, OsString)> {
        let passed = PASSED
            .iter()
            .filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?)));
        let number = (START_FD.into(), channel.to_string().into());
        let dies = self.die_with_tree.then(|| (DIE_WITH_TREE.into(), "1".into()));
        let waits = standby.then(|| (STANDBY.into(), "1".into()));
        passed.chain([number]).chain(dies).chain(waits).collect()
    }

    /// Starts the knot of an instance with its sockets, or that of its standby. The result never waits for the channel's
    /// messages.
    ///
    /// Errors: no descriptors or processes left, or the program cannot be executed.
    pub fn start(
        &self,
        instance: &Instance,
        sockets: &[(BorrowedFd<'_>, i32)],
        standby: bool,
    ) -> io::Result<(Child, Passage)> {
        let (ours, theirs) = Passage::pair()?;
        let channel = sockets.iter().map(|(_, number)| number + 1).fold(3, i32::max);
        let descriptors: Vec<_> = sockets
            .iter()
            .copied()
            .chain([(theirs.as_fd(), channel)])
            .collect();
        let child = process::spawn(&process::Start {
            program: &self.knot,
            argv: &self.arguments(instance),
            env: &self.environment(channel, standby),
            descriptors: &descriptors,
            ignored: self.ignored,
        });
        let child = child
            .map_err(|e| io::Error::new(e.kind(), format!("can't execute {}: {e}", self.knot.display())))?;
        Ok((child, Passage::inherited(ours.as_fd().try_clone_to_owned()?)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_begins_as_the_contract_says() {
        let launcher = Launcher {
            knot: "/usr/bin/lithos_knot".into(),
            master: "/etc/lithos/master.yaml".into(),
            options: vec!["--log-stderr".into()],
            die_with_tree: false,
            ignored: 0,
        };
        let instance = Instance {
            name: "app/web.0".into(),
            json: "{}".into(),
            restart_timeout: 0,
            backoff: None,
            waits: false,
            ports: Vec::new(),
            standby: false,
        };
        let expected = [
            "/usr/bin/lithos_knot",
            "--name",
            "app/web.0",
            "--master",
            "/etc/lithos/master.yaml",
            "--config",
            "{}",
            "--log-stderr",
        ];
        assert_eq!(launcher.arguments(&instance), expected);
        let names: Vec<_> = launcher
            .environment(7, false)
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert!(names
            .iter()
            .all(|name| PASSED.iter().any(|p| name == p) || name == START_FD));
    }
}
