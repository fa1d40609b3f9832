//! Plans of plain containers, of every kind of volume, and of bad ones.

use super::*;
use crate::vagga::config::range::default_ranges;
use crate::vagga::config::volume::{Snapshot, Subdir};

fn container() -> Container {
    Container {
        uids: default_ranges(),
        gids: default_ranges(),
        resolv_conf_path: Some("/etc/resolv.conf".into()),
        hosts_file_path: Some("/etc/hosts".into()),
        ..crate::vagga::cli::samples::container()
    }
}

/// Lines of the plan for these volumes of the command, without `/dev`.
fn plan(container: &Container, own: &[(&str, Volume)]) -> Result<Vec<String>, Failure> {
    let external = BTreeMap::from([
        ("data".into(), "/srv/data".into()),
        ("a/b".into(), "/srv/ab".into()),
    ]);
    let own = own.iter().map(|(p, v)| (PathBuf::from(p), v.clone())).collect();
    let ops = operations(
        container,
        &own,
        &Sources {
            project: "/p".as_ref(),
            cache: "/c".as_ref(),
            external: &external,
            binary_dir: "/b".as_ref(),
            resolv_conf: Some(HostFile::Host("/etc/resolv.conf".as_ref())),
            hosts: Some(HostFile::Host("/etc/hosts".as_ref())),
            image: &|name| Ok(Source::Host(PathBuf::from("/i").join(name))),
            persistent: &|p| Ok(Source::Host(PathBuf::from("/v").join(&p.name))),
            guard: false,
        },
    )?;
    Ok(ops
        .iter()
        .filter(|op| !op.target().starts_with("/dev"))
        .map(Op::to_string)
        .collect())
}

#[test]
fn plain_container_gets_the_standard_mounts() {
    let lines = plan(&container(), &[]).unwrap();
    assert_eq!(
        lines,
        [
            "proc /proc",
            "bind /sys /sys ro",
            "bind /p /work rw",
            "tmpfs /run size=104857600 mode=755",
            "dir /run/shm mode=1777",
            "tmpfs /tmp size=104857600 mode=1777",
            "bind /etc/resolv.conf /etc/resolv.conf ro",
            "bind /etc/hosts /etc/hosts ro",
        ]
    );
}

#[test]
fn own_volumes_win_and_parents_come_first() {
    let mut c = container();
    c.resolv_conf_path = None;
    c.volumes.insert("/etc".into(), Volume::Empty);
    let lines = plan(
        &c,
        &[
            ("/etc", Volume::BindRW("/work/etc".into())),
            ("/etc/hosts", Volume::BindRO("/volumes/data/hosts".into())),
            ("/etc-other", Volume::Container("x".into())),
            ("/run", Volume::BindRW("/volumes/a/b".into())),
        ],
    )
    .unwrap();
    assert_eq!(
        lines[3..],
        [
            "bind /p//etc /etc rw",
            "bind /srv/data//hosts /etc/hosts ro",
            "bind /i/x /etc-other ro",
            "bind /srv/ab /run rw",
            "tmpfs /tmp size=104857600 mode=1777",
        ]
    );
}

#[test]
fn every_kind_has_its_operation() {
    let tmpfs = Volume::Tmpfs(Tmpfs {
        size: 5,
        mode: 0o700,
        subdirs: BTreeMap::from([("x".into(), Subdir { mode: 0o755 })]),
        files: BTreeMap::from([("x/f".into(), Some("text".into())), ("g".into(), None)]),
    });
    let snapshot = Volume::Snapshot(Snapshot {
        size: 7,
        owner_uid: Some(1),
        owner_gid: None,
        container: Some("o".into()),
    });
    let persistent = Volume::Persistent(Persistent {
        name: "db".into(),
        owner_uid: 0,
        owner_gid: 0,
        init_command: None,
    });
    let lines = plan(
        &container(),
        &[
            ("/a", tmpfs),
            ("/b", snapshot),
            ("/c", persistent),
            ("/d", Volume::CacheDir("n".into())),
            ("/e", Volume::VaggaBin),
            ("/f", Volume::BindRO("/vagga/root/etc".into())),
        ],
    )
    .unwrap();
    assert_eq!(
        lines[3..12],
        [
            "tmpfs /a size=5 mode=700",
            "dir /a/x mode=755",
            "file /a/g mode=644 bytes=0",
            "file /a/x/f mode=644 bytes=4",
            "snapshot /b size=7 uid=1 from=/i/o",
            "bind /v/db /c rw",
            "bind /c//n /d rw",
            "bind /b /e ro",
            "bind (root)/etc /f ro",
        ]
    );
}

#[test]
fn bad_sources_and_targets_are_refused() {
    let message = |path: &str, v| plan(&container(), &[(path, v)]).unwrap_err();
    let e = message("/x", Volume::CacheDir("".into()));
    assert_eq!(e.message, "mount !CacheDir: path must not be empty");
    assert_eq!(e.exit, exit::SETUP);
    let e = message("/x", Volume::CacheDir("/cache".into()));
    assert_eq!(e.message, "mount !CacheDir \"/cache\": path must not be absolute");
    message("/x", Volume::CacheDir("../x".into()));
    message("/x", Volume::BindRW("/etc".into()));
    message("/x", Volume::BindRW("/volumes/nosuch".into()));
    message("/work", Volume::Empty);
    message("/", Volume::Empty);
}
