//! `_export_oci`: an image as an OCI layout, a layer of it for each layer that the build kept.
//!
//! The same image gives the same bytes: entries are sorted, times clamped, nothing of this machine is named.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::image::{Execution, Manifest, RootFs, REF_NAME};
use super::{Configuration, Descriptor, Digest, Index, Platform};
use crate::sys::fs::remove_tree;
use crate::sys::path::Root;
use crate::sys::process::Status;
use crate::vagga::build::{metadata, Image};
use crate::vagga::failure::{exit, Failure};
use crate::vagga::image::{pack, View};
use crate::vagga::layers::Store;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIGURATION: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// How layers are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// What every tool reads.
    Gzip,
    /// Smaller and faster; for tools since 2020 or so.
    Zstd,
}

/// What to write.
pub struct Export<'a> {
    /// The image.
    pub image: &'a Image,
    /// Directory of kept layers.
    pub layers: &'a Path,
    /// Tag in the layout.
    pub tag: &'a str,
    /// Variables of its programs.
    pub environ: BTreeMap<String, String>,
    /// Times after it, in seconds, are set back to it.
    pub epoch: i64,
    /// See [`Packing`].
    pub packing: Packing,
}

impl Export<'_> {
    /// Writes the layout into the new directory `target`, or, if its name ends in `.tar`, an archive of it.
    ///
    /// Errors: exit 121; then nothing is left.
    pub fn write(&self, target: &Path) -> Result<(), Failure> {
        if fs::symlink_metadata(target).is_ok() {
            return Err(
                fail(format!("{} exists already", target.display())).with_hint("name another place with -o")
            );
        }
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let dir = target.with_file_name(format!(".tmp.{name}.{}", std::process::id()));
        let result = self
            .in_container(&dir)
            .and_then(|()| finish(&dir, target).map_err(|e| fail(format!("{}: {e}", target.display()))));
        let removed = remove_tree(&dir);
        result?;
        removed.map_err(|e| fail(format!("{}: {e}", dir.display())))
    }

    /// Owners are read as the container sees them.
    fn in_container(&self, dir: &Path) -> Result<(), Failure> {
        let view = View::of_image(&self.image.dir)?;
        if !view.own {
            let why = format!(
                "{:?} was built with ids that this user does not have",
                self.image.dir
            );
            return Err(fail(why).with_hint(format!(
                "build it again: vagga _build --force {}",
                self.image.name
            )));
        }
        let status = view.run(|| match self.layout(dir) {
            Ok(()) => 0,
            Err(e) => {
                eprintln!("Can't export {:?}: {e}", self.image.name);
                1
            }
        })?;
        match status {
            Status::Exited(0) => Ok(()),
            _ => Err(fail(format!(
                "Container {:?} could not be exported",
                self.image.name
            ))),
        }
    }

    fn layout(&self, dir: &Path) -> io::Result<()> {
        let blobs = Blobs::new(dir)?;
        let (mut layers, mut diff_ids) = (Vec::new(), Vec::new());
        for root in self.roots()? {
            let (layer, diff_id) = self.layer(&blobs, &root)?;
            layers.push(layer);
            diff_ids.push(diff_id.to_string());
        }
        let platform = Platform::host();
        let configuration = Configuration {
            architecture: platform.architecture.clone(),
            os: platform.os.clone(),
            config: Execution {
                env: self.environ.iter().map(|(k, v)| format!("{k}={v}")).collect(),
                ..Execution::default()
            },
            rootfs: RootFs {
                kind: "layers".into(),
                diff_ids,
            },
        };
        let manifest = Manifest {
            schema_version: 2,
            media_type: MANIFEST.into(),
            config: blobs.json(CONFIGURATION, &configuration)?,
            layers,
        };
        let mut descriptor = blobs.json(MANIFEST, &manifest)?;
        descriptor.platform = Some(platform);
        descriptor.annotations.insert(REF_NAME.into(), self.tag.into());
        let index = Index {
            schema_version: 2,
            manifests: vec![descriptor],
        };
        fs::write(dir.join("index.json"), serde_json::to_vec(&index)?)?;
        fs::write(
            dir.join("oci-layout"),
            json!({ "imageLayoutVersion": "1.0.0" }).to_string(),
        )
    }

    /// The files of the layers that the image was made of, if they are all as they were; else the whole image.
    fn roots(&self) -> io::Result<Vec<Root>> {
        let kept = metadata::read_layers(&self.image.dir).and_then(|layers| {
            let store = Store::open(self.layers).ok()?;
            layers
                .stack
                .iter()
                .map(|id| store.intact(id))
                .collect::<Option<Vec<Root>>>()
        });
        match kept {
            Some(roots) if !roots.is_empty() => Ok(roots),
            _ => Ok(vec![Root::open(self.image.root())?]),
        }
    }

    fn layer(&self, blobs: &Blobs, root: &Root) -> io::Result<(Descriptor, Digest)> {
        let file = blobs.begin()?;
        let (file, diff_id, suffix) = match self.packing {
            Packing::Gzip => {
                let encoder = flate2::GzBuilder::new().write(file, flate2::Compression::default());
                let plain = pack::layer(root, self.epoch, Digesting::new(encoder))?;
                let (encoder, diff_id, _) = plain.end();
                (encoder.finish()?, diff_id, "+gzip")
            }
            Packing::Zstd => {
                let encoder = zstd::stream::write::Encoder::new(file, 0)?;
                let plain = pack::layer(root, self.epoch, Digesting::new(encoder))?;
                let (encoder, diff_id, _) = plain.end();
                (encoder.finish()?, diff_id, "+zstd")
            }
        };
        Ok((blobs.end(file, &format!("{LAYER}{suffix}"))?, diff_id))
    }
}

