//! The builder: what a build step has in its hands.
//!
//! It runs as user 0 of the container's user namespace, in mount, PID and IPC namespaces of its own. The host's file
//! system is visible at its own paths, so the project, the cache and host programs are used by their normal paths.
//! Steps write into the new root only through [`Builder::root`], which resolves every path beneath it; `/work`, the
//! caches and the kernel's file systems are mounted there. Programs of the new root run only through
//! [`Builder::run`], which confines them to it.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use super::command::{self, GuestCommand, SHOW_ENVIRON};
use super::distro::Distribution;
use super::error::{IoContext, StepError};
use super::guest::{self, Guest};
use super::job::Job;
use super::mounts::{self, MountSource, Mounted};
use super::network;
use super::progress::Progress;
use super::snapshot::{self, Snapshot};
use super::stack::{self, Stack};
use super::state::State;
use super::Image;
use crate::sys::fs::Kind;
use crate::sys::path::Root;
use crate::sys::seccomp;
use crate::vagga::fetch;
use crate::vagga::ids::IdMaps;
use crate::vagga::project::Project;
use crate::vagga::storage::Storage;
use crate::vagga::version::Digest;

/// The build of one container.
pub struct Builder<'a> {
    /// The project; its files are at their host paths.
    pub project: &'a Project,
    /// Images and caches, at their host paths.
    pub storage: &'a Storage,
    /// The id maps of this container.
    pub ids: &'a IdMaps,
    /// Container name.
    pub name: String,
    /// The file system being built.
    pub root: Root,
    /// The directory around it; lists of packages go here.
    pub image_dir: PathBuf,
    /// Environment of guest commands.
    pub environ: BTreeMap<String, String>,
    /// What steps leave to later ones.
    pub state: State,
    /// Display.
    pub progress: Progress,
    /// Images of the containers this one is built from.
    pub(super) images: BTreeMap<String, Image>,
    /// Caches and temporary mounts in the root, in the order of mounting.
    pub(super) mounted: Vec<Mounted>,
    /// Directories that are there only to be mounted on.
    pub(super) made: Vec<PathBuf>,
    /// The environment before the first step.
    pub(super) initial_environ: BTreeMap<String, String>,
    /// The root is an overlay of layers, not a directory of its own.
    pub(super) stack: Option<Stack>,
    /// The version's digest before every step and after the last one, as far as it is known.
    pub(super) boundaries: Vec<Digest>,
    /// Network namespace of isolated commands, made when first needed.
    network: Option<OwnedFd>,
    /// Connections for downloads, made when first needed.
    client: Option<fetch::Client>,
}

