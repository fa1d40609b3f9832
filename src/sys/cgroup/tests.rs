//! Fabricated trees (directories that look like control groups), and the real hierarchies of this machine where root
//! runs the tests. The second version with all controllers is tested in a virtual machine: `make test-vm`.

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use super::*;
use crate::sys::fs::tests::Temp;
use crate::sys::process::{exit_now, fork, fork_into, kill, wait, Fork, Namespaces, Status, WaitOptions};

const NAME: &str = "lithos.slice";

fn options(controllers: &[String]) -> Options<'_> {
    Options {
        name: NAME,
        controllers,
        tree: None,
    }
}

fn named(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| name.to_string()).collect()
}

/// A directory for each hierarchy, and the texts of `/proc` that lead there.
struct Fake {
    dir: Temp,
    sources: Sources,
}

impl Fake {
    /// `v2`: its controllers.
    fn new(v1: &[&str], v2: Option<&str>, own: &str, first: &str) -> Fake {
        let dir = Temp::new();
        let mut mountinfo = String::new();
        let mut mount = |name: &str, line: &str| {
            fs::create_dir(dir.0.join(name)).unwrap();
            mountinfo.push_str(&format!("1 1 0:1 / {}/{name} rw - {line}\n", dir.0.display()));
        };
        for name in v1 {
            mount(name, &format!("cgroup cgroup rw,{name}"));
        }
        if v2.is_some() {
            mount("unified", "cgroup2 cgroup2 rw");
        }
        let sources = Sources {
            mountinfo: mountinfo.into_bytes(),
            own: layout::memberships(own),
            first: layout::memberships(first),
            pid: 77,
        };
        let fake = Fake { dir, sources };
        if let Some(controllers) = v2 {
            for group in [
                "",
                "lithos.slice",
                "sys/lithos.service",
                "sys/lithos.service/lithos.slice",
            ] {
                fake.group(&format!("unified/{group}"));
                fake.put(&format!("unified/{group}/cgroup.controllers"), controllers);
                fake.put(&format!("unified/{group}/supervisor/cgroup.procs"), "");
            }
        }
        fake
    }

