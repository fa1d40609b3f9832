//! Listening sockets of the host, which outlive the processes that accept from them. One for each address of a sandbox,
//! shared by all its instances; close-on-exec here, placed in a knot when it is started.
//!
//! Sockets with `reuse-port` are made anew for each knot and are not kept.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use serde_derive::{Deserialize, Serialize};

use super::inspect;
use super::machine::{Instance, Port};
use crate::sys::{listen, pidfd};

/// Which socket: a sandbox cannot share one of another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    sandbox: String,
    address: SocketAddr,
}

/// All open sockets.
#[derive(Debug, Default)]
pub struct Sockets {
    open: BTreeMap<Key, OwnedFd>,
}

fn keys(instance: &Instance) -> impl Iterator<Item = (Key, &Port)> {
    let sandbox = instance.name.split('/').next().unwrap_or_default();
    instance
        .ports
        .iter()
        .filter(|port| !port.reuse_port)
        .map(move |port| {
            let key = Key {
                sandbox: sandbox.to_string(),
                address: port.address,
            };
            (key, port)
        })
}

impl Sockets {
    /// Opens what an instance needs and is not open yet.
    ///
    /// Errors: a line naming the address.
    pub fn open_for(&mut self, instance: &Instance) -> Result<(), String> {
        for (key, port) in keys(instance) {
            if self.open.contains_key(&key) {
                continue;
            }
            let fd = listen(port)?;
            self.open.insert(key, fd);
        }
        Ok(())
    }

    /// Opens the sockets that only one process has, with their numbers in it.
    ///
    /// Errors: a line naming the address.
    pub fn open_own(instance: &Instance) -> Result<Vec<(OwnedFd, i32)>, String> {
        let own = instance.ports.iter().filter(|port| port.reuse_port);
        own.map(|port| Ok((listen(port)?, port.fd))).collect()
    }

    /// The sockets of an instance with their numbers in the process.
    pub fn of(&self, instance: &Instance) -> Vec<(BorrowedFd<'_>, i32)> {
        let found = keys(instance).filter_map(|(key, port)| Some((self.open.get(&key)?.as_fd(), port.fd)));
        found.collect()
    }

    /// Closes what none of these instances needs.
    pub fn keep_only<'a>(&mut self, in_use: impl Iterator<Item = &'a Instance>) {
        if self.open.is_empty() {
            return;
        }
        let needed: std::collections::BTreeSet<Key> =
            in_use.flat_map(|i| keys(i).map(|(key, _)| key)).collect();
        self.open.retain(|key, _| needed.contains(key));
    }

    /// Takes over one that the former program had.
    pub fn insert(&mut self, key: Key, fd: OwnedFd) {
        self.open.insert(key, fd);
    }

    /// All, for the next program.
    pub fn all(&self) -> impl Iterator<Item = (&Key, BorrowedFd<'_>)> {
        self.open.iter().map(|(key, fd)| (key, fd.as_fd()))
    }

    /// Copies the sockets of a running container that are not open here from its processes: the knot and its children.
    /// What cannot be had that way is opened when it is needed.
    pub fn recover(&mut self, instance: &Instance, pid: i32) {
        let missing: Vec<Key> = keys(instance)
            .map(|(key, _)| key)
            .filter(|key| !self.open.contains_key(key))
            .collect();
        if missing.is_empty() {
            return;
        }
        let mut processes = inspect::children(pid);
        processes.push(pid);
        for (address, fd) in processes.into_iter().flat_map(listening) {
            if let Some(key) = missing.iter().find(|key| key.address == address) {
                self.open.entry(key.clone()).or_insert(fd);
            }
        }
    }
}

fn listen(port: &Port) -> Result<OwnedFd, String> {
    let options = listen::Options {
        reuse_addr: port.reuse_addr,
        reuse_port: port.reuse_port,
        non_block: port.non_block,
        backlog: port.backlog,
    };
    listen::tcp_owned(port.address, &options, port.uid, port.gid)
        .map_err(|e| format!("can't listen on {}: {e}", port.address))
}

/// Copies of the listening sockets of a process.
fn listening(pid: i32) -> Vec<(SocketAddr, OwnedFd)> {
    let Ok(process) = pidfd::open(pid) else {
        return Vec::new();
    };
    let copies = inspect::sockets(pid).into_iter().filter_map(|number| {
        let fd = pidfd::take(process.as_fd(), number).ok()?;
        Some((listen::listens_at(fd.as_fd())?, fd))
    });
    copies.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(name: &str, port: u16) -> Instance {
        Instance {
            name: name.into(),
            json: "{}".into(),
            restart_timeout: 1000,
            backoff: None,
            waits: false,
            standby: false,
            ports: vec![Port {
                address: SocketAddr::from(([127, 0, 0, 1], port)),
                fd: 5,
                reuse_addr: true,
                reuse_port: false,
                non_block: false,
                backlog: 8,
                uid: nix::unistd::getuid().as_raw(),
                gid: nix::unistd::getgid().as_raw(),
            }],
        }
    }

    fn free_port() -> u16 {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    }

    #[test]
    fn instances_of_a_sandbox_share_a_socket_others_may_not() {
        let port = free_port();
        let mut sockets = Sockets::default();
        let (a, b) = (instance("app/web.0", port), instance("app/web.1", port));
        sockets.open_for(&a).unwrap();
        sockets.open_for(&b).unwrap();
        assert_eq!(sockets.all().count(), 1);
        assert_eq!(sockets.of(&b)[0].1, 5);
        let other = sockets.open_for(&instance("other/web.0", port)).unwrap_err();
        assert!(other.contains(&format!("127.0.0.1:{port}")), "{other}");
        sockets.keep_only([&b].into_iter());
        assert_eq!(sockets.all().count(), 1);
        sockets.keep_only(std::iter::empty());
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    }

    #[test]
    fn sockets_are_recovered_from_a_process_that_has_them() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut sockets = Sockets::default();
        let mine = instance("app/web.0", port);
        sockets.recover(&mine, std::process::id() as i32);
        // Some outer sandboxes refuse pidfd_getfd; then it stays missing, which is what is documented.
        if let Some((fd, _)) = sockets.of(&mine).first() {
            assert_eq!(listen::listens_at(*fd), listener.local_addr().ok());
        }
    }
}
