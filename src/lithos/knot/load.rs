//! Reads everything that decides about one container, from the host and, beneath its root, from the image.

use std::fs::File;
use std::io::{self, Read};
use std::net::ToSocketAddrs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::compose::{compose, Facts, Sources};
use super::design::Design;
use super::hosts;
use crate::lithos::config::sandbox::output_log_name;
use crate::lithos::config::{self, Container, Master, Sandbox};
use crate::lithos::instance::{Instance, InstanceName};
use crate::lithos::origin::Origin;
use crate::lithos::{image, policy};
use crate::sys::fs::Kind;
use crate::sys::path::Root;

/// Memory set aside for a file at once, at most, bytes.
const LARGE: usize = 1 << 20;

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
    /// What was read.
    pub origin: Origin,
    /// It waits beside the running container, with a state directory of its own.
    pub standby: bool,
}

/// Reads the files of the container `name`. Errors: lines that name the file and what is wrong in it.
pub fn load(master_path: &Path, name: &str, json: &str) -> Result<Loaded, String> {
    let name =
        InstanceName::parse(name).ok_or_else(|| format!("--name: {name:?} is no name of a container"))?;
    let instance = Instance::parse(json).map_err(|e| format!("--config: {e}"))?;
    let (master, of_master): (Master, _) = config::read_marked(master_path).map_err(|e| e.to_string())?;
    let file = master
        .sandboxes_dir(master_path)
        .join(format!("{}.yaml", name.sandbox));
    let (sandbox, of_sandbox): (Sandbox, _) = config::read_marked(&file).map_err(|e| e.to_string())?;
    // Before the image is opened: its name must not lead elsewhere.
    policy::require(policy::check_image(&sandbox, &instance))?;
    let image = image::open(&sandbox, &instance.image)?;
    let (container, of_container) = image::read_container_marked(&image, &instance.config)?;
    Ok(Loaded {
        name,
        master,
        sandbox,
        container,
        instance,
        image,
        origin: Origin {
            container: of_container,
            sandbox: of_sandbox,
            master: of_master,
        },
        standby: false,
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
            state: &self.state_name(),
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

    /// Name of the state directory below that of the machine. No instance has a name like that of a standby: all end in digits.
    pub fn state_name(&self) -> String {
        match self.standby {
            true => standby_state(&self.name.to_string()),
            false => self.name.to_string(),
        }
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
        let read = |path: &PathBuf| read_text(path).map_err(|e| format!("{}: {e}", path.display()));
        let mut texts = hosts::Texts::default();
        if self.container.hosts_file.copy_from_host {
            texts.hosts = Some(read(&self.sandbox.hosts_file)?.0);
        }
        if self.container.resolv_conf.copy_from_host {
            texts.resolv_conf = Some(read(&self.sandbox.resolv_conf)?);
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

/// A file of the host and its mode.
fn read_text(path: &Path) -> io::Result<(Vec<u8>, u32)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    // Room for all of it and for noticing the end; `take` asks for no size again.
    let mut content = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0).min(LARGE) + 64);
    file.take(u64::MAX).read_to_end(&mut content)?;
    Ok((content, metadata.mode() & 0o777))
}

/// Name of the state directory of the standby of a container.
pub fn standby_state(name: &str) -> String {
    format!("{name}~")
}

/// The address of the host's name, and the name.
fn public_name() -> Result<String, String> {
    let name = nix::unistd::gethostname().map_err(|e| format!("name of the host: {e}"))?;
    let name = name.to_string_lossy().into_owned();
    let found = (name.as_str(), 0)
        .to_socket_addrs()
        .map_err(|e| format!("public-hostname: the name of the host, {name}, has no address: {e}"))?;
    match hosts::public_address(found.map(|address| address.ip())) {
        Some(ip) => Ok(format!("{ip} {name}")),
        None => Err(format!(
            "public-hostname: the name of the host, {name}, has no address that can be written to a hosts file"
        )),
    }
}
