//! `setup:` — the build steps. One variant per tag, one structure per step with more than one option.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_derive::{Deserialize, Serialize};

/// A build step by its tag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Step {
    // Base systems and their repositories.
    Alpine(String),
    AlpineRepo(AlpineRepo),
    /// A Debian release by codename with the default options (new in this implementation).
    Debian(String),
    /// A Debian release in detail (new in this implementation).
    DebianRelease(DebianRelease),
    Ubuntu(String),
    UbuntuRelease(UbuntuRelease),
    UbuntuRepo(UbuntuRepo),
    UbuntuPPA(String),
    UbuntuUniverse,
    AptTrust(AptTrust),
    Repo(String),
    /// An OCI image (new in this implementation).
    FromImage(FromImage),
    Install(Vec<String>),
    BuildDeps(Vec<String>),
    // Version control.
    Git(Git),
    GitInstall(GitInstall),
    GitDescribe(GitDescribe),
    // Languages.
    PipConfig(PipConfig),
    Py2Install(Vec<String>),
    Py2Requirements(PathBuf),
    Py3Install(Vec<String>),
    Py3Requirements(PathBuf),
    NpmConfig(NpmConfig),
    NpmInstall(Vec<String>),
    NpmDependencies(NpmDependencies),
    YarnDependencies(YarnDependencies),
    GemConfig(GemConfig),
    GemInstall(Vec<String>),
    GemBundle(GemBundle),
    ComposerConfig(ComposerConfig),
    ComposerInstall(Vec<String>),
    ComposerDependencies(ComposerDependencies),
    // Archives and files.
    Tar(Tar),
    TarInstall(TarInstall),
    Unzip(Unzip),
    Download(Download),
    Text(BTreeMap<PathBuf, String>),
    Copy(Copy),
    Depends(Depends),
    EnsureDir(PathBuf),
    EmptyDir(PathBuf),
    Remove(PathBuf),
    CacheDirs(BTreeMap<PathBuf, PathBuf>),
    // Programs.
    Sh(String),
    Cmd(Vec<String>),
    RunAs(RunAs),
    Env(BTreeMap<String, String>),
    // Other containers.
    Container(String),
    Build(Build),
    SubConfig(SubConfig),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlpineRepo {
    /// Base URL; default the mirror.
    pub url: Option<String>,
    /// `v3.22`, `edge`…; default the version of the container.
    pub branch: Option<String>,
    pub repo: String,
    /// Packages are asked for as `name@tag`.
    pub tag: Option<String>,
    /// Files of the project with keys that sign the repository.
    pub keys: Vec<String>,
    /// Go on without a valid signature.
    pub trusted: bool,
}

/// Options of `!DebianRelease`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DebianRelease {
    /// Suite name: `bookworm`, `trixie`, `sid`, `stable`…
    pub codename: String,
    /// Base URL of the archive (`http:`, `https:` or `file:`); default see the manual.
    pub mirror: Option<String>,
    /// Debian architecture; default that of the machine.
    pub arch: Option<String>,
    /// What is installed first: `essential`, `apt`, `minbase` (default), `buildd`, `standard`.
    pub variant: Option<String>,
    /// Archive components; default `[main]`.
    pub components: Vec<String>,
    /// Keyring file, relative to the project.
    pub keyring: Option<PathBuf>,
    /// Go on without a valid signature.
    pub trusted: bool,
}

