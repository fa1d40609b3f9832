//! An active Debian or Ubuntu system: packages by `apt-get` in the container, with caches shared between builds.
//!
//! apt's archives directory is mounted from the cache, its package lists are copied from and to the cache. While the
//! container is built no service starts, and nothing of this set-up stays in the image.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use serde_derive::{Deserialize, Serialize};

use super::apt_conf;
use super::apt_files::{self, SourceTrust};
use super::bootstrap::{self, Release};
use super::deb822;
use super::features;
use super::lists::{self, LISTS};
use super::local;
use super::mirror::{self, Family};
use crate::sys::fs::{lock_waiting, Lock};
use crate::vagga::build::builder::Builder;
use crate::vagga::build::command::GuestCommand;
use crate::vagga::build::distro::{Distribution, Feature, Saved};
use crate::vagga::build::error::{IoContext, StepError};
use crate::vagga::build::finish;
use crate::vagga::fetch::Fallback;

const POLICY: &str = "/usr/sbin/policy-rc.d";
const APT_GET: &str = "/usr/bin/apt-get";
const ARCHIVES: &str = "/var/cache/apt";
const STATUS: &str = "/var/lib/dpkg/status";

/// Only what is depended on counts as needed.
const STRICT: [&str; 4] = [
    "-o",
    "APT::AutoRemove::RecommendsImportant=false",
    "-o",
    "APT::AutoRemove::SuggestsImportant=false",
];

/// Left by package management, of no use in an image.
const LEFTOVERS: [&str; 12] = [
    "/var/log/alternatives.log",
    "/var/log/bootstrap.log",
    "/var/log/dpkg.log",
    "/var/log/apt/history.log",
    "/var/log/apt/term.log",
    "/var/log/apt/eipp.log.xz",
    "/var/spool/rsyslog",
    "/var/lib/dpkg/status-old",
    "/var/lib/dpkg/diversions-old",
    "/var/lib/dpkg/statoverride-old",
    "/var/cache/debconf/config.dat-old",
    "/var/cache/debconf/templates.dat-old",
];

/// The distribution of a build whose package manager is apt.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AptSystem {
    pub(super) release: Release,
    /// This build has mounted the caches and written the configuration for the time of the build.
    prepared: bool,
    /// Sources changed since the last `apt-get update`.
    stale: bool,
    /// Lists were fetched, so that they are worth keeping.
    updated: bool,
    /// Component universe is on.
    universe: bool,
    /// Names that `!Install` wants to stay.
    kept: BTreeSet<String>,
    /// Names to remove at the end.
    build_deps: BTreeSet<String>,
    /// Everything that came with build dependencies.
    introduced: BTreeSet<String>,
    eatmydata_said: bool,
}

impl AptSystem {
    /// The system of a release, nothing done yet.
    pub fn new(release: Release) -> AptSystem {
        let universe = release.components.iter().any(|c| c == "universe");
        AptSystem {
            release,
            prepared: false,
            stale: true,
            updated: false,
            universe,
            kept: BTreeSet::new(),
            build_deps: BTreeSet::new(),
            introduced: BTreeSet::new(),
            eatmydata_said: false,
        }
    }

    /// Goes on in a later build behind the step that the system was kept after. The lists are as old as the layer.
    pub fn resume(mut self, b: &mut Builder) -> Result<AptSystem, StepError> {
        self.stale = true;
        self.updated = false;
        if self.prepared {
            self.write_build_conf(b)?;
            local::show(b)?;
        }
        Ok(self)
    }

    /// Debian or Ubuntu.
    pub fn family(&self) -> Family {
        self.release.family
    }

    /// Codename, or the suite name that was given for it.
    pub fn codename(&self) -> &str {
        &self.release.codename
    }

    /// Makes the root ready for apt and dpkg, once per build.
    pub(super) fn prepare(&mut self, b: &mut Builder) -> Result<(), StepError> {
        if self.prepared {
            return Ok(());
        }
        let language = match self.family() {
            Family::Debian => "C.UTF-8",
            Family::Ubuntu => "en_US.UTF-8",
        };
        let games = ":/usr/games:/usr/local/games";
        let path = b.environ.entry("PATH".to_string()).or_default();
        if !path.ends_with(games) {
            path.push_str(games);
        }
        for (name, value) in [
            ("DEBIAN_FRONTEND", "noninteractive"),
            ("LANG", language),
            ("APT_CONFIG", apt_files::BUILD_CONF_PATH),
        ] {
            b.environ.insert(name.to_string(), value.to_string());
        }
        self.write_build_conf(b)?;
        if !b.root.exists(POLICY) {
            bootstrap::write(b, POLICY, apt_files::POLICY_RC_D)?;
            b.root.chmod(POLICY, 0o755).at("change mode of", POLICY)?;
        }
        if b.root.exists(APT_GET) {
            self.prepare_apt(b)?;
        }
        self.prepared = true;
        Ok(())
    }

