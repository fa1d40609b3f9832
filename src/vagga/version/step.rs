//! The hashed fields of every step, in their documented order.

use super::{composer, content, describe, node, python, ruby, tree, Encoder, VersionError};
use crate::vagga::config::step::{
    AlpineRepo, DebianRelease, Download, FromImage, PipConfig, RunAs, Step, SubConfig,
};
use crate::vagga::failure::Failure;

/// Containers within containers deeper than this are taken for a cycle.
const MAX_DEPTH: u32 = 100;

/// Encodes steps one after another; an error names the step.
pub fn encode_all(e: &mut Encoder, steps: &[Step]) -> Result<(), VersionError> {
    if e.depth > MAX_DEPTH {
        return Err(VersionError::failed("containers are nested too deeply"));
    }
    e.depth += 1;
    for step in steps {
        e.command(step.name());
        encode(e, step).map_err(|error| name_step(step.name(), error))?;
    }
    e.depth -= 1;
    Ok(())
}

/// Puts the step's name before a hard error (once: the innermost step is the one to name).
fn name_step(name: &str, error: VersionError) -> VersionError {
    const PREFIX: &str = "Error versioning command ";
    match error {
        VersionError::Failed(f) if !f.message.starts_with(PREFIX) => VersionError::Failed(Failure {
            message: format!("{PREFIX}{name}: {}", f.message),
            ..f
        }),
        other => other,
    }
}

fn encode(e: &mut Encoder, step: &Step) -> Result<(), VersionError> {
    match step {
        Step::Alpine(..)
        | Step::AlpineRepo(..)
        | Step::Debian(..)
        | Step::DebianRelease(..)
        | Step::Ubuntu(..)
        | Step::UbuntuRelease(..)
        | Step::UbuntuRepo(..)
        | Step::UbuntuPPA(..)
        | Step::UbuntuUniverse
        | Step::AptTrust(..)
        | Step::Repo(..)
        | Step::FromImage(..)
        | Step::Install(..)
        | Step::BuildDeps(..) => system(e, step),
        Step::Git(..) | Step::GitInstall(..) | Step::GitDescribe(..) => version_control(e, step),
        Step::PipConfig(..)
        | Step::Py2Install(..)
        | Step::Py2Requirements(..)
        | Step::Py3Install(..)
        | Step::Py3Requirements(..)
        | Step::NpmConfig(..)
        | Step::NpmInstall(..)
        | Step::NpmDependencies(..)
        | Step::YarnDependencies(..)
        | Step::GemConfig(..)
        | Step::GemInstall(..)
        | Step::GemBundle(..)
        | Step::ComposerConfig(..)
        | Step::ComposerInstall(..)
        | Step::ComposerDependencies(..) => language(e, step),
        Step::Container(name) => {
            let steps = &e.container(name)?.setup;
            encode_all(e, steps)
        }
        Step::Build(b) => content::build(e, b),
        Step::SubConfig(s) => sub_config(e, s),
        _ => file_or_program(e, step),
    }
}

/// Base systems, their repositories and packages.
fn system(e: &mut Encoder, step: &Step) -> Result<(), VersionError> {
    match step {
        Step::Alpine(version) => e.field("version", version),
        Step::AlpineRepo(r) => {
            e.opt("url", &r.url);
            e.opt("branch", &r.branch);
            e.field("repo", &r.repo);
            e.opt("tag", &r.tag);
            return alpine_trust(e, r);
        }
        Step::Debian(codename) | Step::Ubuntu(codename) => e.field("codename", codename),
        Step::DebianRelease(r) => return debian_release(e, r),
        Step::UbuntuRelease(r) => {
            e.opt("codename", &r.codename);
            e.opt("version", &r.version);
            e.opt("url", &r.url);
            e.field("arch", &r.arch);
            e.field("keep_chfn_command", r.keep_chfn_command);
        }
        Step::UbuntuRepo(r) => {
            e.opt("url", &r.url);
            e.opt("suite", &r.suite);
            e.list("components", &r.components);
            e.field("trusted", r.trusted);
        }
        Step::UbuntuPPA(name) => e.field("ppa_name", name),
        Step::AptTrust(t) => {
            e.opt("server", &t.server);
            e.list("keys", &t.keys);
        }
        Step::Repo(name) => e.field("name", name),
        Step::FromImage(s) => return from_image(e, s),
        Step::Install(packages) | Step::BuildDeps(packages) => e.list("packages", packages),
        _ => {}
    }
    Ok(())
}

