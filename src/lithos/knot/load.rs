//! Reads everything that decides about one container, from the host and, beneath its root, from the image.

use std::fs;
use std::net::ToSocketAddrs;
use std::path::{Path, PathBuf};

use super::compose::{compose, Facts, Sources};
use super::design::Design;
use super::hosts;
use crate::lithos::config::sandbox::output_log_name;
use crate::lithos::config::{self, Container, Master, Sandbox};
use crate::lithos::instance::{Instance, InstanceName};
use crate::lithos::{image, policy};
use crate::sys::fs::Kind;
use crate::sys::path::Root;

/// The files that belong to a container.
#[derive(Debug)]
pub struct Loaded {
    /// Its name taken apart.
    pub name: InstanceName,
    /// The machine.
    pub master: Master,
    /// The application.
    pub sandbox: Sandbox,
    /// The image's own file.
    pub container: Container,
    /// The instance.
    pub instance: Instance,
    /// Root of the image.
    pub image: Root,
}

/// Reads the files of the container `name`. Errors: lines that name the file and what is wrong in it.
pub fn load(master_path: &Path, name: &str, json: &str) -> Result<Loaded, String> {
    let name =
        InstanceName::parse(name).ok_or_else(|| format!("--name: {name:?} is no name of a container"))?;
    let instance = Instance::parse(json).map_err(|e| format!("--config: {e}"))?;
    let master: Master = config::read(master_path).map_err(|e| e.to_string())?;
    let file = master
        .sandboxes_dir(master_path)
        .join(format!("{}.yaml", name.sandbox));
    let sandbox: Sandbox = config::read(&file).map_err(|e| e.to_string())?;
    // Before the image is opened: its name must not lead elsewhere.
    policy::require(policy::check_image(&sandbox, &instance))?;
    let image = image::open(&sandbox, &instance.image)?;
    let container = image::read_container(&image, &instance.config)?;
    Ok(Loaded {
        name,
        master,
        sandbox,
        container,
        instance,
        image,
    })
}

impl Loaded {
    /// Decides everything; `arguments` follow those of the container file.
    pub fn design(&self, arguments: &[String], term: Option<String>) -> Result<Design, String> {
        let name = self.name.to_string();
        let mut values = policy::check(&self.sandbox, &self.container, &self.instance, &self.name)
            .map_err(|broken| policy::joined(&broken))?;
        values.arguments.extend_from_slice(arguments);
        let facts = self.facts(term)?;
        compose(&Sources {
            name: &name,
            master: &self.master,
            sandbox: &self.sandbox,
            container: &self.container,
            config: &self.instance.config,
            image: &self.instance.image,
            address: self.instance.ip_address,
            values: &values,
            facts: &facts,
        })
    }

    fn facts(&self, term: Option<String>) -> Result<Facts, String> {
        let etc = self.image.lstat("/etc").is_ok_and(|s| s.kind() == Kind::Dir);
        let ordinary = |path: &str| etc && self.image.lstat(path).is_ok_and(|s| s.kind() == Kind::File);
        Ok(Facts {
            has_hosts: ordinary("/etc/hosts"),
            has_resolv_conf: ordinary("/etc/resolv.conf"),
            texts: self.texts()?,
            term,
        })
    }

    fn texts(&self) -> Result<hosts::Texts, String> {
        let read = |path: &PathBuf| fs::read(path).map_err(|e| format!("{}: {e}", path.display()));
        let mut texts = hosts::Texts::default();
        if self.container.hosts_file.copy_from_host {
            texts.hosts = Some(read(&self.sandbox.hosts_file)?);
        }
        if self.container.resolv_conf.copy_from_host {
            let path = &self.sandbox.resolv_conf;
            let content = read(path)?;
            let mode = fs::metadata(path).map(|m| std::os::unix::fs::PermissionsExt::mode(&m.permissions()));
            texts.resolv_conf = Some((content, mode.unwrap_or(0o644) & 0o777));
        }
        if hosts::wants_public(&self.container) {
            texts.public = Some(public_name()?);
        }
        Ok(texts)
    }

    /// `STDIO_LOG_DIR/SB.log`, or a file for each process entry.
    pub fn output_log(&self) -> PathBuf {
        let name = output_log_name(self.sandbox.output_log, &self.name.sandbox, &self.name.process);
        self.master.stdio_log_dir.join(name)
    }
}

/// The first IPv4 address of the host's name, and the name.
fn public_name() -> Result<String, String> {
    let name = nix::unistd::gethostname().map_err(|e| format!("name of the host: {e}"))?;
    let name = name.to_string_lossy().into_owned();
    let mut found = (name.as_str(), 0)
        .to_socket_addrs()
        .map_err(|e| format!("public-hostname: the name of the host, {name}, has no address: {e}"))?;
    match found.find(|address| address.is_ipv4()) {
        Some(address) => Ok(format!("{} {name}", address.ip())),
        None => Err(format!(
            "public-hostname: the name of the host, {name}, has no IPv4 address"
        )),
    }
}
