//! The real hierarchies of this machine, where root runs the tests.

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use super::super::*;
use crate::sys::process::{exit_now, fork, fork_into, kill, wait, Fork, Namespaces, Status, WaitOptions};

/// The real hierarchies, in a group of this test's own. `None`: this user cannot make any; said on standard error.
struct Real {
    groups: Cgroups,
}

impl Real {
    fn new(test: &str) -> Option<Real> {
        let name = format!("orchestration-{test}-{}.slice", std::process::id());
        let options = Options {
            name: &name,
            controllers: &[],
            tree: Some(1),
        };
        let groups = Cgroups::detect(&options).and_then(|groups| groups.prepare().map(|()| groups));
        match groups {
            Ok(groups) => Some(Real { groups }),
            Err(e) => {
                let needed = std::env::var_os("ORCHESTRATION_NEEDS_CGROUPS").is_some();
                assert!(!needed, "{test}: no control groups of our own: {e}");
                eprintln!("{test}: no control groups of our own here: {e}");
                None
            }
        }
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        for branch in &self.groups.branches {
            branch.remove_slice();
        }
    }
}

/// A process that sleeps in the group until it is killed.
fn sleeper(scope: &Scope) -> i32 {
    let forked = match scope.join_fd() {
        Some(fd) => fork_into(Namespaces::empty(), fd),
        None => fork(Namespaces::empty()),
    };
    match forked.unwrap() {
        Fork::Parent(child) => {
            scope.add(child.pid).unwrap();
            child.pid
        }
        Fork::Child => {
            std::thread::sleep(Duration::from_secs(60));
            exit_now(1)
        }
    }
}

fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_secs(20))
}

#[test]
fn a_real_group_is_limited_filled_killed_and_removed() {
    let Some(real) = Real::new("life") else { return };
    let limits = Limits {
        memory: Some(64 << 20),
        cpu_shares: Some(512),
        pids: Some(20),
        ..Limits::default()
    };
    let scope = real.groups.create("app/web.0", &limits).unwrap();
    assert_eq!(scope.unset(), [] as [String; 0]);
    let pids = [sleeper(&scope), sleeper(&scope)];
    let mut members = scope.processes().unwrap();
    members.sort_unstable();
    assert_eq!(members, {
        let mut p = pids;
        p.sort_unstable();
        p
    });
    assert!(scope.remove().is_err(), "a group with processes cannot go");
    assert!(!scope
        .wait_empty(Some(Instant::now() + Duration::from_millis(10)))
        .unwrap());
    assert!(scope.usage().memory.is_some() && scope.usage().cpu.is_some());
    scope.kill().unwrap();
    for pid in pids {
        let (_, status) = wait(Some(pid), WaitOptions::default()).unwrap().unwrap();
        assert_eq!(status, Status::Signaled(libc::SIGKILL));
    }
    assert!(scope.wait_empty(soon()).unwrap());
    assert_eq!(real.groups.scopes().unwrap().0, ["app/web.0"]);
    scope.remove().unwrap();
    scope.remove().unwrap();
    assert!(scope.wait_empty(None).unwrap(), "a group that is gone is empty");
    assert!(real.groups.open("app/web.0").unwrap().is_none());
}

#[test]
fn a_real_kill_for_want_of_memory_is_counted() {
    let Some(real) = Real::new("oom") else { return };
    let limits = Limits {
        memory: Some(8 << 20),
        ..Limits::default()
    };
    let scope = real.groups.create("app/oom.0", &limits).unwrap();
    let before = scope.oom_kills();
    let forked = match scope.join_fd() {
        Some(fd) => fork_into(Namespaces::empty(), fd).unwrap(),
        None => fork(Namespaces::empty()).unwrap(),
    };
    let Fork::Parent(child) = forked else {
        let joined = scope.join();
        let mut memory = vec![0u8; 64 << 20];
        memory.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
        std::hint::black_box(&memory);
        exit_now(if joined.is_ok() { 7 } else { 8 })
    };
    let (_, status) = wait(Some(child.pid), WaitOptions::default()).unwrap().unwrap();
    assert_eq!(status, Status::Signaled(libc::SIGKILL));
    assert_eq!(scope.oom_kills(), before + 1);
    assert_eq!(scope.oom_counter().unwrap().read(), before + 1);
}

/// What a knot does: a process between us and the container has it cloned into the group, as our child.
#[test]
fn a_real_group_gets_a_sibling_at_once() {
    use crate::sys::sibling::fork_sibling_into;
    let Some(real) = Real::new("sibling") else { return };
    let scope = real.groups.create("app/sib.0", &Limits::default()).unwrap();
    let Some(group) = scope.join_fd() else { return };
    let (read, write) = crate::sys::process::pipe().unwrap();
    let Fork::Parent(between) = fork(Namespaces::empty()).unwrap() else {
        if scope.join_v1().is_err() {
            exit_now(1);
        }
        match fork_sibling_into(Namespaces::empty(), &[], group) {
            Ok(Some(pid)) => {
                let told = nix::unistd::write(&write, &pid.to_ne_bytes());
                exit_now(if told.is_ok() { 0 } else { 2 })
            }
            Ok(None) => {
                std::thread::sleep(Duration::from_secs(60));
                exit_now(4)
            }
            Err(_) => exit_now(3),
        }
    };
    let (_, status) = wait(Some(between.pid), WaitOptions::default()).unwrap().unwrap();
    assert_eq!(status, Status::Exited(0));
    let mut bytes = [0; 4];
    nix::unistd::read(&read, &mut bytes).unwrap();
    let sibling = i32::from_ne_bytes(bytes);
    assert_eq!(scope.processes().unwrap(), [sibling]);
    scope.kill().unwrap();
    let (_, status) = wait(Some(sibling), WaitOptions::default()).unwrap().unwrap();
    assert_eq!(status, Status::Signaled(libc::SIGKILL));
    scope.remove().unwrap();
}

