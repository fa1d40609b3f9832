//! `pass-tcp-socket`: a listening socket made in the namespaces of the host and handed to the command.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::OwnedFd;

use crate::vagga::failure::{exit, Failure};

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Address {
    /// Known at once.
    Numeric(SocketAddr),
    /// `name:port`, to be resolved.
    Named(String),
}

/// Binds and listens (SO_REUSEADDR, close-on-exec). Errors: exit 121 with the value and the reason.
pub fn listen(value: &str) -> Result<OwnedFd, Failure> {
    let fail = |why: String| Failure::new(exit::LAUNCHER, format!("Error listening {value:?}: {why}"));
    let address = match parse(value).map_err(|why| fail(why.into()))? {
        Address::Numeric(address) => address,
        Address::Named(name) => name
            .to_socket_addrs()
            .map_err(|e| fail(e.to_string()))?
            .next()
            .ok_or_else(|| fail("the name has no address".into()))?,
    };
    let listener = TcpListener::bind(address).map_err(|e| fail(e.to_string()))?;
    Ok(listener.into())
}

/// `8080`, `*:8080`, `192.0.2.1:8080`, `[2001:db8::1]:8080`, `name:8080`.
fn parse(value: &str) -> Result<Address, &'static str> {
    if let Ok(port) = value.parse::<u16>() {
        return Ok(Address::Numeric(([127, 0, 0, 1], port).into()));
    }
    if let Some(port) = value.strip_prefix("*:") {
        let port: u16 = port.parse().map_err(|_| "bad port number")?;
        return Ok(Address::Numeric(([0, 0, 0, 0], port).into()));
    }
    if let Ok(address) = value.parse() {
        return Ok(Address::Numeric(address));
    }
    let (name, port) = value
        .rsplit_once(':')
        .ok_or("expected PORT, *:PORT or ADDRESS:PORT")?;
    port.parse::<u16>().map_err(|_| "bad port number")?;
    if name.is_empty() || name.contains(':') || name.contains('[') {
        return Err("bad address");
    }
    Ok(Address::Named(value.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_forms_are_understood() {
        let numeric = |s: &str| match parse(s) {
            Ok(Address::Numeric(a)) => a.to_string(),
            other => panic!("{s}: {other:?}"),
        };
        assert_eq!(numeric("8080"), "127.0.0.1:8080");
        assert_eq!(numeric("*:8080"), "0.0.0.0:8080");
        assert_eq!(numeric("192.0.2.1:80"), "192.0.2.1:80");
        assert_eq!(numeric("[2001:db8::1]:80"), "[2001:db8::1]:80");
        assert_eq!(parse("localhost:80"), Ok(Address::Named("localhost:80".into())));
        for bad in ["foo", "", "70000", "*:x", "a:b", ":80", "::1:80x"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bad_text_is_a_launcher_error_with_the_value() {
        let e = listen("foo").unwrap_err();
        assert_eq!(e.exit, exit::LAUNCHER);
        assert!(e.message.starts_with("Error listening \"foo\": "), "{e}");
    }

    #[test]
    fn socket_accepts_connections() {
        let fd = listen("127.0.0.1:0").unwrap();
        let listener = TcpListener::from(fd);
        let address = listener.local_addr().unwrap();
        std::net::TcpStream::connect(address).unwrap();
    }
}
