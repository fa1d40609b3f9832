//! A registry (OCI distribution specification 1.1), for reading.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_derive::Deserialize;

use super::challenge::Challenge;
use super::credentials::{self, Entry};
use super::image::{Configuration, Document, Image, Manifest, Platform, ACCEPT};
use super::name::{is_loopback, Name};
use super::{Descriptor, Digest, OciError, MAX_DOCUMENT};
use crate::sys::fs::Scratch;
use crate::vagga::fetch::{self, Client, Wanted};

/// A token is asked for anew when it is older: they live for at least a minute.
const TOKEN_AGE: Duration = Duration::from_secs(50);

/// One repository of a registry.
pub struct Registry<'a> {
    client: Client,
    name: &'a Name,
    /// Files that may hold credentials.
    places: Vec<PathBuf>,
    /// What is sent as `Authorization`, and since when; learnt from the first refusal.
    authorization: Option<(String, Instant)>,
    challenge: Option<Challenge>,
}

impl<'a> Registry<'a> {
    /// Nothing is sent yet.
    pub fn new(client: Client, name: &'a Name) -> Registry<'a> {
        let variable = |name: &str| {
            std::env::var_os(name)
                .filter(|v| !v.is_empty())
                .map(PathBuf::from)
        };
        Registry {
            client,
            name,
            places: credentials::places(&variable),
            authorization: None,
            challenge: None,
        }
    }

    /// Finds the manifest for `platform`, checking digests on the way. Returns it and its configuration.
    ///
    /// Errors: one line that names the image: not there, not for this platform, not allowed, wrong digest.
    pub fn resolve(&mut self, platform: &Platform) -> Result<(Manifest, Configuration), OciError> {
        let digest = self.name.digest.clone();
        let mut bytes = self.manifest(&self.name.reference(), digest.as_ref())?;
        // An index may lead to another index, but hardly further.
        for _ in 0..3 {
            match Document::parse(&bytes).map_err(|e| self.about(e))? {
                Document::Manifest(manifest) => {
                    let configuration = self.configuration(&manifest.config)?;
                    return Ok((manifest, configuration));
                }
                Document::Index(index) => {
                    let chosen = index.choose(platform).map_err(|e| self.about(e))?;
                    let digest = chosen.digest().map_err(|e| self.about(e))?;
                    bytes = self.manifest(&digest.to_string(), Some(&digest))?;
                }
            }
        }
        Err(self.about(OciError::new("indexes lead to indexes too often")))
    }

    /// Fetches the layers that the cache lacks; what is there is verified too.
    pub fn layers(
        &mut self,
        manifest: &Manifest,
        configuration: Configuration,
        cache: &Path,
        progress: fetch::OnProgress,
    ) -> Result<Image, OciError> {
        let mut wanted = Vec::new();
        for layer in &manifest.layers {
            let digest = layer.digest().map_err(|e| self.about(e))?;
            let target = blob_path(cache, &digest);
            drop_if_damaged(&target, &digest);
            wanted.push(Wanted {
                url: self.url("blobs", &digest.to_string()),
                sha256: Some(digest.hex().to_owned()),
                size: layer.size,
                target,
            });
        }
        self.refresh()?;
        let client = self.authorized();
        let dir = cache.join("oci");
        let scratch = std::fs::create_dir_all(&dir)
            .and_then(|()| Scratch::new(&dir, "fetch"))
            .map_err(|e| OciError::new(format!("{}: {e}", dir.display())))?;
        fetch::fetch_all(&|| client.clone(), &wanted, scratch.path(), progress)
            .map_err(|e| OciError::new(e.0))?;
        let files = wanted
            .into_iter()
            .zip(&manifest.layers)
            .map(|(w, l)| Ok((w.target, Some(l.digest()?))))
            .collect::<Result<_, OciError>>()
            .map_err(|e| self.about(e))?;
        Image::new(configuration, files).map_err(|e| self.about(e))
    }

    fn manifest(&mut self, reference: &str, digest: Option<&Digest>) -> Result<Vec<u8>, OciError> {
        let url = self.url("manifests", reference);
        self.document(&url, ACCEPT, digest)
    }

    fn configuration(&mut self, descriptor: &Descriptor) -> Result<Configuration, OciError> {
        let digest = descriptor.digest().map_err(|e| self.about(e))?;
        let url = self.url("blobs", &digest.to_string());
        let bytes = self.document(&url, "*/*", Some(&digest))?;
        Configuration::parse(&bytes).map_err(|e| self.about(e))
    }

    /// A document with the right digest, if one is given.
    fn document(&mut self, url: &str, accept: &str, digest: Option<&Digest>) -> Result<Vec<u8>, OciError> {
        let mut answer = self.ask(url, accept)?;
        if answer.status == 401 {
            let header = answer.headers.get("www-authenticate");
            let header = header.and_then(|h| h.to_str().ok()).unwrap_or_default();
            self.challenge = Challenge::parse(header);
            self.authenticate()?;
            answer = self.ask(url, accept)?;
        }
        match answer.status {
            200 => {}
            401 | 403 => return Err(self.refused()),
            404 => {
                return Err(OciError::new(format!(
                    "{}: the registry does not have it ({url})",
                    self.name
                )))
            }
            status => return Err(OciError::new(format!("{url}: the server answered {status}"))),
        }
        if let Some(digest) = digest {
            digest.check(&Digest::of(&answer.body), url)?;
        }
        Ok(answer.body)
    }

    fn ask(&self, url: &str, accept: &str) -> Result<fetch::Document, OciError> {
        self.authorized()
            .document(url, accept, MAX_DOCUMENT)
            .map_err(|e| OciError::new(e.0))
    }

    fn authorized(&self) -> Client {
        let value = self.authorization.as_ref().map(|(value, _)| value.clone());
        self.client.authorized(&self.name.base(), value)
    }

    /// A new token when the old one may end while layers are fetched.
    fn refresh(&mut self) -> Result<(), OciError> {
        match &self.authorization {
            Some((_, since)) if since.elapsed() > TOKEN_AGE => self.authenticate(),
            _ => Ok(()),
        }
    }

    /// Answers the challenge.
    fn authenticate(&mut self) -> Result<(), OciError> {
        let known = credentials::find(&self.places, &self.name.registry, &self.name.repository)?;
        let known = known.unwrap_or_default();
        let value = match (&self.challenge, &known) {
            (
                _,
                Entry {
                    token: Some(token), ..
                },
            ) => format!("Bearer {token}"),
            (Some(Challenge::Basic), Entry { auth: Some(auth), .. }) => format!("Basic {auth}"),
            (
                Some(Challenge::Bearer {
                    realm,
                    service,
                    scope,
                }),
                _,
            ) => format!(
                "Bearer {}",
                self.token(realm, service.as_deref(), scope.as_deref(), &known)?
            ),
            _ => return Err(self.refused()),
        };
        self.authorization = Some((value, Instant::now()));
        Ok(())
    }

    /// Asks the token server, as whom the credentials say or as nobody.
    fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        scope: Option<&str>,
        known: &Entry,
    ) -> Result<String, OciError> {
        #[derive(Deserialize)]
        struct Answer {
            token: Option<String>,
            access_token: Option<String>,
        }
        self.check_realm(realm)?;
        let default = format!("repository:{}:pull", self.name.repository);
        let scope = scope.unwrap_or(&default);
        let mut url = format!(
            "{realm}{}scope={}",
            if realm.contains('?') { '&' } else { '?' },
            percent(scope)
        );
        if let Some(service) = service {
            url.push_str(&format!("&service={}", percent(service)));
        }
        let basic = known.auth.as_ref().map(|auth| format!("Basic {auth}"));
        let answer = self
            .client
            .authorized(&url, basic)
            .document(&url, "application/json", MAX_DOCUMENT)
            .map_err(|e| OciError::new(e.0))?;
        if answer.status != 200 {
            return Err(self.refused());
        }
        let answer: Answer = serde_json::from_slice(&answer.body)
            .map_err(|e| OciError::new(format!("{realm}: the answer is not a token: {e}")))?;
        answer
            .token
            .or(answer.access_token)
            .filter(|t| t.bytes().all(|c| c.is_ascii_graphic()))
            .ok_or_else(|| OciError::new(format!("{realm}: the answer holds no token")))
    }

