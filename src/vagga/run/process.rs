//! Everything about one process in a container, decided before anything is started.

use std::cell::RefCell;
use std::ffi::OsString;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use crate::container::{Base, Plan};
use crate::sys::fs::Lock;
use crate::vagga::build::{metadata, Image};
use crate::vagga::cli::globals::Globals;
use crate::vagga::config::command::{CommandInfo, Pid1Mode, WriteMode};
use crate::vagga::config::{Container, Volume};
use crate::vagga::failure::{exit, Failure};
use crate::vagga::ids::{self, IdMaps};
use crate::vagga::project::Project;
use crate::vagga::storage::Storage;

use super::chore::Chore;
use super::environ::{self, Configured, Environ};
use super::persistent::{self, Filling};
use super::prober::Probe;
use super::program::Program;
use super::socket;
use super::stored::Stored;
use super::transient::Transient;
use super::volumes::{self, HostFile, Sources, WORK};

/// What all processes of one invocation share.
pub struct Context<'a> {
    /// The project.
    pub project: &'a Project,
    /// Its directories.
    pub storage: &'a Storage,
    /// Global options.
    pub globals: &'a Globals,
    /// The caller's environment.
    pub caller: &'a [(OsString, OsString)],
    /// The top-level command, which may be the init command of a volume.
    pub command: Option<&'a str>,
    /// Files of names for a network of its own; `None`: those of the host.
    pub lookup: Option<&'a Lookup>,
}

/// How names are found in a network of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lookup {
    /// Content of `/etc/hosts`.
    pub hosts: Vec<u8>,
    /// Content of `/etc/resolv.conf`; `None`: the host's file.
    pub resolv_conf: Option<Vec<u8>>,
}

/// Ids of the command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ids {
    /// User id.
    pub uid: u32,
    /// Id of the container that stands behind `uid`, in a further user namespace.
    pub external: Option<u32>,
    /// Group id.
    pub gid: u32,
    /// Supplementary groups, exactly these.
    pub groups: Vec<u32>,
}

/// A process ready to be started.
#[derive(Debug)]
pub struct Process {
    /// What is executed.
    pub program: Program,
    /// Absolute path inside.
    pub work_dir: PathBuf,
    /// Its environment.
    pub environ: Environ,
    /// Its root.
    pub plan: Plan,
    /// Work before the root is built.
    pub chores: Vec<Chore>,
    /// Its ids.
    pub ids: Ids,
    /// Ids of the container.
    pub maps: IdMaps,
    /// Passed as descriptor 3.
    pub socket: Option<OwnedFd>,
    /// Only a loopback interface.
    pub isolate: bool,
    /// How to tell that the command is ready.
    pub probe: Option<Probe>,
    /// Behaviour of the first process.
    pub pid1: Pid1Mode,
    /// The command must not be able to mount, so that it cannot take back what the plan forbids.
    pub fixed_mounts: bool,
    /// User namespace that the command goes on into, with mounts that it cannot change.
    pub enclosure: Option<OwnedFd>,
    /// Descriptors that the plan names.
    pub mounted: Vec<OwnedFd>,
    /// Private writable root.
    pub transient: Option<Transient>,
    /// Volumes that exist once the command has succeeded.
    pub fillings: Vec<Filling>,
    /// Keeps the image from being cleaned away.
    pub held: Option<Lock>,
}

