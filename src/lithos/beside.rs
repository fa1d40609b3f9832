//! Who starts a container without being the tree, `lithos_cmd` or an operator with `lithos_knot`: where its control group is.

use std::fs;
use std::io;
use std::path::Path;

use super::config::Master;
use crate::sys::cgroup::{Cgroups, Options};
use crate::sys::process;

/// The groups of this machine's tree, be it running or not; `None`: they are not used. Changes nothing.
///
/// Errors: as [`Cgroups::detect`].
pub fn groups(master: &Master) -> io::Result<Option<Cgroups>> {
    let Some(name) = &master.cgroup_name else {
        return Ok(None);
    };
    let groups = Cgroups::detect(&Options {
        name,
        controllers: &master.cgroup_controllers,
        tree: running_tree(&master.runtime_dir),
    })?;
    Ok(Some(groups))
}

/// The tree of `master.pid`, if it lives.
fn running_tree(runtime: &Path) -> Option<i32> {
    let text = fs::read_to_string(runtime.join("master.pid")).ok()?;
    let pid: i32 = text.trim().parse().ok()?;
    process::kill(pid, 0).is_ok().then_some(pid)
}
