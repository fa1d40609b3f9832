//! Host names are looked up once per client: ureq asks for every request, also when the connection is kept, and a
//! package archive is hundreds of requests to one host.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Error};

/// An agent that looks every host up once.
pub fn agent(config: Config) -> Agent {
    Agent::with_parts(config, DefaultConnector::new(), Remembering::default())
}

/// Remembers the addresses of `scheme://host:port`.
#[derive(Debug, Default)]
struct Remembering {
    known: Mutex<HashMap<String, Vec<SocketAddr>>>,
}

impl Resolver for Remembering {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let key = format!("{:?} {:?}", uri.scheme(), uri.authority());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(addresses) = known.get(&key) {
            let mut answer = self.empty();
            addresses.iter().for_each(|address| answer.push(*address));
            return Ok(answer);
        }
        let answer = DefaultResolver::default().resolve(uri, config, timeout)?;
        known.insert(key, answer.iter().copied().collect());
        Ok(answer)
    }
}