    /// Credentials go over encrypted connections only, unless all of it is on this machine.
    fn check_realm(&self, realm: &str) -> Result<(), OciError> {
        let plain = realm.strip_prefix("http://").map(|rest| rest.split('/').next());
        let local = plain.flatten().is_some_and(is_loopback) && is_loopback(&self.name.registry);
        match realm.starts_with("https://") || local {
            true => Ok(()),
            false => Err(self.about(OciError::new(format!(
                "its registry sends us for a token to {realm:?}, which is not an https address"
            )))),
        }
    }

    fn refused(&self) -> OciError {
        self.about(OciError::new("the registry does not let us read it")).with_hint(format!(
            "does it exist? If it is private, log in with `skopeo login {0}` or `docker login {0}`, whose files are read",
            self.name.registry
        ))
    }

    fn about(&self, e: OciError) -> OciError {
        OciError {
            message: format!("{}: {}", self.name, e.message),
            ..e
        }
    }

    fn url(&self, kind: &str, reference: &str) -> String {
        format!(
            "{}/v2/{}/{kind}/{reference}",
            self.name.base(),
            self.name.repository
        )
    }
}

/// Where a blob is in the cache.
fn blob_path(cache: &Path, digest: &Digest) -> PathBuf {
    cache.join("oci/sha256").join(digest.hex())
}

/// Whoever else writes to the cache does not decide what an image holds.
fn drop_if_damaged(path: &Path, digest: &Digest) {
    if path.exists() && Digest::of_file(path).ok().as_ref() != Some(digest) {
        log::warn!("{}: is damaged, it is fetched again", path.display());
        let _ = std::fs::remove_file(path);
    }
}

/// A value as part of a query (RFC 3986 §3.4).
fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b':' | b',' => {
                out.push(char::from(byte))
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_escaped() {
        assert_eq!(percent("repository:a/b:pull,push"), "repository:a/b:pull,push");
        assert_eq!(percent("a b&c=d#"), "a%20b%26c%3Dd%23");
    }
}
