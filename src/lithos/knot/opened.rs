//! The secrets of a container, opened with the key of its sandbox. They end up in the environment of the process, or in
//! files that only its user can read, and nowhere else.

use std::collections::BTreeMap;
use std::path::Path;

use zeroize::Zeroizing;

use super::load::Loaded;
use crate::lithos::config::container::Secrets;
use crate::lithos::image;
use crate::lithos::secrets::{self, file, PrivateKey};

/// A name and what it stands for.
pub type Plain = (String, Zeroizing<String>);

/// Plain values.
#[derive(Default)]
pub struct Opened {
    /// Of variables.
    pub environ: Vec<(String, String)>,
    /// Of files.
    pub files: Vec<Plain>,
}

/// Opens everything; no key is read when the container file has no secrets.
///
/// Errors: one line; it never holds a part of a secret.
pub fn open(loaded: &Loaded) -> Result<Opened, String> {
    let sealed = sealed(loaded)?;
    let files = &loaded.container.secret_files;
    if sealed.is_empty() && files.is_empty() {
        return Ok(Opened::default());
    }
    let path = loaded.sandbox.secrets_private_key.as_ref();
    let path = path.ok_or("the container has secrets, but the sandbox has no secrets-private-key")?;
    let keys = file::load(path).map_err(|e| format!("secrets-private-key {}: {e}", path.display()))?;
    let mut namespaces = loaded.sandbox.namespaces();
    let more = &loaded.instance.extra_secrets_namespaces;
    namespaces.extend(more.iter().map(String::as_str));
    let environ = open_each(&sealed, &keys, &namespaces)?.into_iter();
    Ok(Opened {
        environ: environ.map(|(name, secret)| (name, secret.to_string())).collect(),
        files: open_each(files, &keys, &namespaces)?,
    })
}

fn open_each(
    sealed: &BTreeMap<String, Vec<String>>,
    keys: &[PrivateKey],
    namespaces: &[&str],
) -> Result<Vec<Plain>, String> {
    let open = |(name, values): (&String, &Vec<String>)| {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let secret = secrets::open_any(keys, &values, namespaces).map_err(|reasons| {
            let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
            format!("secret {name}: {}", reasons.join("; "))
        })?;
        Ok((name.clone(), secret))
    };
    sealed.iter().map(open).collect()
}

/// Of the container file, or of the file it names: in the image, relative names beside the container file.
fn sealed(loaded: &Loaded) -> Result<BTreeMap<String, Vec<String>>, String> {
    let container = &loaded.container;
    let Some(path) = &container.secret_environ_file else {
        return Ok(container.secret_environ.clone());
    };
    if !container.secret_environ.is_empty() {
        return Err("secret-environ and secret-environ-file cannot both be set".into());
    }
    let beside = Path::new(&loaded.instance.config).parent();
    let path = beside.unwrap_or(Path::new("/")).join(path);
    let secrets: Secrets = image::read_config(&loaded.image, &path)?;
    Ok(secrets.0)
}