/// `!DebianRelease` (new here, so the encoding is ours): `F(codename)`, `O(arch)`, `O(variant)`, `L(components)` unless
/// it is `[main]`, the path and contents of the keyring, `F(trusted)` only when true. The mirror is a matter of the
/// place where one builds, like every mirror, and is not hashed.
/// What decides whose packages are accepted, as far as it is said.
fn alpine_trust(e: &mut Encoder, r: &AlpineRepo) -> Result<(), VersionError> {
    for key in &r.keys {
        e.field("keys", key);
        e.work
            .open_read(key)
            .and_then(|mut f| e.contents(&mut f))
            .map_err(|error| VersionError::failed(format!("can't read key {key:?}: {error}")))?;
    }
    if r.trusted {
        e.field("trusted", true);
    }
    Ok(())
}

fn debian_release(e: &mut Encoder, r: &DebianRelease) -> Result<(), VersionError> {
    e.field("codename", &r.codename);
    e.opt("arch", &r.arch);
    e.opt("variant", &r.variant);
    if r.components != ["main"] {
        e.list("components", &r.components);
    }
    if let Some(keyring) = &r.keyring {
        e.path("keyring", keyring);
        e.work
            .open_read(keyring)
            .and_then(|mut f| e.contents(&mut f))
            .map_err(|error| VersionError::failed(format!("can't read keyring {keyring:?}: {error}")))?;
    }
    if r.trusted {
        e.field("trusted", true);
    }
    Ok(())
}

fn version_control(e: &mut Encoder, step: &Step) -> Result<(), VersionError> {
    match step {
        Step::Git(g) => {
            e.field("url", &g.url);
            e.opt("revision", &g.revision);
            e.opt("branch", &g.branch);
            e.path("path", &g.path);
        }
        Step::GitInstall(g) => {
            e.field("url", &g.url);
            e.opt("revision", &g.revision);
            e.opt("branch", &g.branch);
            e.path("subdir", &g.subdir);
            e.field("script", &g.script);
        }
        Step::GitDescribe(g) => {
            let text = describe::describe(e.project, g).map_err(VersionError::failed)?;
            e.path("repo", &g.repo);
            e.opt_path("output_file", &g.output_file);
            e.field("describe", text);
        }
        _ => {}
    }
    Ok(())
}

fn language(e: &mut Encoder, step: &Step) -> Result<(), VersionError> {
    match step {
        Step::PipConfig(c) => pip_config(e, c),
        Step::Py2Install(list)
        | Step::Py3Install(list)
        | Step::NpmInstall(list)
        | Step::GemInstall(list)
        | Step::ComposerInstall(list) => e.list("packages", list),
        Step::Py2Requirements(file) | Step::Py3Requirements(file) => return python::requirements(e, file),
        Step::NpmConfig(c) => {
            e.field("npm_exe", &c.npm_exe);
            e.field("install_node", c.install_node);
            if !c.install_yarn {
                e.field("install_yarn", false);
            }
            if c.yarn_exe != "yarn" {
                e.field("yarn_exe", &c.yarn_exe);
            }
            e.opt("yarn_version", &c.yarn_version);
        }
        Step::NpmDependencies(d) => return node::npm(e, d),
        Step::YarnDependencies(d) => return node::yarn(e, d),
        Step::GemConfig(c) => {
            e.field("install_ruby", c.install_ruby);
            e.opt("gem_exe", &c.gem_exe);
            e.field("update_gem", c.update_gem);
        }
        Step::GemBundle(b) => return ruby::bundle(e, b),
        Step::ComposerConfig(c) => {
            e.opt("runtime_exe", &c.runtime_exe);
            e.opt("include_path", &c.include_path);
            e.field("install_runtime", c.install_runtime);
            e.field("install_dev", c.install_dev);
            e.field("keep_composer", c.keep_composer);
            e.opt_path("vendor_dir", &c.vendor_dir);
        }
        Step::ComposerDependencies(d) => return composer::dependencies(e, d),
        _ => {}
    }
    Ok(())
}