/// Puts the finished layout where it was asked for.
fn finish(dir: &Path, target: &Path) -> io::Result<()> {
    if target.extension().is_none_or(|e| e != "tar") {
        return fs::rename(dir, target);
    }
    // Beside the layout, so that the archive appears as a whole.
    let file = dir.with_extension("archive");
    let write = || {
        let mut out = io::BufWriter::new(File::create(&file)?);
        pack::plain(&Root::open(dir)?, 0, &mut out)?;
        out.flush()?;
        fs::rename(&file, target)
    };
    write().inspect_err(|_| drop(fs::remove_file(&file)))
}

/// The directory of blobs.
struct Blobs {
    dir: PathBuf,
}

impl Blobs {
    fn new(layout: &Path) -> io::Result<Blobs> {
        let dir = layout.join("blobs/sha256");
        fs::create_dir_all(&dir)?;
        Ok(Blobs { dir })
    }

    /// A blob whose digest is not known yet.
    fn begin(&self) -> io::Result<Digesting<io::BufWriter<File>>> {
        let file = File::create(self.dir.join(".new"))?;
        Ok(Digesting::new(io::BufWriter::with_capacity(1 << 17, file)))
    }

    /// It is complete: it gets its name.
    fn end(&self, blob: Digesting<io::BufWriter<File>>, media_type: &str) -> io::Result<Descriptor> {
        let (mut file, digest, size) = blob.end();
        file.flush()?;
        fs::rename(self.dir.join(".new"), self.dir.join(digest.hex()))?;
        Ok(Descriptor {
            media_type: media_type.into(),
            digest: digest.to_string(),
            size,
            annotations: BTreeMap::new(),
            platform: None,
        })
    }

    fn json(&self, media_type: &str, value: &impl serde::Serialize) -> io::Result<Descriptor> {
        let mut blob = self.begin()?;
        blob.write_all(&serde_json::to_vec(value)?)?;
        self.end(blob, media_type)
    }
}

/// Counts and hashes what is written through it.
struct Digesting<W> {
    inner: W,
    hash: Sha256,
    size: u64,
}

impl<W: Write> Digesting<W> {
    fn new(inner: W) -> Digesting<W> {
        Digesting {
            inner,
            hash: Sha256::new(),
            size: 0,
        }
    }

    fn end(self) -> (W, Digest, u64) {
        (self.inner, Digest::from_hash(self.hash), self.size)
    }
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(data)?;
        self.hash.update(data.get(..n).unwrap_or_default());
        self.size += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn fail(message: String) -> Failure {
    Failure::new(exit::LAUNCHER, message)
}