impl Context<'_> {
    /// Decides everything about a command. `fixed` are variables that nothing overrides.
    pub fn process(
        &self,
        info: &CommandInfo,
        arguments: &[String],
        fixed: &[(String, String)],
    ) -> Result<Process, Failure> {
        let container = self.container(&info.container)?;
        let image = self.image(&info.container)?;
        let image_environ = metadata::read_environ(&image.dir).map_err(|e| {
            let why = format!("can't read the variables of {:?}: {e}", image.dir);
            Failure::new(exit::LAUNCHER, why)
        })?;
        let maps = ids::maps_for(&container.uids, &container.gids)?;
        let ids = command_ids(info, &maps)?;
        // Root inside may then be the real root of the host, who needs no capability to change it through procfs.
        let guard = nix::unistd::geteuid().is_root();
        let chores = RefCell::new(Vec::new());
        let fillings = RefCell::new(Vec::new());
        let ops = self.operations(container, info, guard, &chores, &fillings)?;
        let transient = match info.write_mode {
            WriteMode::read_only => None,
            WriteMode::transient_hard_link_copy => {
                Some(Transient::create(&self.project.root, self.storage, &image)?)
            }
        };
        chores
            .borrow_mut()
            .extend(transient.as_ref().map(Transient::chore));
        let unchanged = || Base::Bind {
            source: self.stored(&image.root()).source(),
            write: false,
        };
        let base = transient.as_ref().map_or_else(unchanged, Transient::base);
        let configured = Configured {
            image: &image_environ,
            file: container.environ_file.as_ref(),
            container: &container.environ,
            command: &info.environ,
            fixed,
        };
        Ok(Process {
            program: Program::new(&info.run, &container.default_shell, arguments),
            work_dir: self.work_dir(info.work_dir.as_deref()),
            environ: self.environ(configured),
            plan: Plan { base, ops },
            chores: chores.into_inner(),
            ids,
            maps,
            socket: info
                .common
                .pass_tcp_socket
                .as_deref()
                .map(socket::listen)
                .transpose()?,
            isolate: self.globals.isolate_network || info.common.isolate_network,
            probe: info
                .ready
                .as_ref()
                .map(|ready| Probe::new(ready, info, &container.default_shell))
                .transpose()?,
            pid1: info.pid1mode,
            fixed_mounts: guard || has_vagga_binary(container, info),
            enclosure: None,
            mounted: Vec::new(),
            transient,
            fillings: fillings.into_inner(),
            held: self.storage.use_image(&image),
        })
    }

    fn environ(&self, configured: Configured<'_>) -> environ::Environ {
        environ::layers(self.caller, &self.project.settings, self.globals, configured)
    }

    /// A container in which commands can run.
    fn container(&self, name: &str) -> Result<&Container, Failure> {
        let container = self.known_container(name)?;
        if container.is_data_container() {
            return Err(Failure::new(
                exit::LAUNCHER,
                format!(
                    "Container {name:?} is a data container (it has data-dirs): no command can run in it"
                ),
            )
            .with_hint(format!(
                "use it as a volume of another container: `/some/dir: !Container {name}`"
            )));
        }
        Ok(container)
    }

    fn known_container(&self, name: &str) -> Result<&Container, Failure> {
        self.project
            .config
            .containers
            .get(name)
            .ok_or_else(|| Failure::new(exit::LAUNCHER, format!("Container {name:?} not found")))
    }

    /// The image that the container's link points to.
    fn image(&self, name: &str) -> Result<Image, Failure> {
        self.known_container(name)?;
        self.storage.current(name).ok_or_else(|| {
            Failure::new(exit::LAUNCHER, format!("Container {name:?} is not built"))
                .with_hint(format!("run `vagga _build {name}`"))
        })
    }

    /// Everything mounted in the container; work that this needs goes to `chores` and `fillings`.
    fn operations(
        &self,
        container: &Container,
        info: &CommandInfo,
        guard: bool,
        chores: &RefCell<Vec<Chore>>,
        fillings: &RefCell<Vec<Filling>>,
    ) -> Result<Vec<crate::container::Op>, Failure> {
        let binary = std::env::current_exe().unwrap_or_default();
        let cache = &self.storage.cache;
        self.make_cache_dirs(container, info)?;
        let present = |path: &'static str| {
            let path = Path::new(path);
            fs::metadata(path).is_ok().then_some(HostFile::Host(path))
        };
        let persistent = |volume: &_| {
            let prepared = persistent::prepare(&self.project.root, self.storage, volume, self.command)?;
            chores.borrow_mut().extend(prepared.chore);
            fillings.borrow_mut().extend(prepared.filling);
            Ok(prepared.dir.source())
        };
        let image = |name: &str| Ok(self.stored(&self.image(name)?.root()).source());
        let sources = Sources {
            project: &self.project.root,
            cache,
            external: &self.project.settings.external_volumes,
            binary_dir: binary.parent().unwrap_or(Path::new("/")),
            resolv_conf: match self.lookup.and_then(|l| l.resolv_conf.as_deref()) {
                Some(text) => Some(HostFile::Text(text)),
                None => present("/etc/resolv.conf"),
            },
            hosts: match self.lookup {
                Some(lookup) => Some(HostFile::Text(&lookup.hosts)),
                None => present("/etc/hosts"),
            },
            image: &image,
            persistent: &persistent,
            guard,
        };
        volumes::operations(container, &info.volumes, &sources)
    }

    /// `!CacheDir` volumes exist from their first use on.
    fn make_cache_dirs(&self, container: &Container, info: &CommandInfo) -> Result<(), Failure> {
        let volumes = container.volumes.values().chain(info.volumes.values());
        for volume in volumes {
            let Volume::CacheDir(path) = volume else {
                continue;
            };
            if path.as_os_str().is_empty() || path.is_absolute() {
                // Refused later, with the documented message.
                continue;
            }
            let cache = &self.storage.cache;
            if self.project.settings.cache_dir.is_none() {
                self.storage.create_dir(cache)?;
            }
            crate::sys::path::Root::open(cache)
                .and_then(|root| root.mkdir_all(path, 0o755))
                .map_err(|e| Failure::new(exit::SETUP, format!("mount !CacheDir {path:?}: {e}")))?;
        }
        Ok(())
    }

    fn stored(&self, path: &Path) -> Stored {
        Stored::new(&self.project.root, self.storage, path)
    }

    pub(super) fn work_dir(&self, configured: Option<&Path>) -> PathBuf {
        let relative = configured.unwrap_or(&self.project.work_dir);
        match relative.as_os_str().is_empty() {
            true => WORK.into(),
            false => Path::new(WORK).join(relative),
        }
    }
}

