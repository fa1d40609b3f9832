//! The certificates that this host trusts.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use ureq::tls::{parse_pem, Certificate, PemItem};

/// Where distributions keep the bundle of trusted certificates, most common first.
const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/share/ssl/certs/ca-bundle.crt",
];

/// The host's bundle of certificates as one PEM file: `SSL_CERT_FILE`, else the first of the usual places.
/// An `SSL_CERT_FILE` that cannot be read does not count, as in OpenSSL's tools.
pub fn ca_bundle() -> Option<PathBuf> {
    let named = env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    named
        .into_iter()
        .chain(BUNDLES.iter().map(PathBuf::from))
        .find(|path| path.is_absolute() && fs::metadata(path).is_ok_and(|m| m.is_file() && m.len() > 0))
}

/// The certificates to verify servers with: those of `SSL_CERT_FILE`, else of every file in `SSL_CERT_DIR`, else of the
/// host's bundle. Unreadable files and entries that are no certificates are passed over; no certificate at all means
/// that https cannot work.
pub fn certificates() -> Vec<Certificate<'static>> {
    if env::var_os("SSL_CERT_FILE").is_none() {
        let dir = env::var_os("SSL_CERT_DIR").and_then(|dir| fs::read_dir(dir).ok());
        let entries = dir.into_iter().flatten().flatten();
        let found: Vec<_> = entries.flat_map(|entry| read(&entry.path())).collect();
        if !found.is_empty() {
            return found;
        }
    }
    ca_bundle().map(|bundle| read(&bundle)).unwrap_or_default()
}

fn read(path: &Path) -> Vec<Certificate<'static>> {
    let Ok(pem) = fs::read(path) else {
        return Vec::new();
    };
    parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect()
}
