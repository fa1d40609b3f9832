//! Removing what containers leave: state directories and control groups, one by one after an end, and all that belong to
//! nobody when a tree starts. Nothing here follows a link, nothing removes what is alive.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use super::inspect;
use crate::sys::at;
use crate::sys::cgroup::Cgroups;
use crate::sys::fs::remove_at;
use crate::sys::path::Root;

/// Where leftovers are.
#[derive(Debug)]
pub struct Leftovers {
    /// Base of the state directories.
    pub state: PathBuf,
    /// Control groups, if they are used.
    pub cgroups: Option<Cgroups>,
}

impl Leftovers {
    /// Removes those of one container. Errors: a line for the log.
    pub fn clean(&self, name: &str, for_good: bool) -> Result<(), String> {
        let state = self
            .remove_state(name)
            .map_err(|e| format!("state directory of {name}: {e}"));
        let group = match for_good {
            true => self
                .remove_group(name)
                .map_err(|e| format!("control group of {name}: {e}")),
            false => Ok(()),
        };
        state.and(group)
    }

    fn remove_state(&self, name: &str) -> io::Result<()> {
        let Some((sandbox, instance)) = name.split_once('/') else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let top = match open_directory(&self.state, sandbox) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened?,
        };
        remove_at(top.as_fd(), OsStr::new(instance))?;
        // Not empty while other instances live.
        let _ = std::fs::remove_dir(self.state.join(sandbox));
        Ok(())
    }

    /// Gives the state directory of one container the name of another in the same sandbox, which has none.
    pub fn rename_state(&self, from: &str, to: &str) -> io::Result<()> {
        match (from.split_once('/'), to.split_once('/')) {
            (Some((sandbox, from)), Some((other, to))) if sandbox == other => {
                let top = open_directory(&self.state, sandbox)?;
                at::rename(top.as_fd(), OsStr::new(from), top.as_fd(), OsStr::new(to))
            }
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn remove_group(&self, name: &str) -> io::Result<()> {
        let Some(groups) = &self.cgroups else {
            return Ok(());
        };
        match groups.open(name)? {
            Some(scope) => scope.remove(),
            None => Ok(()),
        }
    }

    /// A tree with another runtime directory, whose empty groups may be those of containers that just begin.
    fn other_tree(&self) -> Option<i32> {
        let own = std::process::id() as i32;
        let members = self.cgroups.as_ref()?.members().into_iter();
        let mut others = members.filter(|pid| *pid > 0 && *pid != own && inspect::is_alive(*pid));
        others.find(|pid| inspect::comm(*pid).as_deref() == Some("lithos_tree"))
    }

    /// Removes what belongs neither to these names nor to a running command. Lines for the log.
    pub fn sweep(&self, alive: &BTreeSet<String>) -> Vec<String> {
        let mut remarks = Vec::new();
        let is_kept = |name: &str| alive.contains(name) || is_running_command(name);
        for name in self.state_names().into_iter().filter(|name| !is_kept(name)) {
            match self.remove_state(&name) {
                Ok(()) => remarks.push(format!(
                    "removed the state directory of {name}, which does not run"
                )),
                Err(e) => remarks.push(format!("state directory of {name}: {e}")),
            }
        }
        if let Some(pid) = self.other_tree() {
            remarks.push(format!(
                "another lithos_tree (pid {pid}) uses the same control group: no group is removed here; give each its own \
                 cgroup-name, as limits and ends of containers of one name would be those of the other's"
            ));
            return remarks;
        }
        let scopes = self.cgroups.as_ref().and_then(|groups| groups.scopes().ok());
        let (scopes, others) = scopes.unwrap_or_default();
        for name in scopes.iter().filter(|name| !is_kept(name)) {
            if let Err(e) = self.remove_group(name) {
                remarks.push(format!("control group of {name}: {e}"));
            }
        }
        remarks.extend(
            others
                .iter()
                .map(|name| format!("control group {name} is not ours, left alone")),
        );
        remarks
    }

    /// Removes what is left of commands whose `lithos_cmd` has died, as far as nothing runs in it; their names.
    pub fn sweep_commands(&self) -> BTreeSet<String> {
        let scopes = self.cgroups.as_ref().and_then(|groups| groups.scopes().ok());
        let scopes = scopes.unwrap_or_default().0.into_iter();
        let all = self.state_names().into_iter().chain(scopes);
        let is_over = |name: &String| super::adoption::is_command(name) && !is_running_command(name);
        let over: BTreeSet<String> = all.filter(is_over).collect();
        let is_gone = |name: &String| {
            self.remove_group(name)
                .and_then(|()| self.remove_state(name))
                .is_ok()
        };
        over.into_iter().filter(is_gone).collect()
    }

    fn state_names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for sandbox in listed(&self.state, OsStr::new(".")) {
            let instances = listed(&self.state, OsStr::new(&sandbox)).into_iter();
            names.extend(instances.map(|instance| format!("{sandbox}/{instance}")));
        }
        names
    }
}

fn open_directory(base: &Path, name: &str) -> io::Result<std::os::fd::OwnedFd> {
    at::open_dir(Root::open(base)?.as_fd(), OsStr::new(name))
}

fn listed(base: &Path, name: &OsStr) -> Vec<String> {
    let entries = Root::open(base)
        .and_then(|root| at::open_dir(root.as_fd(), name))
        .and_then(|dir| at::list(dir.as_fd()));
    let entries = entries.unwrap_or_default().into_iter();
    entries
        .filter_map(|entry| entry.name.into_string().ok())
        .collect()
}

/// `SB/cmd.COMMAND.PID` with a living process.
fn is_running_command(name: &str) -> bool {
    super::adoption::is_command(name)
        && name
            .rsplit_once('.')
            .and_then(|(_, pid)| pid.parse().ok())
            .is_some_and(inspect::is_alive)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_what_belongs_to_nobody_is_removed() {
        let t = crate::sys::fs::tests::Temp::new();
        let state = t.0.join("state");
        let mine = format!("cmd.sh.{}", std::process::id());
        for dir in [
            "app/web.0",
            "app/web.1/deep",
            "app/cmd.sh.999999999",
            "old/x.0",
            &format!("app/{mine}"),
        ] {
            std::fs::create_dir_all(state.join(dir)).unwrap();
        }
        std::fs::write(t.0.join("victim"), "kept").unwrap();
        symlink("/nowhere", state.join("app/web.1/hosts")).unwrap();
        symlink(t.0.join("victim"), state.join("app/web.1/deep/x")).unwrap();
        let leftovers = Leftovers {
            state: state.clone(),
            cgroups: None,
        };
        let remarks = leftovers.sweep(&["app/web.0".to_string()].into());
        assert_eq!(remarks.len(), 3, "{remarks:?}");
        let mut left = listed(&state, OsStr::new("app"));
        left.sort();
        assert_eq!(left, [mine, "web.0".to_string()]);
        assert!(!state.join("old").exists() && t.0.join("victim").exists());
        leftovers.clean("app/web.0", true).unwrap();
        leftovers.clean("nix/web.0", true).unwrap();
        std::fs::create_dir_all(state.join("app/cmd.sh.999999999/deep")).unwrap();
        assert_eq!(
            leftovers.sweep_commands(),
            ["app/cmd.sh.999999999".to_string()].into()
        );
        assert!(!state.join("app/web.0").exists());
    }
}