    /// Mounts apt's cache, brings its lists, shows it the archives of the host.
    fn prepare_apt(&self, b: &mut Builder) -> Result<(), StepError> {
        let cache = b.cache_dir(Path::new("apt-cache"))?;
        let partial = cache.join("archives/partial");
        fs::create_dir_all(&partial).at("create directory", &partial)?;
        // Not `mount_cache`: the image keeps its (empty) directories below.
        b.mount_dir(Path::new(ARCHIVES), &cache, false)?;
        lists::load(b, self.codename())?;
        local::show(b)
    }

    fn write_build_conf(&self, b: &mut Builder) -> Result<(), StepError> {
        let certificates = b.root.exists("/run/vagga/ca-certificates.crt");
        let skip_locking = b.project.settings.ubuntu_skip_locking;
        let conf = apt_files::build_conf(certificates, skip_locking, &proxies_of_host(b));
        bootstrap::write(b, apt_files::BUILD_CONF_PATH, &conf)
    }

    fn update(&mut self, b: &mut Builder) -> Result<(), StepError> {
        if !self.stale {
            return Ok(());
        }
        local::show(b)?;
        let mut command = self.apt(&["apt-get", "update", "-q"]);
        command.skip_sync = true;
        b.run(&command).map_err(|e| {
            StepError::new(format!("cannot update the package lists: {e}")).with_hint(format!(
                "is the mirror reachable? It can be chosen by the setting `{}`",
                self.family().setting()
            ))
        })?;
        self.stale = false;
        self.updated = true;
        Ok(())
    }

    fn apt<S: AsRef<str>>(&self, words: &[S]) -> GuestCommand {
        let mut command = GuestCommand::new(words.iter().map(|w| w.as_ref().to_string()));
        command.work_dir = "/".into();
        command.skip_sync = self.release.eatmydata;
        command
    }

    /// `apt-get install`, alone among the builds that share the cache.
    pub(super) fn apt_install(&mut self, b: &mut Builder, packages: &[String]) -> Result<(), StepError> {
        if packages.is_empty() {
            return Ok(());
        }
        self.prepare(b)?;
        if !b.root.exists(APT_GET) {
            return Err(StepError::new("the system has no apt-get")
                .with_hint("variant `essential` comes without apt: choose `apt` or `minbase`"));
        }
        self.update(b)?;
        if self.release.eatmydata && !self.eatmydata_said {
            log::info!("Eatmydata activated: fsync is skipped by a system call filter");
            self.eatmydata_said = true;
        }
        let mut words: Vec<String> = ["apt-get", "install", "-q", "-y", "--"].map(String::from).into();
        words.extend_from_slice(packages);
        let _lock = self.lock_archives(b)?;
        b.run(&self.apt(&words))
    }

    fn lock_archives(&self, b: &mut Builder) -> Result<Option<Lock>, StepError> {
        if b.project.settings.ubuntu_skip_locking {
            return Ok(None);
        }
        let path = b.cache_dir(Path::new("apt-cache"))?.join("apt-get-install.lock");
        let say = || {
            b.progress
                .note("Another build is installing packages with apt-get. Waiting...");
        };
        lock_waiting(&path, say).map(Some).at("lock", &path)
    }

    /// Switches component universe of Ubuntu on.
    pub fn enable_universe(&mut self, b: &mut Builder) -> Result<(), StepError> {
        if self.universe || self.family() != Family::Ubuntu {
            return Ok(());
        }
        let text = self.standard_lines(b, "universe");
        bootstrap::write(b, "/etc/apt/sources.list.d/universe.list", &text)?;
        self.universe = true;
        self.stale = true;
        Ok(())
    }

    /// For a derived container: universe was enabled in the base.
    pub fn replay_universe(&mut self) {
        self.universe = true;
    }

