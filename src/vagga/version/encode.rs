//! The encoder: turns titles, values and files into the bytes that are hashed.

use std::ffi::OsStr;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Sink, VersionError};
use crate::sys::path::Root;
use crate::vagga::config::{Container, IdRange};
use crate::vagga::ids::IdMaps;
use crate::vagga::project::Project;
use crate::vagga::storage::Storage;

/// Size of the buffer through which files are hashed, bytes.
const BUFFER: usize = 256 * 1024;

/// Id shown inside for owners that the id map does not contain (the kernel's overflow id).
const OVERFLOW_ID: u32 = 65534;

/// Encodes values and project files into a sink.
pub struct Encoder<'a> {
    pub(super) project: &'a Project,
    pub(super) storage: &'a Storage,
    pub(super) ids: &'a IdMaps,
    /// The project directory; every file of the project is read beneath it.
    pub(super) work: Root,
    /// Containers and sub-configurations being encoded, to refuse endless nesting.
    pub(super) depth: u32,
    sink: &'a mut dyn Sink,
    item: Vec<u8>,
    buffer: Vec<u8>,
}

impl<'a> Encoder<'a> {
    /// An encoder for a project; opens the project directory.
    pub fn new(
        project: &'a Project,
        storage: &'a Storage,
        ids: &'a IdMaps,
        sink: &'a mut dyn Sink,
    ) -> Result<Encoder<'a>, VersionError> {
        let work = Root::open(&project.root)
            .map_err(|e| VersionError::failed(format!("can't open project {:?}: {e}", project.root)))?;
        Ok(Encoder {
            project,
            storage,
            ids,
            work,
            depth: 0,
            sink,
            item: Vec::new(),
            buffer: Vec::new(),
        })
    }

    /// `COMMAND ␀ name ␀`
    pub fn command(&mut self, name: &str) {
        self.bytes("COMMAND", name.as_bytes());
    }

    /// `title ␀ value ␀`; numbers decimal, booleans `true` and `false`.
    pub fn field(&mut self, title: &str, value: impl Display) {
        self.item.clear();
        let _ = write!(self.item, "{title}\0{value}\0");
        self.sink.item(&self.item);
    }

    /// `title ␀ raw path bytes ␀`
    pub fn path(&mut self, title: &str, path: &Path) {
        self.bytes(title, path.as_os_str().as_bytes());
    }

    /// [`Encoder::field`] if there is a value, else nothing.
    pub fn opt(&mut self, title: &str, value: &Option<impl Display>) {
        if let Some(value) = value {
            self.field(title, value);
        }
    }

    /// [`Encoder::path`] if there is a path, else nothing.
    pub fn opt_path(&mut self, title: &str, path: &Option<PathBuf>) {
        if let Some(path) = path {
            self.path(title, path);
        }
    }

    /// `title ␀` and each element followed by `␀`.
    pub fn list(&mut self, title: &str, list: &[impl AsRef<OsStr>]) {
        self.item.clear();
        self.item.extend_from_slice(title.as_bytes());
        self.item.push(0);
        for element in list {
            self.item.extend_from_slice(element.as_ref().as_bytes());
            self.item.push(0);
        }
        self.sink.item(&self.item);
    }

    /// Numbers as [`Encoder::list`].
    pub fn numbers(&mut self, title: &str, list: &[u32]) {
        let text: Vec<String> = list.iter().map(u32::to_string).collect();
        self.list(title, &text);
    }

    /// Id ranges, `start-end` with an exclusive end.
    pub fn ranges(&mut self, title: &str, ranges: &[IdRange]) {
        let text: Vec<String> = ranges.iter().map(|r| format!("{}-{}", r.start, r.end)).collect();
        self.list(title, &text);
    }

    /// The raw contents of a file, streamed.
    pub fn contents(&mut self, file: &mut File) -> io::Result<()> {
        self.buffer.resize(BUFFER, 0);
        loop {
            match file.read(&mut self.buffer) {
                Ok(0) => return Ok(()),
                Ok(n) => self.sink.contents(self.buffer.get(..n).unwrap_or_default()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Raw bytes without any framing.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.sink.contents(bytes);
    }

    /// See [`Sink::boundary`].
    pub fn boundary(&mut self) {
        self.sink.boundary();
    }

    fn bytes(&mut self, title: &str, value: &[u8]) {
        self.item.clear();
        self.item.extend_from_slice(title.as_bytes());
        self.item.push(0);
        self.item.extend_from_slice(value);
        self.item.push(0);
        self.sink.item(&self.item);
    }

    /// User id inside of a file's owner.
    pub(super) fn inside_uid(&self, uid: u32) -> u32 {
        self.ids.uid.to_inside(uid).unwrap_or(OVERFLOW_ID)
    }

    /// Group id inside of a file's group.
    pub(super) fn inside_gid(&self, gid: u32) -> u32 {
        self.ids.gid.to_inside(gid).unwrap_or(OVERFLOW_ID)
    }

    /// A container that a step refers to.
    pub(super) fn container(&self, name: &str) -> Result<&'a Container, VersionError> {
        self.project
            .config
            .containers
            .get(name)
            .ok_or_else(|| VersionError::failed(format!("container {name:?} is not found")))
    }

    /// Reads a small text file of the project (requirements, JSON). Missing is a hard error.
    pub(super) fn read_text(&self, path: &Path) -> Result<String, VersionError> {
        let mut text = String::new();
        self.work
            .open_read(path)
            .and_then(|mut f| f.read_to_string(&mut text))
            .map_err(|e| VersionError::failed(format!("can't read {path:?}: {e}")))?;
        Ok(text)
    }

    /// The same, `None` when it does not exist.
    pub(super) fn read_optional(&self, path: &Path) -> Result<Option<String>, VersionError> {
        match self.work.open_read(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            _ => self.read_text(path).map(Some),
        }
    }
}

/// The part of a path below `/work`, relative to the project; `None` for paths elsewhere in the container.
pub fn below_work(path: &Path) -> Option<&Path> {
    path.strip_prefix("/work").ok()
}