fn pip_config(e: &mut Encoder, c: &PipConfig) {
    e.list("find_links", &c.find_links);
    e.list("index_urls", &c.index_urls);
    e.list("trusted_hosts", &c.trusted_hosts);
    e.field("dependencies", c.dependencies);
    e.field("cache_wheels", c.cache_wheels);
    e.field("install_python", c.install_python);
    if c.allow_pre_releases {
        e.field("allow_pre_releases", true);
    }
    e.opt("python_exe", &c.python_exe);
    if !c.get_pip_args.is_empty() {
        e.list("get_pip_args", &c.get_pip_args);
    }
}

/// Archives, files and programs.
fn file_or_program(e: &mut Encoder, step: &Step) -> Result<(), VersionError> {
    match step {
        Step::Tar(t) => {
            source(e, &t.url, &t.sha256);
            e.path("path", &t.path);
            e.path("subdir", &t.subdir);
        }
        Step::TarInstall(t) => {
            source(e, &t.url, &t.sha256);
            e.opt_path("subdir", &t.subdir);
            e.field("script", &t.script);
        }
        Step::Unzip(u) => {
            source(e, &u.url, &u.sha256);
            e.path("path", &u.path);
            e.path("subdir", &u.subdir);
        }
        Step::Download(d) => download(e, d),
        Step::Text(files) => {
            for (path, data) in files {
                e.path("path", path);
                e.field("data", data);
            }
        }
        Step::Copy(c) => return tree::copy(e, c),
        Step::Depends(d) => return tree::depends(e, d),
        Step::EnsureDir(path) | Step::EmptyDir(path) | Step::Remove(path) => e.path("path", path),
        Step::CacheDirs(caches) => {
            for (path, name) in caches {
                e.path("source", path);
                e.path("name", name);
            }
        }
        Step::Sh(script) => e.field("script", script),
        Step::Cmd(argv) => e.list("command-line", argv),
        Step::RunAs(r) => run_as(e, r),
        Step::Env(vars) => {
            for (key, value) in vars {
                e.field("key", key);
                e.field("value", value);
            }
        }
        _ => {}
    }
    Ok(())
}

fn download(e: &mut Encoder, d: &Download) {
    source(e, &d.url, &d.sha256);
    e.path("path", &d.path);
    e.field("mode", d.mode);
}

/// With a digest the place of a download does not matter.
fn source(e: &mut Encoder, url: &str, sha256: &Option<String>) {
    match sha256 {
        Some(digest) => e.field("hash", digest),
        None => e.field("url", url),
    }
}

fn run_as(e: &mut Encoder, r: &RunAs) {
    e.field("user_id", r.user_id);
    e.field("group_id", r.group_id);
    e.opt("external_user_id", &r.external_user_id);
    e.numbers("supplementary_gids", &r.supplementary_gids);
    e.path("work_dir", &r.work_dir);
    e.field("isolate_network", r.isolate_network);
    e.field("script", &r.script);
}

/// An image: by the digest of its archive if there is one, else by name. A directory is read: its index names all of it.
fn from_image(e: &mut Encoder, s: &FromImage) -> Result<(), VersionError> {
    match &s.sha256 {
        Some(digest) => e.field("hash", digest),
        None => e.field("image", &s.image),
    }
    e.opt("tag", &s.tag);
    e.opt("platform", &s.platform);
    content::image_index(e, s)
}

/// The steps of a container of another file.
fn sub_config(e: &mut Encoder, s: &SubConfig) -> Result<(), VersionError> {
    let steps = content::sub_config_steps(e, s)?;
    encode_all(e, &steps)
}
