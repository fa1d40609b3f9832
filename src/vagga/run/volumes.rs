//! From configuration to a [`Plan`](crate::container::plan::Plan)'s operations: standard mounts, default volumes, `volumes:`, host files.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::container::plan::Owner;
use crate::container::{dev, Op, Source};
use crate::vagga::config::volume::{Persistent, Tmpfs};
use crate::vagga::config::{Container, Volume};
use crate::vagga::failure::{exit, Failure};

/// Size of default tmpfs volumes, bytes.
const DEFAULT_SIZE: u64 = 100 << 20;
/// Where the project is, inside.
pub const WORK: &str = "/work";

/// Directory of files made for the container, on its own `/dev`: a place that every container has.
const MADE: &str = "/dev/.vagga";

/// A file that containers share with the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostFile<'a> {
    /// The host's own.
    Host(&'a Path),
    /// With this content instead.
    Text(&'a [u8]),
}

/// Where things come from on the host.
pub struct Sources<'a> {
    /// The project, mounted at `/work`.
    pub project: &'a Path,
    /// The cache directory, for `!CacheDir`.
    pub cache: &'a Path,
    /// External volumes of the settings: name below `/volumes` → host path.
    pub external: &'a BTreeMap<PathBuf, PathBuf>,
    /// Directory of the vagga binary.
    pub binary_dir: &'a Path,
    /// The host's `resolv.conf`, if it has one.
    pub resolv_conf: Option<HostFile<'a>>,
    /// The host's `hosts`, if it has one.
    pub hosts: Option<HostFile<'a>>,
    /// Root of the current image of a container.
    pub image: &'a dyn Fn(&str) -> Result<Source, Failure>,
    /// Directory of a persistent volume for this run.
    pub persistent: &'a dyn Fn(&Persistent) -> Result<Source, Failure>,
    /// The root of the host is the root of the container: protect what it could change.
    pub guard: bool,
}

/// All operations for a process in `container` whose command has the volumes `own`.
///
/// Errors: exit 124 for volumes that cannot be mounted, 121 for containers without an image.
pub fn operations(
    container: &Container,
    own: &BTreeMap<PathBuf, Volume>,
    s: &Sources<'_>,
) -> Result<Vec<Op>, Failure> {
    let mut volumes = defaults();
    for (path, volume) in container.volumes.iter().chain(own) {
        volumes.insert(path.clone(), volume.clone());
    }
    let mut ops = standard(s);
    for (path, volume) in &volumes {
        check_target(path)?;
        ops.extend(mount(path, volume, s)?);
    }
    let files = [
        (&container.resolv_conf_path, s.resolv_conf),
        (&container.hosts_file_path, s.hosts),
    ];
    if files
        .iter()
        .any(|(_, file)| matches!(file, Some(HostFile::Text(_))))
    {
        ops.push(Op::Dir {
            path: MADE.into(),
            mode: 0o755,
            owner: Owner::default(),
        });
    }
    for (target, file) in files {
        if let (Some(target), Some(file)) = (target, file) {
            if !volumes.contains_key(target) {
                ops.extend(host_file(target, file));
            }
        }
    }
    Ok(ops)
}

/// A file of the host, or one with other content, bound read-only.
fn host_file(target: &Path, file: HostFile<'_>) -> Vec<Op> {
    let mut ops = Vec::new();
    let source = match file {
        HostFile::Host(path) => Source::Host(path.into()),
        HostFile::Text(content) => {
            let path = Path::new(MADE).join(target.file_name().unwrap_or_default());
            ops.push(Op::File {
                path: path.clone(),
                mode: 0o644,
                content: content.into(),
            });
            Source::Root(path)
        }
    };
    ops.push(Op::Bind {
        source,
        target: target.into(),
        write: false,
        create: true,
    });
    ops
}

/// `/dev`, `/proc`, `/sys`, `/work`.
fn standard(s: &Sources<'_>) -> Vec<Op> {
    let mut ops = dev::minimal();
    ops.extend([
        Op::Proc {
            target: "/proc".into(),
            guard: s.guard,
        },
        Op::read_only("/sys", "/sys"),
        Op::writable(s.project, WORK),
    ]);
    ops
}

/// What `/tmp` and `/run` are unless the configuration says otherwise.
fn defaults() -> BTreeMap<PathBuf, Volume> {
    let tmpfs = |mode| Tmpfs {
        size: DEFAULT_SIZE,
        mode,
        subdirs: BTreeMap::new(),
        files: BTreeMap::new(),
    };
    let mut run = tmpfs(0o755);
    let shm = crate::vagga::config::volume::Subdir { mode: 0o1777 };
    run.subdirs.insert("shm".into(), shm);
    BTreeMap::from([
        ("/tmp".into(), Volume::Tmpfs(tmpfs(0o1777))),
        ("/run".into(), Volume::Tmpfs(run)),
    ])
}

