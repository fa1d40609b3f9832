//! Making a root what the resolver decided: scripts, files, triggers, database, in the order apk keeps.
//!
//! Everything is written through the confined root; programs of packages run in the container only.

use std::collections::BTreeSet;

use super::apk::Apk;
use super::database::Database;
use super::installed::{Installed, Owners};
use super::package::Package;
use super::unpack::{self, Surroundings};
use super::Error;
use crate::vagga::build::builder::Builder;
use crate::vagga::build::command::GuestCommand;
use crate::vagga::build::error::{IoContext, StepError};
use crate::vagga::selection::whole_path;

/// Where scripts are put to be run.
const EXEC: &str = "lib/apk/exec";

/// What is to be done.
pub struct Plan<'a> {
    /// Packages to install, dependencies first, with their opened files.
    pub install: Vec<(&'a Package, Apk)>,
    /// Names of packages that go.
    pub remove: Vec<String>,
}

/// A transaction in progress.
pub struct Transaction<'d> {
    db: &'d mut Database,
    owners: Owners,
    /// Directories whose content changed, without leading slash.
    modified: BTreeSet<String>,
    /// Packages that came now: their triggers hear of everything.
    fresh: BTreeSet<String>,
}

/// Carries out a plan and writes the database. The caller holds the root alone.
pub fn commit(b: &mut Builder, db: &mut Database, plan: &Plan) -> Result<(), StepError> {
    let owners = Owners::new(&db.packages);
    let mut transaction = Transaction {
        db,
        owners,
        modified: BTreeSet::new(),
        fresh: BTreeSet::new(),
    };
    b.root
        .mkdir_all(EXEC, 0o755)
        .at("create directory", format!("/{EXEC}"))?;
    for name in plan.remove.iter().rev() {
        transaction.remove(b, name)?;
    }
    for (package, apk) in &plan.install {
        transaction.install(b, package, apk)?;
    }
    transaction.triggers(b)?;
    Ok(transaction.db.save(&b.root)?)
}

