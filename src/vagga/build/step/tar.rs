//! `!Tar`: unpack an archive.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::sys::path::Root;
use crate::vagga::archive::{decompress_ahead, unpack_tar, ArchiveError, Options, Summary, Writer};
use crate::vagga::build::builder::Builder;
use crate::vagga::build::error::{IoContext, StepError};
use crate::vagga::config::step::Tar;

/// Fetches the archive and unpacks it; everything belongs to root.
pub fn build(b: &mut Builder, s: &Tar) -> Result<(), StepError> {
    let options = Options {
        subdir: s.subdir.clone(),
        ..Options::default()
    };
    let source = b.fetch(std::slice::from_ref(&s.url), s.sha256.as_deref())?;
    unpack(b, &source, &s.path, &options).map_err(|e| of_archive(&s.url, e))?;
    if s.path == Path::new("/") {
        b.refresh_resolver()?;
    }
    Ok(())
}

/// Unpacks the file `source` of the host to `path` of the root.
pub fn unpack(b: &mut Builder, source: &Path, path: &Path, options: &Options) -> Result<Summary, StepError> {
    let file = File::open(source).at("open", source)?;
    let run = || -> Result<Summary, ArchiveError> {
        let limit = b.project.settings.max_unpacked_size;
        let options = Options {
            limit,
            ..options.clone()
        };
        let writer = Writer::new(&b.root, path, &options)?;
        unpack_tar(decompress_ahead(file)?, writer)
    };
    let summary = run().map_err(|e| failed(&e))?;
    report_devices(b, summary.devices);
    Ok(summary)
}

/// Unpacks the file `source` of the host into a directory that is not part of the root.
pub fn unpack_beside(dir: &Root, source: &Path, limit: u64) -> Result<(), StepError> {
    let file = File::open(source).at("open", source)?;
    let options = Options {
        limit,
        ..Options::default()
    };
    let run = || {
        let writer = Writer::new(dir, Path::new("/"), &options)?;
        unpack_tar(decompress_ahead(file)?, writer)
    };
    run().map_err(|e| failed(&e)).map(|_| ())
}

/// Why an archive could not be unpacked; a full disk comes with its remedy.
pub fn failed(error: &ArchiveError) -> StepError {
    StepError::from(io::Error::new(error.1, error.to_string()))
}

/// Names the archive in front of an error.
pub fn of_archive(url: &str, error: StepError) -> StepError {
    StepError {
        message: format!("{url}: {}", error.message),
        ..error
    }
}

/// Says how many device nodes were left out.
pub fn report_devices(b: &mut Builder, devices: u64) {
    if devices > 0 {
        b.progress
            .warn(&format!("{devices} device nodes of the archive are left out"));
    }
}