    /// Lines for a component in all suites of the release.
    fn standard_lines(&self, b: &Builder, component: &str) -> String {
        let mirror = self.release.mirror(b);
        let components = [component.to_string()];
        let trust = self.own_trust(b);
        mirror::archives(self.family(), self.codename(), &mirror)
            .iter()
            .map(|a| apt_files::repo_line(&a.url, &a.suite, &components, &trust) + "\n")
            .collect()
    }

    /// How the archive of the distribution itself is checked.
    fn own_trust(&self, b: &Builder) -> SourceTrust {
        let path = bootstrap::sources_path(self.family());
        let text = b
            .root
            .open_read(path)
            .and_then(io::read_to_string)
            .unwrap_or_default();
        apt_files::trust_of(text.as_bytes())
    }

    /// `!UbuntuRepo` and `!Repo`: adds a source.
    pub fn add_source(
        &mut self,
        b: &mut Builder,
        url: Option<&str>,
        suite: Option<&str>,
        components: &[String],
        trusted: bool,
    ) -> Result<(), StepError> {
        let own_suite = suite.unwrap_or(self.codename()).to_string();
        let name = apt_files::repo_file_name(url, &own_suite, components);
        let own = self.release.mirror(b).url;
        let base = url.unwrap_or(&own);
        let trust = match base.trim_end_matches('/') == own {
            true => self.own_trust(b),
            false if trusted => SourceTrust::Unverified,
            false => SourceTrust::Default,
        };
        let line = apt_files::repo_line(base, &own_suite, components, &trust);
        bootstrap::write(b, &format!("/etc/apt/sources.list.d/{name}"), &line)?;
        self.stale = true;
        Ok(())
    }

    /// Names of installed packages, from dpkg's database.
    fn installed(b: &Builder) -> Result<BTreeSet<String>, StepError> {
        let file = b.root.open_read(STATUS).at("read", STATUS)?;
        let mut reader = deb822::Reader::new(io::BufReader::new(file));
        let mut stanza = deb822::Stanza::default();
        let mut names = BTreeSet::new();
        let bad = |e: deb822::Error| StepError::new(format!("can't read {STATUS:?}: {e}"));
        while reader.next(&["Package", "Status"], &mut stanza).map_err(bad)? {
            if stanza.get("Status").is_some_and(|s| s.ends_with(" installed")) {
                names.extend(stanza.get("Package").map(str::to_string));
            }
        }
        Ok(names)
    }

    /// Removes the build dependencies and what came with them.
    ///
    /// apt would keep what is recommended or suggested by anything (dpkg-dev is, by apt itself, and with it the
    /// compiler); so that is switched off, and packages that were there for such a reason before are protected.
    fn remove_build_deps(&mut self, b: &mut Builder) -> Result<(), StepError> {
        let names: Vec<String> = self.build_deps.difference(&self.kept).cloned().collect();
        if names.is_empty() {
            return Ok(());
        }
        self.mark(b, "auto", &names)?;
        let mut words = vec!["apt-get", "autoremove", "--simulate", "-q"];
        words.extend(STRICT);
        let plan = b.output_of(&self.apt(&words))?;
        let others: Vec<String> = removals(&String::from_utf8_lossy(&plan))
            .filter(|name| !self.introduced.contains(*name))
            .map(String::from)
            .collect();
        self.mark(b, "manual", &others)?;
        let mut words = vec!["apt-get", "autoremove", "--purge", "-q", "-y"];
        words.extend(STRICT);
        let lock = self.lock_archives(b)?;
        b.run(&self.apt(&words))?;
        drop(lock);
        self.mark(b, "auto", &others)
    }

    fn mark(&self, b: &mut Builder, how: &str, names: &[String]) -> Result<(), StepError> {
        if names.is_empty() {
            return Ok(());
        }
        let mut words: Vec<String> = ["apt-mark", how].map(String::from).into();
        words.extend_from_slice(names);
        b.output_of(&self.apt(&words)).map(|_| ())
    }

    fn write_package_list(&self, b: &mut Builder) -> Result<(), StepError> {
        let mut command = self.apt(&["dpkg", "-l"]);
        command.environ.insert("COLUMNS".into(), "200".into());
        match b.output_of(&command) {
            Ok(text) => {
                let path = b.image_dir.join("debian-packages.txt");
                fs::write(&path, text).at("write", &path)
            }
            Err(e) => {
                b.progress.warn(&format!("cannot list the packages: {e}"));
                Ok(())
            }
        }
    }