impl Transaction<'_> {
    fn install(&mut self, b: &mut Builder, package: &Package, apk: &Apk) -> Result<(), StepError> {
        let old = self.db.position(&package.name);
        let old_version = old
            .and_then(|nth| self.db.packages.get(nth))
            .map(|p| p.package.version.clone());
        let (pre, post) = match old {
            Some(_) => ("pre-upgrade", "post-upgrade"),
            None => ("pre-install", "post-install"),
        };
        let versions: Vec<&str> = std::iter::once(package.version.as_str())
            .chain(old_version.as_deref())
            .collect();
        self.register(package, apk);
        self.script(b, package, pre, &versions)?;
        let lines = apk.info.database_lines(&package.checksum, package.size);
        let fresh = Installed::new(lines).map_err(Error::new)?;
        let around = Surroundings {
            root: &b.root,
            packages: &self.db.packages,
            owners: &self.owners,
            single_id: b.ids.is_single(),
        };
        let unpacked = unpack::unpack(&around, apk, fresh)?;
        for (name, path) in &unpacked.taken {
            let owner = self.db.packages.iter_mut().find(|p| p.package.name == *name);
            owner.into_iter().for_each(|p| p.forget(path));
        }
        self.modified
            .extend(unpacked.installed.directories.iter().map(|d| d.path.clone()));
        self.fresh.insert(package.name.clone());
        match old.and_then(|nth| self.db.packages.get_mut(nth)) {
            Some(place) => {
                self.owners.remove(place);
                self.owners.add(&unpacked.installed);
                let before = std::mem::replace(place, unpacked.installed);
                self.remove_files(b, &before)?;
            }
            None => {
                self.owners.add(&unpacked.installed);
                self.db.packages.push(unpacked.installed);
            }
        }
        self.script(b, package, post, &versions)
    }

    fn register(&mut self, package: &Package, apk: &Apk) {
        for (kind, member) in apk.scripts() {
            self.db
                .add_script(&package.full_name(), &package.checksum, kind, member);
        }
        self.db
            .add_triggers(&package.checksum, &apk.info.joined("triggers"));
    }

    fn remove(&mut self, b: &mut Builder, name: &str) -> Result<(), StepError> {
        let Some(nth) = self.db.position(name) else {
            return Ok(());
        };
        let package = self.db.packages.get(nth).map(|p| p.package.clone());
        let Some(package) = package else {
            return Ok(());
        };
        self.script(b, &package, "pre-deinstall", &[&package.version])?;
        let old = self.db.packages.remove(nth);
        self.owners.remove(&old);
        self.remove_files(b, &old)?;
        self.script(b, &package, "post-deinstall", &[&package.version])
    }

    /// Removes files of a package that is not in the list any more, or not with these files.
    fn remove_files(&mut self, b: &mut Builder, old: &Installed) -> Result<(), StepError> {
        let name = old.package.full_name();
        let directories = self.db.packages.iter().flat_map(|p| &p.directories);
        let kept: BTreeSet<&str> = directories.map(|d| d.path.as_str()).collect();
        let touched =
            unpack::remove_files(&b.root, old, &self.owners, &kept).at("remove files of package", name)?;
        self.modified.extend(touched);
        Ok(())
    }

    fn script(&self, b: &mut Builder, package: &Package, kind: &str, args: &[&str]) -> Result<(), StepError> {
        let Some(text) = self.db.script(&package.checksum, kind) else {
            return Ok(());
        };
        let path = format!("{EXEC}/{}.{kind}", package.full_name());
        b.root
            .create(&path, 0o755)
            .and_then(|mut file| std::io::Write::write_all(&mut file, text))
            .at("write", &path)?;
        let program = format!("/{path}");
        let mut command = GuestCommand::new(std::iter::once(program.as_str()).chain(args.iter().copied()));
        command.work_dir = "/".into();
        command.skip_sync = true;
        let result = b.run(&command);
        b.root.remove_all(&path).at("remove", &path)?;
        result.map_err(|e| StepError {
            message: format!("the {kind} script of package {} failed: {e}", package.full_name()),
            hint: e.hint,
        })
    }

    /// Runs the triggers whose directories changed; those of new packages hear of all directories that there are.
    fn triggers(&self, b: &mut Builder) -> Result<(), StepError> {
        for installed in &self.db.packages {
            let package = &installed.package;
            let patterns = self.db.triggers_of(&package.checksum);
            if patterns.is_empty() {
                continue;
            }
            let all = self
                .db
                .packages
                .iter()
                .flat_map(|p| p.directories.iter().map(|d| d.path.as_str()));
            let dirs: BTreeSet<&str> = match self.fresh.contains(&package.name) {
                true => all.collect(),
                false => self.modified.iter().map(String::as_str).collect(),
            };
            let concerned = matching(patterns, &dirs);
            if !concerned.is_empty() {
                let args: Vec<&str> = concerned.iter().map(String::as_str).collect();
                self.script(b, package, "trigger", &args)?;
            }
        }
        Ok(())
    }
}

/// The directories (with leading slash) that one of the patterns means.
fn matching(patterns: &[String], dirs: &BTreeSet<&str>) -> Vec<String> {
    // `+/dir` of apk v3: only when it changed, which is what happens here anyway.
    let globs = patterns
        .iter()
        .filter_map(|p| whole_path(p.trim_start_matches('+')).ok());
    let globs: Vec<_> = globs.collect();
    dirs.iter()
        .map(|dir| format!("/{dir}"))
        .filter(|dir| globs.iter().any(|glob| glob.is_match(dir)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stop_at_slashes() {
        let patterns = [
            "/bin".to_string(),
            "/lib/modules/*".to_string(),
            "+/etc/x".to_string(),
        ];
        let dirs = BTreeSet::from([
            "bin",
            "usr/bin",
            "lib/modules/6.1",
            "lib/modules/6.1/kernel",
            "",
            "etc/x",
        ]);
        assert_eq!(matching(&patterns, &dirs), ["/bin", "/etc/x", "/lib/modules/6.1"]);
    }
}
