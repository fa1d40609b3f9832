//! `lithos_check`: says everything that is wrong with the configuration of a machine, or with one container file.
//! Changes nothing, opens no secrets.

mod explain;
mod flags;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use self::flags::{Key, TOOL};
use super::config::master::DEFAULT_PATH;
use super::config::{self, Container, Master, ProcessEntry, ProcessKind, Processes, Sandbox};
use super::instance::{Instance, InstanceName};
use super::log::syslog;
use super::{image, policy, program, sandboxes};
use crate::cli::output::{complain, print};
use crate::cli::Parsed;
use crate::sys::calendar::Date;
use crate::sys::netlink::Netlink;

/// Tools that must be beside this one.
const SIBLINGS: [&str; 2] = ["lithos_tree", "lithos_knot"];
/// Most instances of an entry that are looked at one by one: what differs between them are the addresses.
const MOST_INSTANCES: u32 = 10_000;

/// Entry point of the executable; returns the exit code.
pub fn main() -> i32 {
    TOOL.run(|parsed| Ok::<i32, String>(run(&parsed)))
}

fn run(parsed: &Parsed<Key>) -> i32 {
    let mut report = Report::default();
    let files = parsed.values(Key::Container);
    let explained = parsed.values(Key::Explain);
    if files.is_empty() && explained.is_empty() {
        whole(parsed, &mut report);
    }
    if !explained.is_empty() {
        plans(parsed, &explained, &mut report);
    }
    for file in files {
        container_file(&file, &mut report);
    }
    report.finish()
}

/// Prints what each of these containers would be.
fn plans(parsed: &Parsed<Key>, names: &[String], report: &mut Report) {
    let path = PathBuf::from(parsed.last(Key::Config).unwrap_or(DEFAULT_PATH));
    let alternates = alternates(parsed, report);
    for name in names {
        let sandbox = name.split('/').next().unwrap_or_default();
        match explain::explain(&path, name, alternates.get(sandbox)) {
            Ok(plan) => {
                let _ = print(&plan);
            }
            Err(why) => report.error(why),
        }
    }
}

/// What was found; each line is printed at once.
#[derive(Debug, Default)]
struct Report {
    seen: BTreeSet<String>,
    errors: usize,
}

impl Report {
    /// An error; the same text is said once, however many instances it concerns.
    fn error(&mut self, text: impl Into<String>) {
        let text = text.into();
        if self.seen.insert(text.clone()) {
            self.errors += 1;
            complain(&format!("ERROR {}: lithos_check: {text}\n", Date::now()));
        }
    }

    /// Something that may surprise, but is no error.
    fn warning(&self, text: &str) {
        complain(&format!(" WARN {}: lithos_check: {text}\n", Date::now()));
    }

    fn finish(self) -> i32 {
        if self.errors == 0 {
            return 0;
        }
        let (now, version) = (Date::now(), env!("CARGO_PKG_VERSION"));
        complain(&format!(
            " WARN {now}: lithos_check: {} error(s), checked by lithos {version}\n",
            self.errors
        ));
        1
    }
}

/// A container file on a developer's machine.
fn container_file(file: &str, report: &mut Report) {
    match config::read::<Container>(Path::new(file)) {
        Err(problems) => report.error(problems.to_string()),
        Ok(container) => {
            for violation in policy::check_declarations(&container) {
                report.error(format!("{file}: {violation}"));
            }
        }
    }
}

/// Everything below the master file.
fn whole(parsed: &Parsed<Key>, report: &mut Report) {
    let path = PathBuf::from(parsed.last(Key::Config).unwrap_or(DEFAULT_PATH));
    let alternates = alternates(parsed, report);
    siblings(report);
    let master: Master = match config::read(&path) {
        Ok(master) => master,
        Err(problems) => return report.error(problems.to_string()),
    };
    if let Some(name) = master.syslog_facility.as_ref() {
        if syslog::facility(name).is_none() {
            report.warning(&format!(
                "syslog-facility {name:?} is not known: logs go to files"
            ));
        }
    }
    host(&master, parsed.has(Key::Verbose), report);
    let dir = master.sandboxes_dir(&path);
    let files = match sandboxes::list(&dir) {
        Ok(files) => files,
        Err(e) => return report.error(format!("directory of sandboxes {}: {e}", dir.display())),
    };
    for name in alternates
        .keys()
        .filter(|name| !files.iter().any(|f| f.name == **name))
    {
        report.error(format!("there is no sandbox {name:?} in {}", dir.display()));
    }
    for file in &files {
        match config::read::<Sandbox>(&file.path) {
            Err(problems) => report.error(problems.to_string()),
            Ok(sandbox) => {
                let processes = alternates
                    .get(&file.name)
                    .cloned()
                    .unwrap_or_else(|| sandbox.processes_file(&file.name, &master, &path));
                check_disks(&file.name, &sandbox, report);
                check_sandbox(&file.name, &sandbox, &processes, report);
            }
        }
    }
}

/// Containers start without a limit that cannot be set.
fn check_disks(name: &str, sandbox: &Sandbox, report: &mut Report) {
    for path in sandbox.max_io.keys() {
        if let Err(e) = crate::sys::block::disk(path) {
            report.warning(&format!("sandbox {name}: max-io {}: {e}", path.display()));
        }
    }
}

/// The processes files given in place of those of sandboxes: each option belongs to the sandbox named before it.
fn alternates(parsed: &Parsed<Key>, report: &mut Report) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    let mut sandbox = None;
    for (key, value) in &parsed.options {
        let value = value.clone().unwrap_or_default();
        match (key, &sandbox) {
            (Key::Sandbox, _) => sandbox = Some(value),
            (Key::Alternate, Some(name)) => {
                found.insert(name.clone(), value.into());
            }
            (Key::Alternate, None) => report.error("--alternate-config needs --sandbox NAME before it"),
            _ => {}
        }
    }
    found
}