    fn clean_up(&self, b: &mut Builder) -> Result<(), StepError> {
        if b.root.exists(APT_GET) {
            finish::empty_dir(&b.root, Path::new(LISTS))?;
            let partial = format!("{LISTS}/partial");
            b.root
                .mkdir_all(&partial, 0o755)
                .at("create directory", &partial)?;
        }
        for path in LEFTOVERS {
            b.root.remove_all(path).at("remove", path)?;
        }
        let ours = b
            .root
            .open_read(POLICY)
            .and_then(io::read_to_string)
            .is_ok_and(|t| t == apt_files::POLICY_RC_D);
        if ours {
            b.root.unlink(POLICY).at("remove", POLICY)?;
        }
        Ok(())
    }
}

impl Distribution for AptSystem {
    fn name(&self) -> String {
        format!("{} {}", self.family().name(), self.codename())
    }

    fn install(&mut self, b: &mut Builder, packages: &[String]) -> Result<(), StepError> {
        self.apt_install(b, packages)?;
        self.replay_install(packages);
        Ok(())
    }

    fn build_deps(&mut self, b: &mut Builder, packages: &[String]) -> Result<(), StepError> {
        let before = Self::installed(b)?;
        self.apt_install(b, packages)?;
        self.introduced
            .extend(Self::installed(b)?.difference(&before).cloned());
        let new = packages
            .iter()
            .map(|p| apt_files::bare_name(p).to_string())
            .filter(|p| !before.contains(p));
        self.build_deps.extend(new);
        Ok(())
    }

    fn add_repo(&mut self, b: &mut Builder, repo: &str) -> Result<(), StepError> {
        let (suite, component) = match repo.split_once('/') {
            Some((suite, component)) => (Some(suite), component),
            None => (None, repo),
        };
        self.add_source(b, None, suite, &[component.to_string()], self.release.trusted)
    }

    fn ensure_feature(&mut self, b: &mut Builder, feature: Feature) -> Result<(), StepError> {
        self.enable_universe(b)?;
        let packages = features::packages(feature)?;
        let strings = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        if !packages.kept.is_empty() {
            self.install(b, &strings(packages.kept))?;
        }
        if !packages.build.is_empty() {
            self.build_deps(b, &strings(packages.build))?;
        }
        Ok(())
    }

    fn finish(&mut self, b: &mut Builder) -> Result<(), StepError> {
        self.remove_build_deps(b)?;
        self.write_package_list(b)?;
        if self.updated {
            lists::save(b, self.codename())?;
        }
        if self.prepared {
            self.clean_up(b)?;
        }
        Ok(())
    }

    fn replay_install(&mut self, packages: &[String]) {
        self.kept
            .extend(packages.iter().map(|p| apt_files::bare_name(p).to_string()));
    }

    fn save(&self) -> Option<Saved> {
        Some(Saved::Apt(self.clone()))
    }

    fn as_apt(&mut self) -> Option<&mut AptSystem> {
        Some(self)
    }
}

/// The proxies of the host's apt for schemes that no variable of the build has one for; apt would prefer them.
fn proxies_of_host(b: &Builder) -> Fallback {
    if !b.project.settings.proxy_env_vars {
        return Fallback::default();
    }
    let set = |name: &str| b.environ.contains_key(name) || b.environ.contains_key("all_proxy");
    let host = apt_conf::proxies(Path::new(bootstrap::HOST_APT));
    Fallback {
        http: host.http.filter(|_| !set("http_proxy")),
        https: host.https.filter(|_| !set("https_proxy")),
        direct: host.direct,
    }
}

/// Names in the lines `Remv NAME …` and `Purg NAME …` of a simulation, without architecture.
fn removals(plan: &str) -> impl Iterator<Item = &str> {
    plan.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        matches!(words.next(), Some("Remv" | "Purg")).then_some(())?;
        let name = words.next()?;
        Some(name.split_once(':').map_or(name, |(name, _)| name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simulations_are_read() {
        let plan = "Reading...\nRemv gcc [12]\nPurg libx:amd64 [1] []\nInst y\n";
        assert_eq!(removals(plan).collect::<Vec<_>>(), ["gcc", "libx"]);
    }
}