/// The root and the project cannot be hidden.
fn check_target(path: &Path) -> Result<(), Failure> {
    if path == Path::new("/") || path == Path::new(WORK) {
        return Err(fail(format!(
            "mount {path:?}: a volume cannot hide {path:?}, only directories below it"
        )));
    }
    Ok(())
}

/// The operations of one volume.
fn mount(target: &Path, volume: &Volume, s: &Sources<'_>) -> Result<Vec<Op>, Failure> {
    let bind = |source, write| {
        vec![Op::Bind {
            source,
            target: target.into(),
            write,
            create: false,
        }]
    };
    Ok(match volume {
        Volume::Tmpfs(options) => tmpfs(target, options),
        Volume::BindRW(path) => bind(bind_source(path, s)?, true),
        Volume::BindRO(path) => bind(bind_source(path, s)?, false),
        Volume::CacheDir(path) => bind(cache_dir(path, s)?, true),
        Volume::VaggaBin => bind(Source::Host(s.binary_dir.into()), false),
        Volume::Empty => vec![Op::Empty {
            target: target.into(),
        }],
        Volume::Snapshot(options) => vec![Op::Snapshot {
            target: target.into(),
            from: options.container.as_deref().map(s.image).transpose()?,
            size: options.size,
            owner: Owner {
                uid: options.owner_uid,
                gid: options.owner_gid,
            },
        }],
        Volume::Container(name) => bind((s.image)(name)?, false),
        Volume::Persistent(options) => bind((s.persistent)(options)?, true),
    })
}

fn tmpfs(target: &Path, options: &Tmpfs) -> Vec<Op> {
    let mut ops = vec![Op::Tmpfs {
        target: target.into(),
        size: Some(options.size),
        mode: options.mode,
        owner: Owner::default(),
    }];
    ops.extend(options.subdirs.iter().map(|(path, dir)| Op::Dir {
        path: target.join(path),
        mode: dir.mode,
        owner: Owner::default(),
    }));
    ops.extend(options.files.iter().map(|(path, text)| Op::File {
        path: target.join(path),
        mode: 0o644,
        content: text.clone().unwrap_or_default().into_bytes(),
    }));
    ops
}

/// `/work/…`, `/volumes/NAME…` and `/vagga/root/…`; links below them cannot lead out of them.
fn bind_source(path: &Path, s: &Sources<'_>) -> Result<Source, Failure> {
    let beneath = |dir: &Path, path: &Path| Source::Beneath {
        dir: dir.into(),
        path: path.into(),
    };
    if let Ok(rest) = path.strip_prefix(WORK) {
        return Ok(beneath(s.project, rest));
    }
    if let Ok(rest) = path.strip_prefix("/vagga/root") {
        return Ok(Source::Root(Path::new("/").join(rest)));
    }
    let Ok(name) = path.strip_prefix("/volumes") else {
        return Err(fail(format!(
            "mount source {path:?} must begin with /work, /volumes/NAME or /vagga/root"
        )));
    };
    for (volume, host) in s.external {
        match name.strip_prefix(volume) {
            Ok(rest) if rest.as_os_str().is_empty() => return Ok(Source::Host(host.clone())),
            Ok(rest) => return Ok(beneath(host, rest)),
            Err(_) => {}
        }
    }
    Err(
        fail(format!("mount source {path:?}: no such external volume")).with_hint(format!(
            "set `external-volumes: {{ {}: /some/directory }}` in ~/.vagga.yaml",
            name.display()
        )),
    )
}

fn cache_dir(path: &Path, s: &Sources<'_>) -> Result<Source, Failure> {
    if path.as_os_str().is_empty() {
        return Err(fail("mount !CacheDir: path must not be empty"));
    }
    if path.is_absolute() {
        return Err(fail(format!(
            "mount !CacheDir {path:?}: path must not be absolute"
        )));
    }
    if !path.components().all(|c| matches!(c, Component::Normal(_))) {
        return Err(fail(format!("mount !CacheDir {path:?}: the /../ is not allowed")));
    }
    Ok(Source::Beneath {
        dir: s.cache.into(),
        path: path.into(),
    })
}

fn fail(message: impl Into<String>) -> Failure {
    Failure::new(exit::SETUP, message)
}

#[cfg(test)]
mod tests;
