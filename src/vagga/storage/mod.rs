//! Where images, volumes and caches live on the host, and the locks that protect them.
//!
//! Nothing here reads more than the entries it is asked for: the cost of opening a storage does not grow with the
//! number of images in it.

mod checkout;
pub mod image;
pub mod lock;
mod subdir;

pub use subdir::init as init_storage_dir;

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::failure::{exit, Failure};
use super::project::Project;

/// The directories of one project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// `PROJECT/.vagga`.
    pub vagga_dir: PathBuf,
    /// Directory with `.roots`, `.volumes`, `.transient`: [`Storage::vagga_dir`] or a subdirectory of `storage-dir`.
    pub base: PathBuf,
    /// Prefix of the target of `.vagga/NAME` links: empty, or `.lnk` with a storage directory.
    pub link_prefix: PathBuf,
    /// The cache directory: `cache-dir`, else `.cache` below [`Storage::base`].
    pub cache: PathBuf,
}

impl Storage {
    /// Finds and creates the project's directories. Errors: exit 121, with what to repair.
    pub fn open(project: &Project) -> Result<Storage, Failure> {
        Storage::open_with(project, &|name| std::env::var(name).ok())
    }

    /// [`Storage::open`] with the environment as a function, for `storage-subdir-from-env-var`.
    pub fn open_with(project: &Project, env: &dyn Fn(&str) -> Option<String>) -> Result<Storage, Failure> {
        let vagga_dir = project.root.join(".vagga");
        internal_dir(&vagga_dir)?;
        check_real_dir(&vagga_dir.join(".mnt"))?;
        let (base, link_prefix) = match &project.settings.storage_dir {
            Some(dir) => (
                subdir::find(project, &vagga_dir, dir, env)?,
                PathBuf::from(".lnk"),
            ),
            None => (vagga_dir.clone(), PathBuf::new()),
        };
        let cache = match &project.settings.cache_dir {
            Some(dir) if dir.is_dir() => dir.clone(),
            Some(dir) => return Err(missing_cache(dir)),
            None => base.join(".cache"),
        };
        Ok(Storage {
            vagga_dir,
            base,
            link_prefix,
            cache,
        })
    }

    /// The directory of all images and builds, `<base>/.roots`. It may be missing before the first build.
    pub fn roots(&self) -> PathBuf {
        self.base.join(".roots")
    }

    /// The directory of the layers of builds, `<base>/.layers`. It may be missing.
    pub fn layers(&self) -> PathBuf {
        self.base.join(".layers")
    }

    /// The directory of one version of a container. `short` is the first 8 hex digits of its hash.
    pub fn image_dir(&self, name: &str, short: &str) -> PathBuf {
        self.roots().join(format!("{name}.{short}"))
    }

    /// The directory in which a container is being built; `short` with the setting `versioned-build-dir`.
    pub fn build_dir(&self, name: &str, short: Option<&str>) -> PathBuf {
        self.roots().join(match short {
            Some(short) => format!(".tmp.{name}.{short}"),
            None => format!(".tmp.{name}"),
        })
    }

    /// Creates an internal directory (`.roots`, `.cache`, `.volumes`…) that must be a real directory.
    pub fn create_dir(&self, path: &Path) -> Result<(), Failure> {
        internal_dir(path)
    }
}

/// True for a directory of the storage directory that belongs to a project: with a link back, or with images.
pub fn is_project_dir(dir: &Path) -> bool {
    let images = dir.join(".roots");
    dir.join(".lnk").is_symlink() || (images.is_dir() && !images.is_symlink())
}

/// Creates a directory of vagga's own if it is missing; anything but a real directory is refused.
fn internal_dir(path: &Path) -> Result<(), Failure> {
    if check_real_dir(path)? {
        return Ok(());
    }
    match fs::DirBuilder::new().mode(0o755).create(path) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => check_real_dir(path).map(|_| ()),
        Err(e) => Err(fail(format!("Can't create directory {path:?}: {e}"))),
    }
}

