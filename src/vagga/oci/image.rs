//! Manifests, indexes and configurations as data (OCI image specification, and the older forms of Docker's).

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_derive::{Deserialize, Serialize};

use super::{Digest, OciError, MAX_LAYERS};

/// Media types of a manifest of one image and of an index of several, to ask a registry for.
pub const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// Annotation that holds the tag of an image in a layout.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// A reference to a blob.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is.
    #[serde(default)]
    pub media_type: String,
    /// `sha256:HEX`.
    pub digest: String,
    /// Length in bytes.
    pub size: u64,
    /// Names and the like.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// In an index: what the image runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

impl Descriptor {
    /// The digest, checked for its form: it becomes part of a path.
    pub fn digest(&self) -> Result<Digest, OciError> {
        Digest::parse(&self.digest)
    }
}

/// System and processor.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Platform {
    /// `linux`
    pub os: String,
    /// As Go names it: `amd64`, `arm64`…
    pub architecture: String,
    /// `v7`, `v8`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// The machine we are compiled for.
    pub fn host() -> Platform {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "x86" => "386",
            "aarch64" => "arm64",
            "powerpc64" => "ppc64le",
            other => other,
        };
        Platform {
            os: "linux".into(),
            architecture: architecture.into(),
            variant: None,
        }
    }

    /// Reads `linux/arm64[/v8]`.
    pub fn parse(text: &str) -> Result<Platform, OciError> {
        let mut parts = text.split('/').map(str::to_owned);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(os), Some(architecture), variant, None) if os == "linux" && !architecture.is_empty() => {
                Ok(Platform {
                    os,
                    architecture,
                    variant,
                })
            }
            _ => Err(OciError::new(format!(
                "platform {text:?} is not of the form linux/ARCHITECTURE, such as linux/arm64"
            ))),
        }
    }

    /// Whether an image for `other` is wanted.
    fn accepts(&self, other: &Platform) -> bool {
        self.os == other.os
            && self.architecture == other.architecture
            && (self.variant.is_none() || self.variant == other.variant)
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |v| write!(f, "/{v}"))
    }
}

/// Several images, by platform or by tag.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    #[serde(default)]
    pub schema_version: u32,
    /// The images.
    pub manifests: Vec<Descriptor>,
}

impl Index {
    /// The image for `platform`. One that names no platform will do when there is no other.
    pub fn choose(&self, platform: &Platform) -> Result<&Descriptor, OciError> {
        let exact = self
            .manifests
            .iter()
            .find(|m| m.platform.as_ref().is_some_and(|p| platform.accepts(p)));
        let silent = || self.manifests.iter().find(|m| m.platform.is_none());
        exact.or_else(silent).ok_or_else(|| {
            let offered: Vec<String> = self
                .manifests
                .iter()
                .filter_map(|m| Some(m.platform.as_ref()?.to_string()))
                .filter(|p| !p.starts_with("unknown"))
                .collect();
            OciError::new(format!(
                "there is no image for {platform}, only for: {}",
                offered.join(", ")
            ))
        })
    }
}

/// One image.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    #[serde(default)]
    pub schema_version: u32,
    /// `application/vnd.oci.image.manifest.v1+json`
    #[serde(default)]
    pub media_type: String,
    /// Its configuration.
    pub config: Descriptor,
    /// Its layers, the lowest first.
    pub layers: Vec<Descriptor>,
}

/// What a document is: a manifest, or an index that leads to one.
pub enum Document {
    /// Several images.
    Index(Index),
    /// One.
    Manifest(Manifest),
}

impl Document {
    /// Reads a document of a registry or layout. Errors: JSON that is neither, and the forms before 2016.
    pub fn parse(bytes: &[u8]) -> Result<Document, OciError> {
        #[derive(Deserialize)]
        struct Either {
            manifests: Option<serde_json::Value>,
            config: Option<serde_json::Value>,
        }
        let broken = |e: serde_json::Error| OciError::new(format!("the manifest is not right: {e}"));
        let either: Either = serde_json::from_slice(bytes).map_err(broken)?;
        match (either.manifests, either.config) {
            (Some(_), _) => serde_json::from_slice(bytes).map(Document::Index).map_err(broken),
            (None, Some(_)) => {
                let manifest: Manifest = serde_json::from_slice(bytes).map_err(broken)?;
                if manifest.layers.len() > MAX_LAYERS {
                    return Err(OciError::new(format!("the image has more than {MAX_LAYERS} layers")));
                }
                Ok(Document::Manifest(manifest))
            }
            (None, None) => Err(OciError::new(
                "the manifest is neither one of an image nor an index (the form before 2016 is not supported)",
            )),
        }
    }
}

