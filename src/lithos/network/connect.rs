//! Carries out an [`Attachment`]. The process must be in the host's network namespace, with CAP_NET_ADMIN over both.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::Attachment;
use crate::sys::namespace::setns;
use crate::sys::netlink::{LinkKind, Netlink, Route};
use crate::sys::process::Namespaces;

/// The network namespace of this process.
const OWN: &str = "/proc/self/ns/net";

impl Attachment {
    /// Connects the container whose network namespace is `netns`; whatever had the outer name is removed first.
    ///
    /// The cable is made from the container's side: when anything fails, or the container dies, it goes with that
    /// namespace and nothing remains on the host. Errors say what was attempted.
    pub fn connect(&self, netns: BorrowedFd<'_>) -> io::Result<()> {
        let here = File::open(OWN)?;
        let (inner, outer) = (self.inner(), self.outer());
        let mut host = Netlink::route()?;
        // A missing bridge is found before anything is made.
        host.link(&self.bridge)?;
        remove(&mut host, &outer)?;
        let mut container = within(netns, Netlink::route)?;
        let cable = LinkKind::Veth {
            peer: &outer,
            netns: Some(here.as_fd()),
        };
        container.add_link(&inner, cable)?;
        host.set_master(&outer, Some(&self.bridge))?;
        host.set_up(&outer, true)?;
        container.set_hardware_address(&inner, &self.hardware_address())?;
        container.set_up("lo", true)?;
        container.add_address(&inner, self.address)?;
        container.set_up(&inner, true)?;
        match self.gateway {
            Some(gateway) => container.add_route(&Route::default_via(gateway)),
            None => Ok(()),
        }
    }

    /// Removes the cable, if it is there.
    pub fn disconnect(&self) -> io::Result<()> {
        remove(&mut Netlink::route()?, &self.outer())
    }
}

fn remove(host: &mut Netlink, name: &str) -> io::Result<()> {
    match host.delete_link(name) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Runs something in another network namespace and comes back. When the way back fails, nothing of this process may
/// go on: the error says so.
pub fn within<T>(netns: BorrowedFd<'_>, run: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let here = File::open(OWN)?;
    setns(netns, Namespaces::NET)?;
    let result = run();
    setns(here.as_fd(), Namespaces::NET)?;
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::namespace::unshare;
    use crate::sys::netlink::Address;
    use crate::sys::process::{exit_now, fork, wait, Fork, Status, WaitOptions};
    use std::net::{IpAddr, TcpListener, TcpStream};

    const ROUTER: &str = "10.88.0.1";

    /// Runs a test in a private network that plays the host; it has a bridge with the router's address.
    fn on_a_host(test: impl FnOnce(&mut Netlink) -> io::Result<()>) {
        let Fork::Parent(child) = fork(Namespaces::USER | Namespaces::NET).unwrap() else {
            let result = Netlink::route().and_then(|mut host| {
                host.add_link("br0", LinkKind::Bridge)?;
                host.add_address("br0", address(ROUTER, 24))?;
                host.set_up("br0", true)?;
                test(&mut host)
            });
            if let Err(e) = &result {
                eprintln!("{e}");
            }
            exit_now(if result.is_ok() { 0 } else { 1 });
        };
        let (_, status) = wait(Some(child.pid), WaitOptions::default()).unwrap().unwrap();
        assert_eq!(status, Status::Exited(0));
    }

    fn address(ip: &str, prefix: u8) -> Address {
        Address {
            ip: ip.parse().unwrap(),
            prefix,
        }
    }

    fn attachment(bridge: &str) -> Attachment {
        Attachment {
            bridge: bridge.into(),
            address: address("10.88.0.10", 24),
            gateway: Some(ROUTER.parse().unwrap()),
        }
    }

    /// A network namespace for a container.
    fn container() -> io::Result<File> {
        let here = File::open(OWN)?;
        unshare(Namespaces::NET)?;
        let fresh = File::open(OWN);
        setns(here.as_fd(), Namespaces::NET)?;
        fresh
    }

    fn must(holds: bool, what: &str) -> io::Result<()> {
        holds
            .then_some(())
            .ok_or_else(|| io::Error::other(what.to_string()))
    }

    #[test]
    fn a_container_is_reached_over_the_bridge_and_reaches_the_router() {
        on_a_host(|host| {
            let netns = container()?;
            let plan = attachment("br0");
            plan.connect(netns.as_fd())?;
            let listener = within(netns.as_fd(), || TcpListener::bind(("10.88.0.10", 80)))?;
            must(TcpStream::connect(("10.88.0.10", 80)).is_ok(), "from the host")?;
            let router = TcpListener::bind((ROUTER, 0))?;
            let port = router.local_addr()?.port();
            within(netns.as_fd(), || TcpStream::connect((ROUTER, port)))?;
            let outer = host.link(&plan.outer())?;
            must(
                outer.up && outer.master == Some(host.link("br0")?.index),
                "a port of the bridge",
            )?;
            let mut inside = within(netns.as_fd(), Netlink::route)?;
            let default: Option<IpAddr> = plan.gateway;
            must(
                inside
                    .routes()?
                    .iter()
                    .any(|r| r.to.is_none() && r.via == default),
                "default route",
            )?;
            must(
                inside.link(&plan.inner())?.address == plan.hardware_address(),
                "fixed address",
            )?;
            drop(listener);
            Ok(())
        });
    }

    #[test]
    fn a_successor_takes_the_name_over_and_nothing_remains() {
        on_a_host(|host| {
            let plan = attachment("br0");
            let first = container()?;
            plan.connect(first.as_fd())?;
            let second = container()?;
            plan.connect(second.as_fd())?;
            let mut old = within(first.as_fd(), Netlink::route)?;
            must(old.link(&plan.inner()).is_err(), "the first has lost its cable")?;
            plan.disconnect()?;
            plan.disconnect()?;
            must(host.link(&plan.outer()).is_err(), "nothing remains")
        });
    }

    #[test]
    fn a_missing_bridge_is_named_and_nothing_is_made() {
        on_a_host(|host| {
            let netns = container()?;
            let error = attachment("br7").connect(netns.as_fd()).unwrap_err();
            must(error.to_string().contains("br7"), &error.to_string())?;
            must(host.links()?.len() == 2, "only lo and br0")
        });
    }

    #[test]
    fn an_ipv6_address_is_usable_at_once() {
        on_a_host(|host| {
            host.add_address("br0", address("fd00:88::1", 64))?;
            let netns = container()?;
            let plan = Attachment {
                address: address("fd00:88::10", 64),
                gateway: Some("fd00:88::1".parse().unwrap()),
                ..attachment("br0")
            };
            plan.connect(netns.as_fd())?;
            let _listener = within(netns.as_fd(), || TcpListener::bind(("fd00:88::10", 80)))?;
            must(TcpStream::connect(("fd00:88::10", 80)).is_ok(), "reached")
        });
    }
}