/// True when the path is a directory, false when there is nothing.
fn check_real_dir(path: &Path) -> Result<bool, Failure> {
    match fs::symlink_metadata(path) {
        Ok(m) if m.is_dir() => Ok(true),
        Ok(m) => {
            let what = if m.is_symlink() { "symlink" } else { "file" };
            Err(
                fail(format!("{path:?} must be a directory, but it is a {what}")).with_hint(format!(
                    "unlink it: rm {path:?}; to keep images elsewhere use the setting storage-dir"
                )),
            )
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(fail(format!("Can't read {path:?}: {e}"))),
    }
}

fn missing_cache(dir: &Path) -> Failure {
    fail(format!("cache-dir {dir:?} must exist and be a directory"))
        .with_hint(format!("mkdir -p {dir:?}, or change the setting cache-dir"))
}

fn fail(message: String) -> Failure {
    Failure::new(exit::LAUNCHER, message)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::vagga::config::{Config, Settings};
    use std::os::unix::fs::symlink;

    /// A temporary directory that is removed at the end of the test.
    pub(crate) struct Temp(pub PathBuf);

    impl Temp {
        pub(crate) fn new(name: &str) -> Temp {
            use std::sync::atomic::{AtomicU32, Ordering};
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let n = NEXT.fetch_add(1, Ordering::Relaxed);
            let dir = std::env::temp_dir().join(format!("vagga-test-{name}-{}-{n}", std::process::id()));
            fs::create_dir_all(&dir).unwrap();
            Temp(dir)
        }
    }

    impl Drop for Temp {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// A project in a fresh directory `app` below `t`.
    pub(crate) fn project(t: &Temp, settings: Settings) -> Project {
        let root = t.0.join("app");
        fs::create_dir_all(&root).unwrap();
        Project {
            root,
            work_dir: PathBuf::new(),
            config: Config::default(),
            origins: Default::default(),
            settings,
        }
    }

    #[test]
    fn plain_project_keeps_everything_below_dot_vagga() {
        let t = Temp::new("storage");
        let p = project(&t, Settings::default());
        let s = Storage::open(&p).unwrap();
        assert_eq!(s.base, p.root.join(".vagga"));
        assert_eq!(s.cache, p.root.join(".vagga/.cache"));
        assert_eq!(
            s.image_dir("v3.15", "0123abcd"),
            p.root.join(".vagga/.roots/v3.15.0123abcd")
        );
    }

    #[test]
    fn linked_vagga_dir_is_refused() {
        let t = Temp::new("storage");
        let p = project(&t, Settings::default());
        symlink("/tmp", p.root.join(".vagga")).unwrap();
        let e = Storage::open(&p).unwrap_err();
        assert_eq!(e.exit, exit::LAUNCHER);
        assert!(e.to_string().contains("unlink"), "{e}");
    }

    #[test]
    fn file_in_place_of_mnt_is_refused() {
        let t = Temp::new("storage");
        let p = project(&t, Settings::default());
        fs::create_dir(p.root.join(".vagga")).unwrap();
        fs::write(p.root.join(".vagga/.mnt"), "").unwrap();
        assert!(Storage::open(&p).unwrap_err().to_string().contains(".mnt"));
    }

    #[test]
    fn cache_dir_must_exist() {
        let t = Temp::new("storage");
        let dir = t.0.join("cache");
        let p = project(
            &t,
            Settings {
                cache_dir: Some(dir.clone()),
                ..Settings::default()
            },
        );
        let e = Storage::open(&p).unwrap_err();
        assert!(
            e.message.contains("must exist") && e.message.contains("cache-dir"),
            "{e}"
        );
        fs::create_dir(&dir).unwrap();
        assert_eq!(Storage::open(&p).unwrap().cache, dir);
    }
}
