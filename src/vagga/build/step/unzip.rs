//! `!Unzip`: unpack a zip file.

use std::fs::File;
use std::path::{Component, Path};

use crate::vagga::archive::{unpack_zip, ArchiveError, Options, Summary, Writer};
use crate::vagga::build::builder::Builder;
use crate::vagga::build::error::{IoContext, StepError};
use crate::vagga::config::step::Unzip;

/// Fetches the archive and unpacks it; everything belongs to root.
pub fn build(b: &mut Builder, s: &Unzip) -> Result<(), StepError> {
    let source = b.fetch(std::slice::from_ref(&s.url), s.sha256.as_deref())?;
    let fail = |e: ArchiveError| super::tar::of_archive(&s.url, super::tar::failed(&e));
    if is_dotted(&s.subdir) {
        // Names in zip files are compared as they are written, and none of them begins with a dot.
        return Err(fail(ArchiveError::new(format!(
            "{:?} is not found in archive",
            s.subdir
        ))));
    }
    let file = File::open(&source).at("open", &source)?;
    let options = Options {
        subdir: s.subdir.clone(),
        limit: b.project.settings.max_unpacked_size,
        ..Options::default()
    };
    let run =
        || -> Result<Summary, ArchiveError> { unpack_zip(file, Writer::new(&b.root, &s.path, &options)?) };
    let summary = run().map_err(fail)?;
    super::tar::report_devices(b, summary.devices);
    if s.path == Path::new("/") {
        b.refresh_resolver()?;
    }
    Ok(())
}

/// `./dir`, which is not the same as `dir` here; a lone `.` means everything.
fn is_dotted(subdir: &Path) -> bool {
    subdir != Path::new(".") && subdir.components().next() == Some(Component::CurDir)
}
