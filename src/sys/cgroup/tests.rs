//! Fabricated trees (directories that look like control groups), and the real hierarchies of this machine where root
//! runs the tests. The second version with all controllers is tested in a virtual machine: `make test-vm`.

use std::fs;

use super::*;
use crate::sys::fs::tests::Temp;

mod real;

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

/// With `Delegate=yes` alone a next tree could not begin in the unit's group while containers are below it.
#[test]
fn the_own_group_of_a_unit_is_left() {
    let fake = Fake::new(&[], Some("memory"), "0::/sys/lithos.service", "0::/init.scope");
    fake.put("unified/sys/lithos.service/cgroup.procs", "77\n");
    fake.detect(&[]).unwrap().enter().unwrap();
    assert_eq!(fake.get("unified/lithos.slice/supervisor/cgroup.procs"), "0");
}

/// `Delegate=yes`, `DelegateSubgroup=supervisor`.
#[test]
fn a_unit_with_a_subgroup_is_not_left() {
    let own = "0::/sys/lithos.service/supervisor";
    let fake = Fake::new(&[], Some("memory"), own, "0::/init.scope");
    fake.detect(&[]).unwrap().enter().unwrap();
    let inside = "unified/sys/lithos.service/lithos.slice/supervisor/cgroup.procs";
    assert_eq!(fake.get(inside), "0");
    assert_eq!(fake.get("unified/cgroup.subtree_control"), "");
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