/// Forks faster than a loop of signals: new processes are refused first.
#[test]
fn a_real_fork_bomb_is_killed() {
    let Some(real) = Real::new("bomb") else { return };
    let limits = Limits {
        pids: Some(200),
        ..Limits::default()
    };
    let scope = real.groups.create("app/bomb.0", &limits).unwrap();
    let Fork::Parent(child) = fork(Namespaces::empty()).unwrap() else {
        if scope.join().is_err() {
            exit_now(1);
        }
        loop {
            if fork(Namespaces::empty()).is_err() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    };
    let full = Instant::now() + Duration::from_secs(20);
    while scope.processes().unwrap().len() < 100 && Instant::now() < full {
        std::thread::sleep(Duration::from_millis(5));
    }
    scope.kill().unwrap();
    let (_, status) = wait(Some(child.pid), WaitOptions::default()).unwrap().unwrap();
    assert_eq!(status, Status::Signaled(libc::SIGKILL));
    assert!(scope.wait_empty(soon()).unwrap());
    scope.remove().unwrap();
}

/// A process takes some time to move, one that is cloned into the group takes none.
#[test]
fn a_real_group_is_taken_over_with_its_limits_renewed() {
    let Some(real) = Real::new("again") else { return };
    let limits = Limits {
        memory: Some(1 << 20),
        pids: Some(3),
        ..Limits::default()
    };
    real.groups.create("app/x.0", &limits).unwrap();
    let limits = Limits {
        memory: Some(1 << 30),
        ..Limits::default()
    };
    let scope = real.groups.create("app/x.0", &limits).unwrap();
    assert_eq!(scope.unset(), [] as [String; 0]);
    let pid = sleeper(&scope);
    kill(pid, libc::SIGKILL).unwrap();
    wait(Some(pid), WaitOptions::default()).unwrap();
    assert!(scope.wait_empty(soon()).unwrap());
    let value = |file: &str| scope.text(file).trim().to_string();
    assert_eq!(value("pids.max"), "max");
    let bytes = ["memory.limit_in_bytes", "memory.max"].map(value).concat();
    assert_eq!(bytes, (1u64 << 30).to_string());
}

/// What a tree in a unit of systemd with `Delegate=yes` does at its start and at the next one.
fn tree_in_unit(unit: &Path, name: &str) -> io::Result<bool> {
    fs::write(unit.join("cgroup.procs"), "0")?;
    let options = Options {
        name,
        controllers: &[],
        tree: None,
    };
    let groups = Cgroups::detect(&options)?;
    groups.enter()?;
    let limits = Limits {
        memory: Some(64 << 20),
        ..Limits::default()
    };
    let scope = groups.create("app/web.0", &limits)?;
    let again = Cgroups::detect(&options)?;
    again.enter()?;
    let found = again
        .open("app/web.0")?
        .is_some_and(|found| found.path() == scope.path());
    let own = layout::memberships(&fs::read_to_string("/proc/self/cgroup")?);
    let inside = format!("{name}/{SUPERVISOR}");
    let moved = own
        .iter()
        .any(|m| m.controllers.is_empty() && m.path.ends_with(&inside) && m.path != format!("/{inside}"));
    let made = unit.join(name).join("app:web.0.scope").is_dir();
    Ok(scope.unset().is_empty() && found && moved && made)
}

#[test]
fn a_tree_in_a_real_unit_stays_inside() {
    let Some(real) = Real::new("unit") else { return };
    let mounts = layout::mounts(&fs::read("/proc/self/mountinfo").unwrap());
    let Some(mount) = mounts.iter().find(|mount| mount.version == Version::Two) else {
        return;
    };
    let name = format!("orchestration-in-unit-{}.slice", std::process::id());
    let unit = mount
        .point
        .join(format!("orchestration-{}.service", std::process::id()));
    fs::create_dir(&unit).unwrap();
    // What the first process hands down to its units.
    let given = fs::read_to_string(mount.point.join("cgroup.subtree_control")).unwrap();
    let Fork::Parent(child) = fork(Namespaces::empty()).unwrap() else {
        exit_now(match tree_in_unit(&unit, &name) {
            Ok(true) => 0,
            Ok(false) => 1,
            Err(e) => {
                eprintln!("{e}");
                2
            }
        })
    };
    let (_, status) = wait(Some(child.pid), WaitOptions::default()).unwrap().unwrap();
    let parent = fs::File::open(&mount.point).unwrap();
    control::remove(parent.as_fd(), unit.file_name().unwrap()).unwrap();
    let ours = Options {
        name: &name,
        controllers: &[],
        tree: Some(1),
    };
    let rest = Real {
        groups: Cgroups::detect(&ours).unwrap(),
    };
    drop((rest, real));
    assert_eq!(status, Status::Exited(0), "handed down at the top: {given}");
}
