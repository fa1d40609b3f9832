//! The way to a server: directly, or through the proxy that the environment names for the scheme.

use std::time::Duration;

use ureq::tls::{RootCerts, TlsConfig};
use ureq::{config::Config, Agent, Proxy, ProxyProtocol};

use super::forward;
use super::resolver;

/// Whether the proxy variables of the environment apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proxies {
    /// `http_proxy`, `https_proxy`, `all_proxy`, `no_proxy` and, but for `HTTP_PROXY`, their upper-case forms.
    Environment,
    /// The same, else those.
    EnvironmentElse(Fallback),
    /// Connect directly (setting `proxy-env-vars: false`).
    None,
}

/// Proxies to use where the environment names none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fallback {
    /// Address of the proxy for `http:`.
    pub http: Option<String>,
    /// Address of the proxy for `https:`.
    pub https: Option<String>,
    /// Hosts that are reached directly.
    pub direct: Vec<String>,
}

impl Proxies {
    /// As the setting `proxy-env-vars` says.
    pub fn by_setting(on: bool) -> Proxies {
        match on {
            true => Proxies::Environment,
            false => Proxies::None,
        }
    }
}

/// Variables that name the proxy for `http:`.
const HTTP_VARIABLES: [&str; 3] = ["http_proxy", "all_proxy", "ALL_PROXY"];
/// Variables that name the proxy for `https:`.
const HTTPS_VARIABLES: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

/// One pool of connections for each way.
#[derive(Debug, Clone)]
pub struct Routes {
    direct: Agent,
    http: Option<Agent>,
    https: Option<Agent>,
    no_proxy: String,
}

impl Routes {
    /// Reads the environment.
    pub fn new(proxies: &Proxies, roots: &RootCerts) -> Routes {
        let none = Fallback::default();
        let fallback = match proxies {
            Proxies::EnvironmentElse(fallback) => fallback,
            Proxies::Environment | Proxies::None => &none,
        };
        let variable = |name: &&str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let proxy = |names: &[&'static str], other: &Option<String>| match proxies {
            Proxies::None => None,
            _ => names
                .iter()
                .find_map(|name| proxy_from(name, &variable(name)?))
                .or_else(|| proxy_from("the proxy of the host's apt", other.as_deref()?)),
        };
        let http = proxy(&HTTP_VARIABLES, &fallback.http);
        let https = proxy(&HTTPS_VARIABLES, &fallback.https);
        let listed = ["no_proxy", "NO_PROXY"].iter().find_map(variable);
        let listed = listed.iter().chain(&fallback.direct).map(String::as_str);
        Routes {
            direct: resolver::agent(config(roots, None)),
            http: http.map(|p| http_agent(roots, p)),
            https: https.map(|p| resolver::agent(config(roots, Some(p)))),
            no_proxy: listed.collect::<Vec<_>>().join(","),
        }
    }

    /// The connections to use for `url`.
    pub fn agent_for(&self, url: &str) -> &Agent {
        let proxied = match url.starts_with("https:") {
            true => &self.https,
            false => &self.http,
        };
        match proxied {
            Some(agent) if !bypasses_proxy(url, &self.no_proxy) => agent,
            _ => &self.direct,
        }
    }
}

/// For plain http the proxy is given whole addresses (RFC 9112 §3.2.2): most proxies refuse tunnels to port 80.
fn http_agent(roots: &RootCerts, proxy: Proxy) -> Agent {
    match proxy.protocol() {
        ProxyProtocol::Http => forward::agent(config(roots, None), &proxy),
        _ => resolver::agent(config(roots, Some(proxy))),
    }
}

/// Only per-read and connect timeouts are set: a resolve or global timeout would start threads, after which this
/// process could not fork any more. Redirects are followed by the caller, since each may need another way.
fn config(roots: &RootCerts, proxy: Option<Proxy>) -> Config {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .tls_config(TlsConfig::builder().root_certs(roots.clone()).build())
        .proxy(proxy)
        .user_agent(concat!("vagga/", env!("CARGO_PKG_VERSION")))
        .accept_encoding("identity")
        .timeout_connect(Some(Duration::from_secs(30)))
        .timeout_per_read(Some(Duration::from_secs(60)))
        .build()
}

fn proxy_from(name: &str, value: &str) -> Option<Proxy> {
    let proxy = Proxy::new(value);
    if proxy.is_err() {
        log::warn!("{name} is not the address of a proxy: ignored");
    }
    proxy.ok()
}

/// True when the host of `url` is in the list: `*`, a name, or a domain with or without a leading dot.
fn bypasses_proxy(url: &str, list: &str) -> bool {
    let host = host_of(url).to_ascii_lowercase();
    list.split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .any(|entry| {
            let name = entry.trim_start_matches("*.").trim_start_matches('.');
            let name = name.to_ascii_lowercase();
            entry == "*" || host == name || host.ends_with(&format!(".{name}"))
        })
}

/// Host name or address in a URL, without user, port and brackets.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host_port = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match host_port.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(v6),
        None => host_port.split(':').next().unwrap_or(host_port),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn http_proxies_are_given_the_whole_address() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::new(&format!("http://user:pw@{}", listener.local_addr().unwrap())).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut seen = Vec::new();
            for _ in 0..2 {
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let head: Vec<String> = lines
                    .map_while(Result::ok)
                    .take_while(|l| !l.is_empty())
                    .collect();
                seen.push(head);
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                    .unwrap();
            }
            seen
        });
        let agent = http_agent(&RootCerts::new_with_certs(&[]), proxy);
        for name in ["a", "b"] {
            let url = format!("http://no-such-host.invalid:81/{name}?q");
            let text = agent
                .get(&url)
                .call()
                .unwrap()
                .body_mut()
                .read_to_string()
                .unwrap();
            assert_eq!(text, "ok");
        }
        for (head, name) in server.join().unwrap().iter().zip(["a", "b"]) {
            assert_eq!(
                head[0],
                format!("GET http://no-such-host.invalid:81/{name}?q HTTP/1.1")
            );
            assert!(
                head.iter()
                    .any(|l| l == "Proxy-Authorization: Basic dXNlcjpwdw=="),
                "{head:?}"
            );
            assert!(
                head.iter()
                    .any(|l| l.eq_ignore_ascii_case("host: no-such-host.invalid:81")),
                "{head:?}"
            );
        }
    }

    #[test]
    fn no_proxy_names_hosts_and_domains() {
        for (url, list, expected) in [
            ("http://a.example.org/x", "example.org", true),
            ("http://a.example.org:80/x", ".example.org", true),
            ("http://badexample.org/x", "example.org", false),
            ("https://u:p@host/x", "other, host", true),
            ("http://[::1]:80/", "::1", true),
            ("http://x/", "*", true),
            ("http://x/", "", false),
        ] {
            assert_eq!(bypasses_proxy(url, list), expected, "{url} {list}");
        }
    }
}
