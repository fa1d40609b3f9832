//! Built images: the current one of a container, its last use, the lock that protects it while in use.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{fail, Failure, Storage};
use crate::sys::fs::{lock_file, Lock};
use crate::vagga::build::Image;

impl Storage {
    /// The image that `.vagga/NAME` points to, if there is one.
    pub fn current(&self, name: &str) -> Option<Image> {
        let version = self.linked_version(name)?;
        let dir = self.roots().join(version);
        dir.is_dir().then(|| Image {
            name: name.to_string(),
            dir,
        })
    }

    /// Directory name (`NAME.HASH8`) that the container's link names, whether or not it exists.
    pub fn linked_version(&self, name: &str) -> Option<PathBuf> {
        let target = fs::read_link(self.link(name)).ok()?;
        let rest = target
            .strip_prefix(&self.link_prefix)
            .ok()?
            .strip_prefix(".roots")
            .ok()?;
        let mut parts = rest.components();
        let version = PathBuf::from(parts.next()?.as_os_str());
        (parts.as_path() == Path::new("root")).then_some(version)
    }

    /// The container's link in the project, `.vagga/NAME`.
    pub fn link(&self, name: &str) -> PathBuf {
        self.vagga_dir.join(name)
    }

    /// Points `.vagga/NAME` to the image, atomically; nothing is written when it already does.
    pub fn set_current(&self, image: &Image) -> Result<(), Failure> {
        let version = image.dir.file_name().unwrap_or_default();
        let target = self.link_prefix.join(".roots").join(version).join("root");
        let link = self.link(&image.name);
        if fs::read_link(&link).is_ok_and(|old| old == target) {
            return Ok(());
        }
        replace_link(&link, &target).map_err(|e| fail(format!("Can't replace symlink {link:?}: {e}")))
    }

    /// Notes that the image is used now and protects it from `_clean` as long as the result lives.
    /// A failure is only a warning, since a read-only storage must not stop commands.
    pub fn use_image(&self, image: &Image) -> Option<Lock> {
        match mark_used(&image.dir) {
            Ok(held) => held,
            Err(e) => {
                log::warn!("can't update {:?}: {e}", image.dir.join("last_use"));
                None
            }
        }
    }

    /// Takes the image for removal: `None` while some process uses it.
    pub fn lock_unused(&self, dir: &Path) -> io::Result<Option<Lock>> {
        match File::open(dir.join("last_use")) {
            Ok(file) => lock_file(file, true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => lock_file(File::open(dir)?, true),
            Err(e) => Err(e),
        }
    }
}

/// Creates or touches `last_use` and locks it shared.
fn mark_used(dir: &Path) -> io::Result<Option<Lock>> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        // Programs in containers can write here when the storage is in the project.
        .custom_flags(libc::O_NOFOLLOW)
        .open(dir.join("last_use"))?;
    file.set_modified(SystemTime::now())?;
    lock_file(file, false)
}

/// Symlink replacement through a temporary name that carries the whole name and the process id.
fn replace_link(link: &Path, target: &Path) -> io::Result<()> {
    let name = link.file_name().unwrap_or_default().to_string_lossy();
    let temporary = link.with_file_name(format!(".tmp.{name}.{}.lnk", std::process::id()));
    match fs::remove_file(&temporary) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    std::os::unix::fs::symlink(target, &temporary)?;
    fs::rename(&temporary, link).inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{project, Temp};
    use super::*;
    use crate::vagga::config::Settings;

    fn image(s: &Storage, name: &str, short: &str) -> Image {
        let dir = s.image_dir(name, short);
        fs::create_dir_all(dir.join("root")).unwrap();
        Image {
            name: name.into(),
            dir,
        }
    }

    #[test]
    fn names_with_dots_do_not_share_a_temporary_link() {
        let t = Temp::new("image");
        let s = Storage::open(&project(&t, Settings::default())).unwrap();
        let (a, b) = (image(&s, "v3.15", "00000001"), image(&s, "v3.16", "00000002"));
        s.set_current(&a).unwrap();
        s.set_current(&b).unwrap();
        assert_eq!(
            fs::read_link(s.link("v3.15")).unwrap(),
            Path::new(".roots/v3.15.00000001/root")
        );
        assert_eq!(s.current("v3.16"), Some(b));
        assert_eq!(s.current("nosuch"), None);
    }

    #[test]
    fn links_lead_through_the_storage_dir() {
        let t = Temp::new("image");
        let dir = t.0.join("S");
        fs::create_dir(&dir).unwrap();
        let p = project(
            &t,
            Settings {
                storage_dir: Some(dir),
                ..Settings::default()
            },
        );
        let s = Storage::open(&p).unwrap();
        let i = image(&s, "x", "00000001");
        s.set_current(&i).unwrap();
        assert_eq!(
            fs::read_link(s.link("x")).unwrap(),
            Path::new(".lnk/.roots/x.00000001/root")
        );
        assert!(s.link("x").is_dir());
        assert_eq!(s.current("x"), Some(i));
    }

    #[test]
    fn image_in_use_cannot_be_taken_for_removal() {
        let t = Temp::new("image");
        let s = Storage::open(&project(&t, Settings::default())).unwrap();
        let i = image(&s, "x", "00000001");
        let used = s.use_image(&i);
        assert!(used.is_some());
        assert!(s.lock_unused(&i.dir).unwrap().is_none());
        drop(used);
        assert!(s.lock_unused(&i.dir).unwrap().is_some());
    }
}
