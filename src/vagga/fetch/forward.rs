//! Plain http through a proxy: the request line carries the whole address (absolute form, RFC 9112 §3.2.2).
//!
//! ureq itself only knows tunnels (`CONNECT`), which proxies commonly refuse for port 80. Here its connector is replaced:
//! the connection leads to the proxy, and the request line is completed on its way out.

use rustc_serialize::base64::{ToBase64, STANDARD};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, NextTimeout, TcpConnector, Transport,
};
use ureq::{Agent, Error, Proxy};

/// Connections to http servers by way of `proxy`.
pub fn agent(config: Config, proxy: &Proxy) -> Agent {
    let address = format!("http://{}:{}/", proxy.host(), proxy.port());
    let credentials = proxy.username().map(|user| {
        let pair = format!("{user}:{}", proxy.password().unwrap_or_default());
        format!(
            "Proxy-Authorization: Basic {}\r\n",
            pair.as_bytes().to_base64(STANDARD)
        )
    });
    let connector = ().chain(TcpConnector::default()).chain(Forward { credentials });
    Agent::with_parts(config, connector, ProxyAddress(address))
}

/// Resolves the proxy in place of the server, whose name only the proxy may know.
#[derive(Debug)]
struct ProxyAddress(String);

impl Resolver for ProxyAddress {
    fn resolve(&self, _: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let proxy: Uri = self.0.parse().map_err(|_| Error::InvalidProxyUrl)?;
        DefaultResolver::default().resolve(&proxy, config, timeout)
    }
}

/// Wraps the connection to the proxy.
#[derive(Debug)]
struct Forward {
    /// Header line with name and password.
    credentials: Option<String>,
}

impl<In: Transport> Connector<In> for Forward {
    type Out = Forwarded<In>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        let authority = details.uri.authority().map_or("", |a| a.as_str());
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        Ok(chained.map(|proxy| Forwarded {
            proxy,
            server: format!("http://{host}"),
            credentials: self.credentials.clone().unwrap_or_default(),
        }))
    }
}

/// A connection whose requests for `/path` become requests for `http://server/path`.
#[derive(Debug)]
struct Forwarded<T> {
    proxy: T,
    server: String,
    credentials: String,
}

impl<T: Transport> Transport for Forwarded<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.proxy.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let output = self.proxy.buffers().output();
        let Some(head) = completed(
            output.get(..amount).unwrap_or_default(),
            &self.server,
            &self.credentials,
        ) else {
            return self.proxy.transmit_output(amount, timeout);
        };
        let room = output
            .get_mut(..head.len())
            .ok_or_else(|| Error::BadUri("the address is too long for a proxy".into()))?;
        room.copy_from_slice(&head);
        self.proxy.transmit_output(head.len(), timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.proxy.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.proxy.is_open()
    }
}

/// The head of a request in absolute form; `None` when `head` is not the beginning of a request.
fn completed(head: &[u8], server: &str, credentials: &str) -> Option<Vec<u8>> {
    let path = head.strip_prefix(b"GET ").filter(|rest| rest.starts_with(b"/"))?;
    let end = path.windows(2).position(|pair| pair == b"\r\n")? + 2;
    let (line, headers) = path.split_at_checked(end)?;
    Some([b"GET ", server.as_bytes(), line, credentials.as_bytes(), headers].concat())
}

#[cfg(test)]
mod tests {
    use super::completed;

    #[test]
    fn request_lines_become_absolute() {
        let head = b"GET /a?b HTTP/1.1\r\nhost: h\r\n\r\n";
        assert_eq!(
            completed(head, "http://h:81", "P: x\r\n").unwrap(),
            b"GET http://h:81/a?b HTTP/1.1\r\nP: x\r\nhost: h\r\n\r\n"
        );
        assert_eq!(completed(b"GET http://h/ HTTP/1.1\r\n", "", ""), None);
        assert_eq!(completed(b"\r\n", "", ""), None);
    }
}