/// What the image says about the programs in it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
pub struct Configuration {
    /// Processor.
    #[serde(default)]
    pub architecture: String,
    /// System.
    #[serde(default)]
    pub os: String,
    /// How to run it.
    #[serde(default)]
    pub config: Execution,
    /// Digests of the layers when they are not compressed.
    #[serde(default)]
    pub rootfs: RootFs,
}

/// How to run an image.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Execution {
    /// Variables, `NAME=VALUE`.
    #[serde(deserialize_with = "or_empty")]
    pub env: Vec<String>,
    /// Program and first arguments.
    #[serde(deserialize_with = "or_empty", skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// Further arguments.
    #[serde(deserialize_with = "or_empty", skip_serializing_if = "Vec::is_empty")]
    pub cmd: Vec<String>,
    /// Directory to start in.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// User to run as.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
}

/// A list that Docker writes as `null` when it is empty.
fn or_empty<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    use serde::Deserialize as _;
    Ok(Option::<Vec<String>>::deserialize(d)?.unwrap_or_default())
}

/// The layers by the digests of their tar streams.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// The lowest first.
    #[serde(default)]
    pub diff_ids: Vec<String>,
}

impl Configuration {
    /// Reads a configuration.
    pub fn parse(bytes: &[u8]) -> Result<Configuration, OciError> {
        serde_json::from_slice(bytes)
            .map_err(|e| OciError::new(format!("the configuration of the image is not right: {e}")))
    }

    /// The variables, as pairs; entries without `=` are left out.
    pub fn environ(&self) -> BTreeMap<String, String> {
        let pairs = self.config.env.iter().filter_map(|e| e.split_once('='));
        pairs.map(|(k, v)| (k.to_string(), v.to_string())).collect()
    }
}

/// One layer as a file of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The tar stream, compressed or not.
    pub path: PathBuf,
    /// Digest of the file as it is; `None` in archives of `docker save`, which name files instead.
    pub digest: Option<Digest>,
    /// Digest of the tar stream.
    pub diff_id: Digest,
}

/// An image whose layers are all here.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// What it says about itself.
    pub configuration: Configuration,
    /// The lowest first.
    pub layers: Vec<Layer>,
}

impl Image {
    /// Puts an image together. `layers`: files and their digests. Errors: another number of layers than the
    /// configuration has.
    pub fn new(
        configuration: Configuration,
        layers: Vec<(PathBuf, Option<Digest>)>,
    ) -> Result<Image, OciError> {
        let ids = &configuration.rootfs.diff_ids;
        if ids.len() != layers.len() {
            return Err(OciError::new(format!(
                "the image has {} layers, but its configuration speaks of {}",
                layers.len(),
                ids.len()
            )));
        }
        let layers = layers.into_iter().zip(ids).map(|((path, digest), id)| {
            Ok(Layer {
                path,
                digest,
                diff_id: Digest::parse(id)?,
            })
        });
        let layers = layers.collect::<Result<_, OciError>>()?;
        Ok(Image {
            configuration,
            layers,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(text: &str) -> Index {
        match Document::parse(text.as_bytes()).unwrap() {
            Document::Index(index) => index,
            Document::Manifest(_) => panic!("not an index"),
        }
    }

    #[test]
    fn an_index_is_asked_for_the_platform() {
        let entry = |os, arch| {
            format!(r#"{{"digest":"{arch}","size":1,"platform":{{"os":"{os}","architecture":"{arch}"}}}}"#)
        };
        let text = format!(
            r#"{{"manifests":[{},{},{}]}}"#,
            entry("windows", "amd64"),
            entry("linux", "arm64"),
            entry("unknown", "unknown")
        );
        let index = index(&text);
        let arm = Platform::parse("linux/arm64").unwrap();
        assert_eq!(index.choose(&arm).unwrap().digest, "arm64");
        let error = index
            .choose(&Platform::parse("linux/amd64").unwrap())
            .unwrap_err()
            .message;
        assert!(error.ends_with("only for: windows/amd64, linux/arm64"), "{error}");
        for bad in ["", "linux", "windows/amd64", "linux/", "linux/a/b/c"] {
            assert!(Platform::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn documents_that_are_neither_are_errors() {
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"schemaVersion":1,"fsLayers":[]}"#,
            r#"{"config":{},"layers":[]}"#,
        ] {
            assert!(Document::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn docker_writes_null_for_empty_lists() {
        let text = r#"{"config":{"Env":["A=1=2","B"],"Cmd":null},"rootfs":{"type":"layers","diff_ids":[]}}"#;
        let c = Configuration::parse(text.as_bytes()).unwrap();
        assert_eq!(c.environ(), BTreeMap::from([("A".into(), "1=2".into())]));
        let error = Image::new(c, vec![("x".into(), None)]).unwrap_err();
        assert!(error.message.contains("1 layers"));
    }
}