/// Options of `!FromImage`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FromImage {
    /// `HOST/NAME:TAG[@sha256:…]`, a directory or archive, or the address of an archive.
    pub image: String,
    /// Digest of an archive.
    pub sha256: Option<String>,
    /// Which image of a directory or archive that holds several.
    pub tag: Option<String>,
    /// `linux/ARCHITECTURE`; default that of the machine.
    pub platform: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UbuntuRelease {
    pub codename: Option<String>,
    pub version: Option<String>,
    pub url: Option<String>,
    pub arch: String,
    pub keep_chfn_command: bool,
    pub eatmydata: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UbuntuRepo {
    pub url: Option<String>,
    pub suite: Option<String>,
    pub components: Vec<String>,
    pub trusted: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AptTrust {
    pub server: Option<String>,
    pub keys: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Git {
    pub url: String,
    pub revision: Option<String>,
    pub branch: Option<String>,
    pub path: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GitInstall {
    pub url: String,
    pub revision: Option<String>,
    pub branch: Option<String>,
    pub subdir: PathBuf,
    pub script: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GitDescribe {
    pub repo: PathBuf,
    pub output_file: Option<PathBuf>,
    pub pattern: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PipConfig {
    pub find_links: Vec<String>,
    pub index_urls: Vec<String>,
    pub trusted_hosts: Vec<String>,
    pub dependencies: bool,
    pub cache_wheels: bool,
    pub install_python: bool,
    pub allow_pre_releases: bool,
    pub python_exe: Option<String>,
    pub get_pip_args: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NpmConfig {
    pub npm_exe: String,
    pub install_node: bool,
    pub install_yarn: bool,
    pub yarn_exe: String,
    pub yarn_version: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NpmDependencies {
    pub file: PathBuf,
    pub package: bool,
    pub dev: bool,
    pub peer: bool,
    pub bundled: bool,
    pub optional: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct YarnDependencies {
    pub dir: PathBuf,
    pub production: bool,
    pub optional: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GemConfig {
    pub install_ruby: bool,
    pub gem_exe: Option<String>,
    pub update_gem: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GemBundle {
    pub gemfile: PathBuf,
    pub without: Vec<String>,
    pub trust_policy: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComposerConfig {
    pub runtime_exe: Option<String>,
    pub include_path: Option<String>,
    pub install_runtime: bool,
    pub install_dev: bool,
    pub keep_composer: bool,
    pub vendor_dir: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComposerDependencies {
    pub working_dir: Option<String>,
    pub dev: bool,
    pub prefer: Option<String>,
    pub ignore_platform_reqs: bool,
    pub no_autoloader: bool,
    pub no_scripts: bool,
    pub no_plugins: bool,
    pub optimize_autoloader: bool,
    pub classmap_authoritative: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tar {
    pub url: String,
    pub sha256: Option<String>,
    pub path: PathBuf,
    pub subdir: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TarInstall {
    pub url: String,
    pub sha256: Option<String>,
    pub subdir: Option<PathBuf>,
    pub script: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unzip {
    pub url: String,
    pub sha256: Option<String>,
    pub path: PathBuf,
    pub subdir: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Download {
    pub url: String,
    pub path: PathBuf,
    pub mode: u32,
    pub sha256: Option<String>,
}

/// Which entries of a tree a step takes; shared by `!Copy`, `!Depends`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Filter {
    pub ignore_regex: Option<String>,
    pub include_regex: Option<String>,
    pub rules: Vec<String>,
    pub no_default_rules: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Copy {
    pub source: PathBuf,
    pub path: PathBuf,
    pub owner_uid: Option<u32>,
    pub owner_gid: Option<u32>,
    pub umask: u32,
    pub preserve_permissions: bool,
    pub preserve_times: bool,
    #[serde(flatten)]
    pub filter: Filter,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Depends {
    pub path: PathBuf,
    #[serde(flatten)]
    pub filter: Filter,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunAs {
    pub user_id: u32,
    pub group_id: u32,
    pub external_user_id: Option<u32>,
    pub supplementary_gids: Vec<u32>,
    pub work_dir: PathBuf,
    pub isolate_network: bool,
    pub script: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Build {
    pub container: String,
    pub source: PathBuf,
    pub path: Option<PathBuf>,
    pub temporary_mount: Option<PathBuf>,
    pub rules: Vec<String>,
    pub content_hash: bool,
}

/// Where `!SubConfig` finds its file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum SubConfigSource {
    Directory,
    Container(String),
    Git(Git),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubConfig {
    pub source: SubConfigSource,
    pub path: PathBuf,
    pub container: String,
    pub cache: Option<bool>,
}

impl Step {
    /// The tag as written in YAML; also the name hashed as `COMMAND`.
    pub fn name(&self) -> &'static str {
        match self {
            Step::Alpine(..) => "Alpine",
            Step::AlpineRepo(..) => "AlpineRepo",
            Step::Debian(..) => "Debian",
            Step::DebianRelease(..) => "DebianRelease",
            Step::Ubuntu(..) => "Ubuntu",
            Step::UbuntuRelease(..) => "UbuntuRelease",
            Step::UbuntuRepo(..) => "UbuntuRepo",
            Step::UbuntuPPA(..) => "UbuntuPPA",
            Step::UbuntuUniverse => "UbuntuUniverse",
            Step::AptTrust(..) => "AptTrust",
            Step::Repo(..) => "Repo",
            Step::FromImage(..) => "FromImage",
            Step::Install(..) => "Install",
            Step::BuildDeps(..) => "BuildDeps",
            Step::Git(..) => "Git",
            Step::GitInstall(..) => "GitInstall",
            Step::GitDescribe(..) => "GitDescribe",
            Step::PipConfig(..) => "PipConfig",
            Step::Py2Install(..) => "Py2Install",
            Step::Py2Requirements(..) => "Py2Requirements",
            Step::Py3Install(..) => "Py3Install",
            Step::Py3Requirements(..) => "Py3Requirements",
            Step::NpmConfig(..) => "NpmConfig",
            Step::NpmInstall(..) => "NpmInstall",
            Step::NpmDependencies(..) => "NpmDependencies",
            Step::YarnDependencies(..) => "YarnDependencies",
            Step::GemConfig(..) => "GemConfig",
            Step::GemInstall(..) => "GemInstall",
            Step::GemBundle(..) => "GemBundle",
            Step::ComposerConfig(..) => "ComposerConfig",
            Step::ComposerInstall(..) => "ComposerInstall",
            Step::ComposerDependencies(..) => "ComposerDependencies",
            Step::Tar(..) => "Tar",
            Step::TarInstall(..) => "TarInstall",
            Step::Unzip(..) => "Unzip",
            Step::Download(..) => "Download",
            Step::Text(..) => "Text",
            Step::Copy(..) => "Copy",
            Step::Depends(..) => "Depends",
            Step::EnsureDir(..) => "EnsureDir",
            Step::EmptyDir(..) => "EmptyDir",
            Step::Remove(..) => "Remove",
            Step::CacheDirs(..) => "CacheDirs",
            Step::Sh(..) => "Sh",
            Step::Cmd(..) => "Cmd",
            Step::RunAs(..) => "RunAs",
            Step::Env(..) => "Env",
            Step::Container(..) => "Container",
            Step::Build(..) => "Build",
            Step::SubConfig(..) => "SubConfig",
        }
    }
}
