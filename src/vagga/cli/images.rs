//! The built-in commands about finished images and where they are kept.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use super::globals::{self, BuildMode, Globals};
use super::names;
use super::parser::Parsed;
use super::table::Key;
use crate::sys::fs::Lock;
use crate::vagga::build::{self, metadata, Image};
use crate::vagga::failure::{exit, Failure};
use crate::vagga::image::pack::{pack, Compression};
use crate::vagga::image::{push, share, verify};
use crate::vagga::oci::export::{Export, Packing};
use crate::vagga::project::Project;
use crate::vagga::run::environ::DEFAULT_PATH;
use crate::vagga::storage::{self, Storage};

/// `_verify CONTAINER [--against FILE]`.
pub fn verify(project: &Project, container: &str, parsed: &Parsed) -> Result<u8, Failure> {
    let storage = Storage::open(project)?;
    let against = parsed.values(Key::Against);
    verify::verify(&storage, container, against.last().map(Path::new))
}

/// `_hardlink [--global]`.
pub fn hardlink(project: &Project, parsed: &Parsed) -> Result<u8, Failure> {
    let storage = Storage::open(project)?;
    share::hardlink(project, &storage, parsed.has(Key::Global))
}

/// `_init_storage_dir [--allow-multiple] NAME`.
pub fn init_storage_dir(project: &Project, name: &str, parsed: &Parsed) -> Result<u8, Failure> {
    storage::init_storage_dir(project, name, parsed.has(Key::AllowMultiple)).map(|()| 0)
}

/// `_pack_image CONTAINER`.
pub fn pack_image(
    project: &Project,
    globals: &Globals,
    container: &str,
    parsed: &Parsed,
) -> Result<u8, Failure> {
    let file = parsed.values(Key::File).pop().map(PathBuf::from);
    if file.is_none() && io::stdout().is_terminal() {
        return Err(Failure::new(
            exit::USAGE,
            "_pack_image: an archive is not written to a terminal",
        )
        .with_hint("name a file with --file, or redirect stdout"));
    }
    let compression = compression(parsed);
    let (image, _used) = current(project, globals, container, parsed)?;
    if compression != Compression::None {
        eprintln!("Packing and compressing the image of {container}, this may take a while...");
    }
    let epoch = project.settings.source_date_epoch;
    match file {
        Some(path) => into_file(&path, |out| pack(&image, compression, epoch, out))?,
        None => {
            let out = io::stdout().as_fd().try_clone_to_owned();
            let out = out.map_err(|e| fail(format!("Can't use stdout: {e}")))?;
            pack(&image, compression, epoch, &File::from(out))?;
        }
    }
    Ok(0)
}

/// `_push_image CONTAINER`.
pub fn push_image(
    project: &Project,
    globals: &Globals,
    container: &str,
    parsed: &Parsed,
) -> Result<u8, Failure> {
    let script = push::script(project.settings.push_image_script.as_deref())?;
    let (image, _used) = current(project, globals, container, parsed)?;
    push::push(&image, script, project.settings.source_date_epoch).map(|()| 0)
}

/// `_export_oci [-o PATH] [--tag TAG] [--zstd] CONTAINER`.
pub fn export_oci(
    project: &Project,
    globals: &Globals,
    container: &str,
    parsed: &Parsed,
) -> Result<u8, Failure> {
    names::check_container(&project.config, container)?;
    let storage = Storage::open(project)?;
    let image = build::ensure(project, &storage, container, globals.build_mode, false)?;
    let _used = storage.use_image(&image);
    let mut environ = metadata::read_environ(&image.dir)
        .map_err(|e| fail(format!("can't read the variables of {:?}: {e}", image.dir)))?;
    environ
        .entry("PATH".into())
        .or_insert_with(|| DEFAULT_PATH.into());
    if let Some(config) = project.config.containers.get(container) {
        environ.extend(config.environ.clone());
    }
    let version = image.dir.extension().unwrap_or_default().to_string_lossy();
    let tag = parsed
        .values(Key::Tag)
        .pop()
        .map_or(version.as_ref().to_owned(), |tag| tag);
    let target = parsed.values(Key::Output).pop();
    let target = target.map_or_else(|| PathBuf::from(format!("{container}.oci")), PathBuf::from);
    let export = Export {
        image: &image,
        layers: &storage.layers(),
        tag: &tag,
        environ,
        epoch: project.settings.source_date_epoch,
        packing: match parsed.has(Key::Zstd) {
            true => Packing::Zstd,
            false => Packing::Gzip,
        },
    };
    export.write(&target).map(|()| 0)
}

/// The last one given.
fn compression(parsed: &Parsed) -> Compression {
    let of = |key: Key| match key {
        Key::Gzip => Some(Compression::Gzip),
        Key::Bzip2 => Some(Compression::Bzip2),
        Key::Xz => Some(Compression::Xz),
        Key::Zstd => Some(Compression::Zstd),
        _ => None,
    };
    let mut given = parsed.options.iter().rev();
    given.find_map(|(key, _)| of(*key)).unwrap_or_default()
}

/// The image to be packed: built here if it has to be, unless the options say otherwise. A pulled one that is there
/// already will do. Nobody removes it while the lock is held.
fn current(
    project: &Project,
    globals: &Globals,
    container: &str,
    parsed: &Parsed,
) -> Result<(Image, Option<Lock>), Failure> {
    names::check_container(&project.config, container)?;
    let storage = Storage::open(project)?;
    let mode = match globals::build_mode(parsed).unwrap_or(globals.build_mode) {
        BuildMode::Normal => BuildMode::NoImageDownload,
        mode => mode,
    };
    let image = build::ensure(project, &storage, container, mode, false)?;
    let used = storage.use_image(&image);
    Ok((image, used))
}

/// Lets `write` fill a file that appears under its name only when it is complete. What is there and no regular file
/// (a pipe, a device) is written to directly.
fn into_file(path: &Path, write: impl FnOnce(&File) -> Result<(), Failure>) -> Result<(), Failure> {
    let cant = |path: &Path, e: io::Error| fail(format!("Can't write {path:?}: {e}"));
    if fs::metadata(path).is_ok_and(|meta| !meta.is_file() && !meta.is_dir()) {
        let file = OpenOptions::new().write(true).open(path);
        return write(&file.map_err(|e| cant(path, e))?);
    }
    let Some(name) = path.file_name() else {
        return Err(fail(format!("Can't write {path:?}: it names no file")));
    };
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(temporary);
    let file = OpenOptions::new().write(true).create_new(true).open(&temporary);
    let file = file.map_err(|e| cant(&temporary, e))?;
    let done = write(&file).and_then(|()| {
        let renamed = file.sync_all().and_then(|()| fs::rename(&temporary, path));
        renamed.map_err(|e| cant(path, e))
    });
    if done.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    done
}

fn fail(message: String) -> Failure {
    Failure::new(exit::LAUNCHER, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vagga::storage::tests::Temp;

    #[test]
    fn files_appear_whole_or_not_at_all() {
        let t = Temp::new("into");
        let path = t.0.join("x.tar");
        fs::write(&path, "old").unwrap();
        let failed = into_file(&path, |mut out| {
            io::Write::write_all(&mut out, b"half").unwrap();
            Err(fail("no".into()))
        });
        assert!(failed.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        into_file(&path, |mut out| {
            io::Write::write_all(&mut out, b"new").unwrap();
            Ok(())
        })
        .unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(&t.0).unwrap().count(), 1);
        into_file(Path::new("/dev/null"), |_| Ok(())).unwrap();
        assert!(into_file(&t.0, |_| Ok(())).is_err());
    }
}