impl<'a> Builder<'a> {
    /// Opens the prepared root, mounts what belongs in it, sets the environment.
    pub(super) fn start(job: &Job<'a>) -> Result<Builder<'a>, StepError> {
        let (stack, state, root) = match job.keeps_layers().then(|| on_layers(job)) {
            Some(Ok((stack, state, root))) => (Some(stack), state, root),
            other => {
                if let Some(Err(e)) = other {
                    log::info!("building without layers: {e}");
                }
                (None, None, plain(job)?)
            }
        };
        let mut b = Builder {
            project: job.project,
            storage: job.storage,
            ids: job.ids,
            name: job.name.to_string(),
            root,
            image_dir: job.dir.to_path_buf(),
            environ: environ(job.project, &|name| std::env::var(name).ok()),
            state: State::default(),
            progress: Progress::new(job.name, job.config.setup.len()),
            images: job.images.clone(),
            mounted: Vec::new(),
            made: Vec::new(),
            initial_environ: BTreeMap::new(),
            stack,
            boundaries: job.boundaries.clone(),
            network: None,
            client: None,
        };
        b.environ.extend(mounts::add_certificates(&b.root)?);
        b.initial_environ = b.environ.clone();
        b.refresh_resolver()?;
        if let Some(state) = state {
            snapshot::restore(&mut b, state)?;
        }
        if job.ids.is_single() {
            // From here on changes of ownership, of this process and of every command, succeed without effect.
            seccomp::fake_ownership()
                .map_err(|e| StepError::new(format!("can't install the system call filter: {e}")))?;
        }
        Ok(b)
    }

    /// Runs a program inside the root; its output goes to stderr. Fails unless it exits with 0.
    pub fn run(&mut self, c: &GuestCommand) -> Result<(), StepError> {
        self.guest(c, false).map(|_| ())
    }

    /// The same, returning what the program wrote to its stdout.
    pub fn output_of(&mut self, c: &GuestCommand) -> Result<Vec<u8>, StepError> {
        self.guest(c, true)
    }

    fn guest(&mut self, c: &GuestCommand, capture: bool) -> Result<Vec<u8>, StepError> {
        let name = c
            .argv
            .first()
            .ok_or_else(|| StepError::new("the command is empty"))?;
        let mut environ = self.environ.clone();
        environ.extend(c.environ.clone());
        let search = environ.get("PATH").map(String::as_str).unwrap_or_default();
        let program = guest::find_program(&self.root, Path::new(name), search)?;
        if c.isolate_network && self.network.is_none() {
            self.network = Some(network::isolated()?);
        }
        let note = command::environ_note(&environ, std::env::var_os(SHOW_ENVIRON));
        self.progress.before_output();
        let outcome = Guest {
            command: c,
            program,
            environ: environ.into_iter().map(|(k, v)| (k.into(), v.into())).collect(),
            plan: guest::plan(self.root.path()),
            ids: self.ids,
            network: self
                .network
                .as_ref()
                .filter(|_| c.isolate_network)
                .map(AsFd::as_fd),
        }
        .run(capture);
        guest::make_blocking();
        let failed = |text: String| StepError::new(format!("{text}{note}"));
        let outcome = outcome.map_err(|e| failed(e.message))?;
        match outcome.code {
            0 => Ok(outcome.output),
            code => Err(failed(format!("command {} {}", c.display(), ended(code)))),
        }
    }

    /// The same while a directory is hidden by an empty one, which is in memory and vanishes afterwards.
    pub fn run_without(&mut self, hidden: &Path, c: &GuestCommand) -> Result<(), StepError> {
        let made = match self.root.mkdir(hidden, 0o755) {
            Ok(()) => true,
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => false,
            Err(e) => return Err(StepError::io("create directory", hidden, &e)),
        };
        let result = mounts::hide(&self.root, hidden).and_then(|()| {
            let result = self.run(c);
            mounts::show(&self.root, hidden)?;
            result
        });
        if made {
            let removed = self.root.rmdir(hidden).at("remove directory", hidden);
            return result.and(removed);
        }
        result
    }

    /// Makes a file available: a local source (`./x`, `/volumes/NAME/x`) as it is, a download in the cache. Returns its
    /// path on the host. The addresses are tried in order.
    pub fn fetch(&mut self, urls: &[String], sha256: Option<&str>) -> Result<PathBuf, StepError> {
        let request = fetch::Request {
            urls,
            sha256,
            cache: &self.storage.cache,
            project: &self.project.root,
            external_volumes: &self.project.settings.external_volumes,
        };
        let proxies = fetch::Proxies::by_setting(self.project.settings.proxy_env_vars);
        let progress = &mut self.progress;
        let mut show = |done, total| progress.bytes("downloaded", done, total);
        fetch::fetch(
            &mut self.client,
            &request,
            || fetch::Client::new(&proxies),
            &mut show,
        )
        .map_err(|e| StepError::new(e.to_string()))
    }

    /// The directory of the host that a local source (`./x`, `/volumes/NAME/x`) names, if it is one.
    pub fn directory_at(&self, address: &str) -> Result<Option<PathBuf>, StepError> {
        let volumes = &self.project.settings.external_volumes;
        match fetch::local_path(address, &self.project.root, volumes) {
            Some(path) => {
                let path = path.map_err(|e| StepError::new(e.to_string()))?;
                Ok(path.is_dir().then_some(path))
            }
            None => Ok(None),
        }
    }

    /// The host directory of a named cache, created if missing.
    pub fn cache_dir(&self, name: &Path) -> Result<PathBuf, StepError> {
        let plain = name.components().all(|c| matches!(c, Component::Normal(_)));
        if !plain || name.as_os_str().is_empty() {
            return Err(StepError::new(format!(
                "bad cache name {name:?}: it must be a relative path without `..`"
            )));
        }
        let dir = self.storage.cache.join(name);
        std::fs::create_dir_all(&dir).at("create cache directory", &dir)?;
        Ok(dir)
    }

    /// Mounts a named cache at a directory of the root until the end of the build. Whatever the image has there is
    /// deleted; a second mount at the same place does nothing.
    pub fn mount_cache(&mut self, at: &Path, name: &Path) -> Result<(), StepError> {
        if self.mounted.iter().any(|m| m.at == at) {
            return Ok(());
        }
        let dir = self.cache_dir(name)?;
        super::finish::ensure_dir(&self.root, at)?;
        super::finish::empty_dir(&self.root, at)?;
        self.mount_dir(at, &dir, false)
    }

    /// Mounts a host directory over an existing directory of the root until the end of the build.
    pub fn mount_dir(&mut self, at: &Path, host: &Path, read_only: bool) -> Result<(), StepError> {
        let cached = host.strip_prefix(&self.storage.cache).ok().filter(|_| !read_only);
        let source = match cached {
            Some(name) => MountSource::Cache(name.to_path_buf()),
            None => MountSource::Host {
                path: host.to_path_buf(),
                read_only,
            },
        };
        self.mount_again(Mounted {
            at: at.to_path_buf(),
            source,
        })
    }

    /// Mounts a host directory at its own path in the root, read-only, until the end of the build. Directories made for
    /// that go with it.
    pub fn show_dir(&mut self, host: &Path) -> Result<(), StepError> {
        if self.mounted.iter().any(|m| m.at == host) {
            return Ok(());
        }
        let parents: Vec<&Path> = host.ancestors().collect();
        for dir in parents.into_iter().rev().filter(|dir| dir.parent().is_some()) {
            match self.root.mkdir(dir, 0o755) {
                Ok(()) => self.made.push(dir.to_path_buf()),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(StepError::io("create directory", dir, &e)),
            }
        }
        self.mount_dir(host, host, true)
    }

    /// Calls the active base system, or fails when there is none.
    pub fn with_distribution<T>(
        &mut self,
        call: impl FnOnce(&mut dyn Distribution, &mut Self) -> Result<T, StepError>,
    ) -> Result<T, StepError> {
        let mut distribution = self.state.distribution.take().ok_or_else(|| {
            StepError::new("this step requires some linux distribution to be active")
                .with_hint("begin the setup with a base system, e.g. `- !Debian bookworm`")
        })?;
        let result = call(distribution.as_mut(), self);
        self.state.distribution = Some(distribution);
        result
    }

    /// Copies the host's `resolv.conf` and `hosts` into the root. Called at the start and by steps that replace `/etc`.
    pub fn refresh_resolver(&mut self) -> Result<(), StepError> {
        let progress = &mut self.progress;
        write_resolver(&self.root, &mut |text| progress.warn(text)).map_err(StepError::from)
    }

    /// The image of a container that this one is built from.
    pub fn image(&self, container: &str) -> Result<Image, StepError> {
        self.images
            .get(container)
            .cloned()
            .or_else(|| self.storage.current(container))
            .ok_or_else(|| StepError::new(format!("container {container:?} is not built")))
    }

    /// The root of such an image.
    pub fn image_root(&self, container: &str) -> Result<PathBuf, StepError> {
        self.image(container).map(|image| image.root())
    }

    /// Detaches everything that was mounted in the root.
    pub(super) fn unmount_all(&mut self) -> Result<(), StepError> {
        mounts::detach(&self.root, &std::mem::take(&mut self.mounted))?;
        for dir in std::mem::take(&mut self.made).iter().rev() {
            match self.root.rmdir(dir) {
                // A step may have put something there, or removed it.
                Err(e)
                    if e.kind() != io::ErrorKind::NotFound
                        && e.kind() != io::ErrorKind::DirectoryNotEmpty =>
                {
                    return Err(StepError::io("remove directory", dir, &e))
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// A root of its own: the prepared directory.
fn plain(job: &Job) -> Result<Root, StepError> {
    let path = job.dir.join("root");
    let root = Root::open(&path).at("open", &path)?;
    stack::standard_directories(&root).at("create the directories of", &path)?;
    mounts::attach(&root, &job.project.root)?;
    Ok(root)
}

/// A root made of layers: those of the steps that were done in an earlier build, with what it knew then.
fn on_layers(job: &Job) -> Result<(Stack, Option<Snapshot>, Root), StepError> {
    let (mut stack, state) = Stack::begin(job)?;
    let mounted = stack
        .make_stage(&job.project.root)
        .and_then(|()| stack.mount().at("mount", "layers"));
    match mounted {
        Ok(root) => {
            mounts::attach_staged(&root, &stack.stage()?)?;
            Ok((stack, state, root))
        }
        Err(e) => {
            stack.end();
            Err(e)
        }
    }
}

/// Writes the host's `resolv.conf` and `hosts` where the root has regular files or nothing; equal files stay untouched.
pub(super) fn write_resolver(root: &Root, warn: &mut dyn FnMut(&str)) -> io::Result<()> {
    for path in ["/etc/resolv.conf", "/etc/hosts"] {
        let data = std::fs::read(path).unwrap_or_default();
        match root.lstat(path) {
            Ok(stat) if stat.kind() != Kind::File => {
                warn(&format!(
                    "{path} of the image is not a regular file, it is left alone"
                ));
                continue;
            }
            Ok(stat) if stat.size == data.len() as u64 && is_content(root, path, &data) => continue,
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(named("read", path, &e)),
            _ => {}
        }
        root.create(path, 0o644)
            .and_then(|mut file| io::Write::write_all(&mut file, &data))
            .map_err(|e| named("write", path, &e))?;
    }
    Ok(())
}

fn is_content(root: &Root, path: &str, data: &[u8]) -> bool {
    let mut found = Vec::new();
    root.open_read(path)
        .and_then(|mut file| io::Read::read_to_end(&mut file, &mut found))
        .is_ok_and(|_| found == data)
}

fn named(verb: &str, path: &str, e: &io::Error) -> io::Error {
    io::Error::new(e.kind(), format!("can't {verb} {path:?}: {e}"))
}

/// How a program ended, for messages.
fn ended(code: u8) -> String {
    match code.checked_sub(128) {
        Some(signal @ 1..=64) => format!("exited with code {code} (killed by signal {signal})"),
        _ => format!("exited with code {code}"),
    }
}

/// Variables of the caller that reach a build, unless the setting `proxy-env-vars` is false.
const PROXY_VARIABLES: [&str; 5] = ["http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"];

/// `PATH` of guest commands until a base system or `!Env` changes it.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The environment at the start of a build. Nothing else of the caller's gets in.
fn environ(project: &Project, caller: &dyn Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
    let epoch = project.settings.source_date_epoch.to_string();
    let fixed = [
        ("TERM", "dumb"),
        ("HOME", "/tmp"),
        ("PATH", DEFAULT_PATH),
        ("SOURCE_DATE_EPOCH", &epoch),
    ];
    let mut environ: BTreeMap<String, String> = fixed.map(|(k, v)| (k.to_string(), v.to_string())).into();
    if project.settings.proxy_env_vars {
        let set = PROXY_VARIABLES
            .iter()
            .filter_map(|name| Some((name.to_string(), caller(name)?)));
        environ.extend(set);
    }
    environ
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vagga::config::{Config, Settings};

    #[test]
    fn only_proxies_of_the_caller_reach_a_build() {
        let mut project = Project {
            root: "/p".into(),
            work_dir: PathBuf::new(),
            config: Config::default(),
            origins: Default::default(),
            settings: Settings::default(),
        };
        let caller = |name: &str| match name {
            "ftp_proxy" | "FOO" | "HOME" => Some("x".to_string()),
            _ => None,
        };
        let names = |project: &Project| environ(project, &caller).into_keys().collect::<Vec<_>>();
        assert_eq!(
            names(&project),
            ["HOME", "PATH", "SOURCE_DATE_EPOCH", "TERM", "ftp_proxy"]
        );
        assert_eq!(
            environ(&project, &caller).get("HOME").map(String::as_str),
            Some("/tmp")
        );
        project.settings.proxy_env_vars = false;
        assert_eq!(names(&project), ["HOME", "PATH", "SOURCE_DATE_EPOCH", "TERM"]);
    }

    #[test]
    fn ends_are_named_with_their_signal() {
        assert_eq!(ended(1), "exited with code 1");
        assert_eq!(ended(137), "exited with code 137 (killed by signal 9)");
        assert_eq!(ended(255), "exited with code 255");
    }
}