fn siblings(report: &mut Report) {
    for missing in SIBLINGS.iter().filter_map(|name| program::sibling(name).err()) {
        report.error(missing);
    }
}

/// What containers need of the host.
fn host(master: &Master, verbose: bool, report: &mut Report) {
    if !master.devfs_dir.join("pts").is_dir() {
        let dir = master.devfs_dir.display();
        report.error(format!(
            "devfs-dir {dir} with its directory `pts` is missing: run lithos_mkdev {dir}"
        ));
    }
    let name = match nix::unistd::gethostname() {
        Ok(name) => name.to_string_lossy().into_owned(),
        Err(e) => return report.error(format!("can't read the name of the host: {e}")),
    };
    let address = (name.as_str(), 0).to_socket_addrs().ok();
    let address = address.and_then(|mut all| all.find_map(|a| Some(a.ip()).filter(IpAddr::is_ipv4)));
    match address {
        None => report.error(format!(
            "the host's name {name:?} has no IPv4 address: add it to /etc/hosts"
        )),
        Some(ip) if verbose => {
            let _ = print(&format!("hostname: {name}\nip address: {ip}\n"));
        }
        Some(_) => {}
    }
}

fn check_sandbox(name: &str, sandbox: &Sandbox, processes: &Path, report: &mut Report) {
    for (key, empty) in [
        ("allow-users", sandbox.allow_users.is_empty()),
        ("allow-groups", sandbox.allow_groups.is_empty()),
    ] {
        if empty {
            report.error(format!("sandbox {name}: {key} is empty: nothing could run"));
        }
    }
    if let Some(bridged) = &sandbox.bridged_network {
        if let Err(e) = Netlink::route().and_then(|mut n| n.link(&bridged.bridge)) {
            report.error(format!("sandbox {name}: bridged-network: {e}"));
        }
    }
    let processes: Processes = match config::read(processes) {
        Ok(processes) => processes,
        Err(problems) => return report.error(format!("sandbox {name}: {problems}")),
    };
    let mut checker = Checker {
        sandbox_name: name,
        sandbox,
        containers: BTreeMap::new(),
    };
    for (process, entry) in &processes {
        checker.entry(process, entry, report);
    }
}

struct Checker<'a> {
    sandbox_name: &'a str,
    sandbox: &'a Sandbox,
    /// Container files that were read, by image and path.
    containers: BTreeMap<(String, String), Result<Container, String>>,
}

impl Checker<'_> {
    fn entry(&mut self, process: &str, entry: &ProcessEntry, report: &mut Report) {
        let place = format!("{}/{process}", self.sandbox_name);
        let found = policy::check_image(self.sandbox, &Instance::of(entry, 0));
        if !found.is_empty() {
            return found.iter().for_each(|v| report.error(format!("{place}: {v}")));
        }
        if entry.kind == ProcessKind::Command && !is_command_name(process) {
            report.error(format!(
                "{place}: a command's name may have only letters, digits, - and _"
            ));
        }
        let container = match self.container(entry) {
            Ok(container) => container.clone(),
            Err(why) => return report.error(format!("{place}: {why}")),
        };
        let count = match entry.kind {
            // Spare instances of an upgrade have the numbers after the others, and need addresses as well.
            ProcessKind::Daemon if entry.instances > 0 => entry
                .instances
                .saturating_add(entry.max_surge)
                .min(MOST_INSTANCES),
            ProcessKind::Daemon => 0,
            ProcessKind::Command => 1,
        };
        for index in 0..count {
            let name = InstanceName::daemon(self.sandbox_name, process, index);
            let instance = Instance::of(entry, index);
            if let Err(found) = policy::check(self.sandbox, &container, &instance, &name) {
                found.iter().for_each(|v| report.error(format!("{place}: {v}")));
            }
        }
        for found in policy::check_standby(entry, &container) {
            report.error(format!("{place}: {found}"));
        }
        self.mount_points(&place, entry, &container, report);
    }

    fn container(&mut self, entry: &ProcessEntry) -> &Result<Container, String> {
        let key = (entry.image.clone(), entry.config.clone());
        self.containers.entry(key).or_insert_with(|| {
            let root = image::open(self.sandbox, &entry.image)?;
            image::read_container(&root, &entry.config)
        })
    }

    /// Directories that lithos never makes must be in the image.
    fn mount_points(&self, place: &str, entry: &ProcessEntry, container: &Container, report: &mut Report) {
        let root = match image::open(self.sandbox, &entry.image) {
            Ok(root) => root,
            Err(why) => return report.error(format!("{place}: {why}")),
        };
        let fixed = ["/dev", "/sys", "/proc", "/tmp"].map(Path::new);
        let inside = |path: &Path| {
            let above = |other: &&PathBuf| path != other.as_path() && path.starts_with(other);
            container.volumes.keys().any(|other| above(&other))
        };
        let own = container.volumes.keys().map(PathBuf::as_path);
        let secrets = Some(Path::new(policy::SECRETS_DIR)).filter(|_| !container.secret_files.is_empty());
        for target in fixed
            .into_iter()
            .chain(secrets)
            .chain(own)
            .filter(|target| !inside(target))
        {
            if !root.exists(target) {
                report.error(format!(
                    "{place}: {} is missing in image {}",
                    target.display(),
                    entry.image
                ));
            }
        }
    }
}

/// Names that lithos_cmd takes.
fn is_command_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
}
