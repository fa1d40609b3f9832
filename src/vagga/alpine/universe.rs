//! All packages that there are, found by what they provide; which of two is to be preferred. Pure.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::dependency::Dependency;
use super::package::Package;
use super::version;

/// One package that provides a name.
#[derive(Debug, Clone, Copy)]
pub struct Provider<'a> {
    /// Place in the list of packages.
    pub package: usize,
    /// Version of the name provided; empty without.
    pub version: &'a str,
}

/// Packages of repositories and installed ones.
pub struct Universe<'a> {
    packages: Vec<&'a Package>,
    by_name: HashMap<&'a str, Vec<Provider<'a>>>,
    /// Tag of each repository.
    tags: &'a [Option<String>],
    /// Packages that come by themselves when others are there.
    pub automatic: Vec<usize>,
}

impl<'a> Universe<'a> {
    /// `tags`: those of the repositories, by their number.
    pub fn new(packages: Vec<&'a Package>, tags: &'a [Option<String>]) -> Universe<'a> {
        let mut by_name: HashMap<&str, Vec<Provider>> = HashMap::new();
        for (nth, package) in packages.iter().copied().enumerate() {
            for (name, version) in names(package) {
                by_name.entry(name).or_default().push(Provider {
                    package: nth,
                    version,
                });
            }
        }
        let automatic = (0..packages.len())
            .filter(|nth| packages.get(*nth).is_some_and(|p| !p.install_if.is_empty()))
            .collect();
        Universe {
            packages,
            by_name,
            tags,
            automatic,
        }
    }

    /// A package by its place.
    pub fn get(&self, nth: usize) -> Option<&'a Package> {
        self.packages.get(nth).copied()
    }

    /// Everything that provides a name.
    pub fn providers(&self, name: &str) -> &[Provider<'a>] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// True when a package is, or provides, what a dependency asks for (whether that is wanted or not).
    pub fn provides(&self, nth: usize, dependency: &Dependency) -> bool {
        self.get(nth).is_some_and(|package| {
            names(package).any(|(name, version)| {
                name == dependency.name && dependency.accepts(version, package.checksum.as_str())
            })
        })
    }

    /// What may be chosen for a dependency, the best first. `tags`: repositories that are allowed besides those
    /// without tag.
    pub fn candidates(&self, dependency: &Dependency, tags: &[String]) -> Vec<Provider<'a>> {
        let mut found: Vec<Provider> = self
            .providers(&dependency.name)
            .iter()
            .filter(|p| {
                self.get(p.package).is_some_and(|package| {
                    dependency.accepts(p.version, package.checksum.as_str())
                        && self.is_allowed(package, tags)
                        && may_be_chosen(package, p, dependency)
                })
            })
            .copied()
            .collect();
        found.sort_by(|a, b| self.prefer(a, b, dependency));
        found
    }

    fn tag(&self, package: &Package) -> Option<&str> {
        self.tags.get(package.repository?)?.as_deref()
    }

    fn is_allowed(&self, package: &Package, tags: &[String]) -> bool {
        self.tag(package).is_none_or(|tag| tags.iter().any(|t| t == tag))
    }

    /// `Less` when `a` is to be preferred: the wanted tag, what is installed, the package of the name itself, the later
    /// version of the name, the higher priority; of one package the later version, the earlier repository. A total
    /// order, as sorting demands.
    fn prefer(&self, a: &Provider, b: &Provider, dependency: &Dependency) -> Ordering {
        let (Some(x), Some(y)) = (self.get(a.package), self.get(b.package)) else {
            return a.package.cmp(&b.package);
        };
        let wanted = |p: &Package| dependency.tag.is_some() && self.tag(p) == dependency.tag.as_deref();
        let is_own = |p: &Package| p.name == dependency.name;
        wanted(y)
            .cmp(&wanted(x))
            .then_with(|| x.repository.is_some().cmp(&y.repository.is_some()))
            .then_with(|| is_own(y).cmp(&is_own(x)))
            .then_with(|| version::compare(b.version, a.version))
            .then_with(|| y.provider_priority.cmp(&x.provider_priority))
            .then_with(|| x.name.cmp(&y.name))
            .then_with(|| version::compare(&y.version, &x.version))
            .then_with(|| x.repository.cmp(&y.repository))
            .then_with(|| a.package.cmp(&b.package))
    }
}

/// Name and version of a package, and of what it provides.
pub fn names(package: &Package) -> impl Iterator<Item = (&str, &str)> {
    std::iter::once((package.name.as_str(), package.version.as_str())).chain(package.provided())
}

/// A name that is provided without version is chosen by hand, unless a priority says otherwise.
fn may_be_chosen(package: &Package, provider: &Provider, dependency: &Dependency) -> bool {
    !provider.version.is_empty()
        || package.name == dependency.name
        || package.repository.is_none()
        || package.provider_priority > 0
}