/// External volumes must exist even if no container mounts them.
pub fn check_external_volumes(project: &Project) -> Result<(), Failure> {
    for (name, path) in &project.settings.external_volumes {
        if let Err(e) = fs::metadata(path) {
            return Err(Failure::new(
                exit::SETUP,
                format!("volume: external volume {name:?} at {path:?}: {e}"),
            )
            .with_hint(format!(
                "create {path:?}, or remove {name:?} from external-volumes in your settings"
            )));
        }
    }
    Ok(())
}

/// The ids of a command, all of which must exist in the container.
fn command_ids(info: &CommandInfo, maps: &IdMaps) -> Result<Ids, Failure> {
    let inside = info.external_user_id.unwrap_or(info.user_id);
    let check = |map: &crate::sys::namespace::IdMap, id: u32, key: &str| {
        map.to_outside(id).map(drop).ok_or_else(|| {
            let failure = Failure::new(
                exit::SETUP,
                format!("{key} {id} does not exist in container {:?}", info.container),
            );
            match maps.is_single() {
                true => failure.with_hint("only id 0 exists without subordinate ids, see `vagga _doctor`"),
                false => failure.with_hint("extend `uids` and `gids` of the container"),
            }
        })
    };
    check(&maps.uid, inside, "user-id")?;
    check(&maps.gid, info.group_id, "group-id")?;
    for gid in &info.supplementary_gids {
        check(&maps.gid, *gid, "supplementary-gids: group")?;
    }
    Ok(Ids {
        uid: info.user_id,
        external: info.external_user_id,
        gid: info.group_id,
        groups: info.supplementary_gids.clone(),
    })
}

/// The directory of the vagga binary may belong to the user, who must not find it changed.
fn has_vagga_binary(container: &Container, info: &CommandInfo) -> bool {
    container
        .volumes
        .values()
        .chain(info.volumes.values())
        .any(|volume| *volume == Volume::VaggaBin)
}