    fn group(&self, path: &str) {
        self.put(&format!("{path}/cgroup.procs"), "1\n2\n");
        self.put(&format!("{path}/cgroup.subtree_control"), "");
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.dir.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn get(&self, path: &str) -> String {
        fs::read_to_string(self.dir.0.join(path)).unwrap()
    }

    fn detect(&self, controllers: &[&str]) -> io::Result<Cgroups> {
        Cgroups::from_sources(&options(&named(controllers)), &self.sources)
    }
}

#[test]
fn the_second_version_alone_does_for_the_default_list() {
    let fake = Fake::new(&[], Some("cpuset cpu io memory pids"), "0::/", "0::/");
    let groups = fake.detect(&[]).unwrap();
    assert!(groups.absent().is_empty());
    groups.enter().unwrap();
    // A real one adds the words up, these files hold the last one and what it did not cover.
    assert_eq!(fake.get("unified/cgroup.subtree_control"), "+pidsry");
    assert_eq!(fake.get("unified/lithos.slice/cgroup.subtree_control"), "+pidsry");
    assert_eq!(fake.get("unified/lithos.slice/supervisor/cgroup.procs"), "0");
}

#[test]
fn limits_are_written_to_the_files_of_the_group() {
    let fake = Fake::new(&[], Some("cpu io memory"), "0::/", "0::/");
    let scope = "unified/lithos.slice/app:web.0.scope";
    for file in ["memory.max", "memory.swap.max", "cpu.weight", "memory.high"] {
        fake.put(&format!("{scope}/{file}"), "");
    }
    let limits = Limits {
        memory: Some(64 << 20),
        cpu_shares: Some(512),
        pids: Some(9),
        ..Limits::default()
    };
    let groups = fake.detect(&[]).unwrap();
    assert_eq!(groups.absent(), ["pids"]);
    let scope_of = groups.create("app/web.0", &limits).unwrap();
    assert_eq!(fake.get(&format!("{scope}/memory.max")), "67108864");
    assert_eq!(fake.get(&format!("{scope}/memory.swap.max")), "0");
    assert_eq!(fake.get(&format!("{scope}/cpu.weight")), "20");
    // The group was there: what a former container had set goes.
    assert_eq!(fake.get(&format!("{scope}/memory.high")), "max");
    let [line] = scope_of.unset() else {
        panic!("{:?}", scope_of.unset())
    };
    assert!(line.contains("pids") && line.contains("does not offer"), "{line}");
    assert!(scope_of.path().ends_with(scope));
}

#[test]
fn a_unit_with_delegation_is_not_left() {
    let own = "0::/sys/lithos.service";
    let fake = Fake::new(&[], Some("memory"), own, "0::/");
    fake.put("unified/sys/lithos.service/cgroup.procs", "77\n");
    fake.detect(&[]).unwrap().enter().unwrap();
    let inside = "unified/sys/lithos.service/lithos.slice";
    assert_eq!(fake.get(&format!("{inside}/supervisor/cgroup.procs")), "0");
    assert_eq!(fake.get("unified/cgroup.subtree_control"), "");
    // The next start begins in that group.
    let fake = Fake {
        sources: Sources {
            own: layout::memberships(&format!("{own}/lithos.slice/supervisor\n")),
            ..fake.sources
        },
        dir: fake.dir,
    };
    let again = fake.detect(&[]).unwrap();
    let scope = again.create("a/b.0", &Limits::default()).unwrap();
    assert!(scope
        .path()
        .ends_with("sys/lithos.service/lithos.slice/a:b.0.scope"));
}

#[test]
fn a_group_with_others_in_it_is_left_for_the_root() {
    let fake = Fake::new(&[], Some("memory"), "0::/sys/lithos.service", "0::/init.scope");
    fake.put("unified/sys/lithos.service/cgroup.procs", "77\n78\n");
    fake.detect(&[]).unwrap().enter().unwrap();
    assert_eq!(
        fake.get("unified/sys/lithos.service/lithos.slice/supervisor/cgroup.procs"),
        ""
    );
    assert_eq!(fake.get("unified/lithos.slice/supervisor/cgroup.procs"), "0");
}

/// A unit without `Delegate=yes` belongs to systemd, also with one process in it.
#[test]
fn a_unit_without_delegation_is_left() {
    let fake = Fake::new(&[], Some("memory"), "0::/sys/lithos.service", "0::/init.scope");
    fake.put("unified/sys/lithos.service/cgroup.procs", "77\n");
    fake.detect(&[]).unwrap().enter().unwrap();
    assert_eq!(fake.get("unified/lithos.slice/supervisor/cgroup.procs"), "0");
    let unit = fs::File::open(fake.dir.0.join("unified/sys/lithos.service")).unwrap();
    // Not every file system of temporary files has such attributes.
    if crate::sys::fs::xattr::set(unit.as_fd(), "user.delegate".as_ref(), b"1").is_ok() {
        fake.detect(&[]).unwrap().enter().unwrap();
        let inside = "unified/sys/lithos.service/lithos.slice/supervisor/cgroup.procs";
        assert_eq!(fake.get(inside), "0");
    }
}

#[test]
fn controllers_of_both_versions_on_a_hybrid_machine() {
    let v1 = ["memory", "cpu,cpuacct", "name=systemd"];
    let fake = Fake::new(
        &v1,
        Some("io pids"),
        "0::/\n3:memory:/x\n",
        "0::/\n3:memory:/lithos.slice\n4:cpu,cpuacct:/c\n",
    );
    for (group, file) in [
        ("memory", "memory.limit_in_bytes"),
        ("cpu,cpuacct/c", "cpu.shares"),
    ] {
        fake.put(&format!("{group}/lithos.slice/app:web.0.scope/{file}"), "");
        fake.put(&format!("{group}/lithos.slice/tasks"), "");
    }
    fake.put("name=systemd/lithos.slice/tasks", "");
    fake.put("unified/lithos.slice/app:web.0.scope/pids.max", "");
    let groups = fake.detect(&[]).unwrap();
    groups.enter().unwrap();
    // [F33]: the first process is in our group already: nothing nests.
    assert_eq!(fake.get("memory/lithos.slice/tasks"), "0");
    assert_eq!(fake.get("cpu,cpuacct/c/lithos.slice/tasks"), "0");
    let limits = Limits {
        memory: Some(4096),
        cpu_shares: Some(5),
        pids: Some(3),
        ..Limits::default()
    };
    let scope = groups.create("app/web.0", &limits).unwrap();
    assert_eq!(scope.unset(), [] as [String; 0]);
    assert_eq!(
        fake.get("memory/lithos.slice/app:web.0.scope/memory.limit_in_bytes"),
        "4096"
    );
    assert_eq!(
        fake.get("cpu,cpuacct/c/lithos.slice/app:web.0.scope/cpu.shares"),
        "5"
    );
    assert_eq!(fake.get("unified/lithos.slice/app:web.0.scope/pids.max"), "3");
    assert_eq!(groups.scopes().unwrap().0, ["app/web.0"]);
}

#[test]
fn what_is_named_must_exist() {
    let fake = Fake::new(&["memory"], None, "3:memory:/", "3:memory:/");
    let error = fake.detect(&["memory", "cpu"]).unwrap_err().to_string();
    assert!(
        error.contains("\"cpu\"") && error.contains("cgroup-controllers"),
        "{error}"
    );
    assert_eq!(
        fake.detect(&[]).unwrap().absent(),
        ["name", "cpu", "cpuacct", "blkio", "pids"]
    );
    let none = Fake::new(&[], None, "", "");
    let error = none.detect(&[]).unwrap_err().to_string();
    assert!(error.contains("cgroup-name"), "{error}");
    let bad = Options {
        name: "a/b",
        controllers: &[],
        tree: None,
    };
    assert!(Cgroups::from_sources(&bad, &fake.sources).is_err());
}

#[test]
fn a_link_in_the_place_of_a_group_is_not_followed_outside() {
    let fake = Fake::new(&["memory"], None, "3:memory:/", "3:memory:/");
    let outside = Temp::new();
    fs::write(outside.0.join("memory.limit_in_bytes"), "untouched").unwrap();
    fake.put("memory/lithos.slice/tasks", "");
    let link = fake.dir.0.join("memory/lithos.slice/a:b.0.scope");
    std::os::unix::fs::symlink(&outside.0, link).unwrap();
    let limits = Limits {
        memory: Some(1),
        ..Limits::default()
    };
    let _ = fake.detect(&[]).unwrap().create("a/b.0", &limits);
    assert_eq!(
        fs::read_to_string(outside.0.join("memory.limit_in_bytes")).unwrap(),
        "untouched"
    );
}

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
