//! From facts to findings: pure, a function per line of output.

use super::explain::{self, Stage};
use super::facts::{Cgroups, Disk, Facts};
use super::networks;
use super::probe::Trial;
use super::{Finding, Level};
use crate::vagga::ids;

/// First kernel on which users may mount overlays; older ones work, with copies.
const OVERLAY_KERNEL: (u32, u32) = (5, 11);
/// First kernel with all that cannot be replaced (ambient capabilities, several lines of id maps…).
const OLDEST_KERNEL: (u32, u32) = (4, 18);
/// Tools that watch source trees of ordinary size fail below.
const WATCHES: i64 = 65536;
/// What to raise it to.
const ENOUGH_WATCHES: i64 = 524_288;
/// A small image fits.
const ROOM: u64 = 1 << 30;
/// Files of a small image.
const INODES: u64 = 50_000;

/// One finding per check, in the order of how much depends on it.
pub fn judge(facts: &Facts) -> Vec<Finding> {
    let mut out = vec![kernel(facts), namespaces(facts), subordinate_ids(facts)];
    out.extend(helpers(facts));
    if let Some(trial) = &facts.trial {
        out.extend(maps(facts, trial));
        for stage in [Stage::Mount, Stage::Proc, Stage::Overlay] {
            out.extend(mounts(facts, trial, stage));
        }
    }
    out.extend(inotify(facts));
    out.push(cgroups(facts.cgroups));
    out.extend(facts.disk.as_ref().map(disk));
    out.extend(facts.disk.as_ref().and_then(storage_overlay));
    out.push(program(
        "signature checker",
        facts.signature_checker.as_ref(),
        "neither gpgv nor sqv: Debian and Ubuntu containers cannot be verified",
        "sudo apt install gpgv (or the package gnupg2, gnupg, sqv)",
    ));
    out.push(program(
        "git",
        facts.git.as_ref(),
        "not found: !Git, !GitInstall and !GitDescribe will fail",
        "sudo apt install git (or the package git of your distribution)",
    ));
    out.push(program(
        "certificates",
        facts.certificates.as_ref(),
        "no bundle found: downloads by https will fail",
        "sudo apt install ca-certificates (or set SSL_CERT_FILE)",
    ));
    if facts.trial.as_ref().is_some_and(|trial| trial.clone.is_ok()) {
        out.extend(networks::judge(&facts.networks, &facts.surroundings));
    }
    out
}

pub(super) fn finding(
    level: Level,
    check: &'static str,
    what: impl Into<String>,
    remedy: Option<String>,
) -> Finding {
    Finding {
        level,
        check,
        what: what.into(),
        remedy,
    }
}

fn kernel(facts: &Facts) -> Finding {
    let what = format!("Linux {}", facts.kernel);
    match version(&facts.kernel) {
        Some(v) if v < OLDEST_KERNEL => finding(
            Level::Fail,
            "kernel",
            what,
            Some("use Linux 4.18 or later".to_string()),
        ),
        Some(v) if v < OVERLAY_KERNEL => finding(
            Level::Warn,
            "kernel",
            format!("{what}: older than 5.11, transient copies are made file by file"),
            Some("use Linux 5.11 or later".to_string()),
        ),
        _ => finding(Level::Ok, "kernel", what, None),
    }
}

/// `6.12.0-1` → (6, 12).
fn version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Failure of a stage: the errno in words and the remedy.
fn failed(facts: &Facts, level: Level, check: &'static str, stage: Stage, errno: i32) -> Finding {
    let e = std::io::Error::from_raw_os_error(errno);
    let remedy = explain::remedy(stage, errno, &facts.surroundings);
    finding(level, check, format!("{} failed: {e}", stage.what()), remedy)
}

fn namespaces(facts: &Facts) -> Finding {
    const CHECK: &str = "user namespaces";
    match facts.trial.as_ref().map(|trial| trial.clone) {
        Some(Ok(())) => finding(Level::Ok, CHECK, "can be created", None),
        Some(Err(errno)) => failed(facts, Level::Fail, CHECK, Stage::Clone, errno),
        None => finding(
            Level::Warn,
            CHECK,
            "not tried, because there are no id maps",
            None,
        ),
    }
}

fn subordinate_ids(facts: &Facts) -> Finding {
    const CHECK: &str = "subordinate ids";
    match &facts.ids {
        Err(e) => finding(Level::Fail, CHECK, e.message.clone(), e.hint.clone()),
        Ok((maps, warnings)) if maps.is_single() => finding(
            Level::Warn,
            CHECK,
            "only user id 0 in containers: programs that change their user will fail",
            (!facts.surroundings.root && warnings.iter().any(|w| w.starts_with("Could not find")))
                .then(|| ids::remedy(&facts.user)),
        ),
        Ok((maps, warnings)) => {
            let count: u64 = maps.uid.0.iter().map(|m| u64::from(m.count)).sum();
            let level = if warnings.is_empty() {
                Level::Ok
            } else {
                Level::Warn
            };
            let mut what = format!("{count} user ids for {:?}", facts.user);
            for warning in warnings {
                what.push_str("; ");
                what.push_str(warning);
            }
            finding(level, CHECK, what, None)
        }
    }
}

/// Root writes maps itself.
fn helpers(facts: &Facts) -> Option<Finding> {
    const CHECK: &str = "newuidmap, newgidmap";
    if facts.surroundings.root {
        return None;
    }
    Some(match (&facts.helpers.newuidmap, &facts.helpers.newgidmap) {
        (Some(uid), Some(gid)) => {
            let what = format!("{}, {}", uid.display(), gid.display());
            finding(Level::Ok, CHECK, what, None)
        }
        _ => finding(
            Level::Warn,
            CHECK,
            "not found: only user id 0 in containers",
            Some(ids::PACKAGES.to_string()),
        ),
    })
}

fn maps(facts: &Facts, trial: &Trial) -> Option<Finding> {
    const CHECK: &str = "id maps";
    trial.clone.ok()?;
    Some(match &trial.maps {
        Err(message) => finding(
            Level::Fail,
            CHECK,
            message.clone(),
            explain::remedy(Stage::Maps, libc::EPERM, &facts.surroundings),
        ),
        Ok(()) => match trial.inside.first() {
            Some(&(Stage::Ids, 0)) => finding(Level::Ok, CHECK, "can be written", None),
            Some(&(Stage::Ids, errno)) => failed(facts, Level::Fail, CHECK, Stage::Ids, errno),
            _ => finding(Level::Fail, CHECK, "the process in the new namespace died", None),
        },
    })
}

fn mounts(facts: &Facts, trial: &Trial, stage: Stage) -> Option<Finding> {
    let (_, errno) = *trial.inside.iter().find(|(reached, _)| *reached == stage)?;
    let (check, good, level) = match stage {
        Stage::Overlay => ("overlay", "works in user namespaces", Level::Warn),
        Stage::Proc => ("proc", "can be mounted", Level::Fail),
        _ => ("mounts", "can be made in user namespaces", Level::Fail),
    };
    Some(match errno {
        0 => finding(Level::Ok, check, good, None),
        errno => failed(facts, level, check, stage, errno),
    })
}

fn inotify(facts: &Facts) -> Option<Finding> {
    let watches = facts.inotify_watches?;
    let instances = facts.inotify_instances.unwrap_or_default();
    let what = format!("{watches} watches, {instances} instances");
    Some(if watches < WATCHES {
        let remedy = explain::sysctl("fs.inotify.max_user_watches", ENOUGH_WATCHES);
        finding(
            Level::Warn,
            "inotify",
            format!("{what}: few for tools that watch source trees"),
            Some(remedy),
        )
    } else {
        finding(Level::Ok, "inotify", what, None)
    })
}

/// Some file systems (NFS, another overlay, old ZFS) cannot carry the layers of one.
fn storage_overlay(disk: &Disk) -> Option<Finding> {
    const CHECK: &str = "overlay on disk";
    Some(match disk.overlay? {
        0 => finding(Level::Ok, CHECK, format!("works in {:?}", disk.path), None),
        errno => finding(
            Level::Warn,
            CHECK,
            format!(
                "does not work in {:?}: {}; files are copied instead",
                disk.path,
                std::io::Error::from_raw_os_error(errno)
            ),
            Some(
                "keep images on another file system (ext4, xfs, btrfs): setting storage-dir in ~/.vagga.yaml"
                    .into(),
            ),
        ),
    })
}

/// vagga itself needs none; the tools for production do.
fn cgroups(cgroups: Cgroups) -> Finding {
    let what = match cgroups {
        Cgroups::None => "not mounted (vagga does not need them)",
        Cgroups::V1 => "version 1 (vagga does not need them)",
        Cgroups::Hybrid => "version 1 with the unified hierarchy beside (vagga does not need them)",
        Cgroups::V2 => "version 2",
    };
    finding(Level::Ok, "cgroups", what, None)
}

fn disk(disk: &Disk) -> Finding {
    let what = format!("{} MiB free at {:?}", disk.bytes >> 20, disk.path);
    if disk.noexec {
        return finding(
            Level::Fail,
            "disk",
            format!("{what}, but it is mounted noexec: programs of images cannot run"),
            Some("set storage-dir in ~/.vagga.yaml to a directory on another file system".to_string()),
        );
    }
    if disk.inodes.is_some_and(|n| n < INODES) {
        let inodes = disk.inodes.unwrap_or_default();
        return finding(
            Level::Warn,
            "disk",
            format!("{what}, but only {inodes} inodes"),
            Some("vagga _clean --tmp --unused, or set storage-dir in ~/.vagga.yaml".to_string()),
        );
    }
    if disk.bytes < ROOM {
        return finding(
            Level::Warn,
            "disk",
            format!("only {what}"),
            Some("vagga _clean --tmp --unused, or set storage-dir in ~/.vagga.yaml".to_string()),
        );
    }
    finding(Level::Ok, "disk", what, None)
}

fn program(check: &'static str, found: Option<&std::path::PathBuf>, missing: &str, remedy: &str) -> Finding {
    match found {
        Some(path) => finding(Level::Ok, check, path.display().to_string(), None),
        None => finding(Level::Warn, check, missing, Some(remedy.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::Surroundings;
    use super::*;
    use crate::sys::namespace::{IdMap, IdMapping, MapMethod};
    use crate::vagga::failure::Failure;
    use crate::vagga::ids::{Helpers, IdMaps};

    fn healthy() -> Facts {
        let map = IdMap(vec![IdMapping {
            inside: 0,
            outside: 0,
            count: 65536,
        }]);
        Facts {
            surroundings: Surroundings::default(),
            helpers: Helpers {
                newuidmap: Some("/usr/bin/newuidmap".into()),
                newgidmap: Some("/usr/bin/newgidmap".into()),
                fallback: false,
            },
            kernel: "6.12.1-amd64".to_string(),
            user: "alice".to_string(),
            ids: Ok((
                IdMaps {
                    uid: map.clone(),
                    gid: map,
                    method: MapMethod::Direct,
                },
                Vec::new(),
            )),
            trial: Some(Trial {
                clone: Ok(()),
                maps: Ok(()),
                inside: Stage::INSIDE.map(|stage| (stage, 0)).to_vec(),
            }),
            networks: networks::Networks::healthy(),
            inotify_watches: Some(1 << 20),
            inotify_instances: Some(128),
            cgroups: Cgroups::V2,
            disk: Some(Disk {
                path: "/home".into(),
                bytes: 1 << 40,
                inodes: None,
                noexec: false,
                overlay: Some(0),
            }),
            signature_checker: Some("/usr/bin/gpgv".into()),
            git: Some("/usr/bin/git".into()),
            certificates: Some("/etc/ssl/certs/ca-certificates.crt".into()),
        }
    }

    fn line(facts: &Facts, check: &str) -> String {
        let findings = judge(facts);
        let found = findings.iter().find(|f| f.check == check);
        found.map(ToString::to_string).unwrap_or_default()
    }

    #[test]
    fn healthy_host_has_only_good_lines() {
        let findings = judge(&healthy());
        assert!(
            findings
                .iter()
                .all(|f| f.level == Level::Ok && f.remedy.is_none()),
            "{findings:#?}"
        );
        assert_eq!(findings.len(), 20);
        assert_eq!(line(&healthy(), "kernel"), "ok    kernel: Linux 6.12.1-amd64");
    }

    #[test]
    fn forbidden_namespaces_fail_with_the_sysctl() {
        let mut facts = healthy();
        facts.surroundings.unprivileged_userns_clone = Some(0);
        facts.trial = Some(Trial {
            clone: Err(libc::EPERM),
            maps: Ok(()),
            inside: Vec::new(),
        });
        let text = line(&facts, "user namespaces");
        assert!(
            text.starts_with("fail  user namespaces: creating a user namespace failed"),
            "{text}"
        );
        assert!(
            text.contains("remedy: ") && text.contains("kernel.unprivileged_userns_clone=1"),
            "{text}"
        );
        assert_eq!(line(&facts, "id maps"), "");
    }

    #[test]
    fn missing_overlay_is_only_a_warning() {
        let mut facts = healthy();
        if let Some(trial) = &mut facts.trial {
            trial.inside[3] = (Stage::Overlay, libc::ENODEV);
        }
        let text = line(&facts, "overlay");
        assert!(
            text.starts_with("warn") && text.contains("modprobe overlay"),
            "{text}"
        );
    }

    #[test]
    fn ids_that_cannot_be_had_carry_their_own_hint() {
        let mut facts = healthy();
        facts.ids = Err(Failure::new(121, "/etc/subuid:2: Bad syntax").with_hint("fix it"));
        facts.trial = None;
        assert_eq!(
            line(&facts, "subordinate ids"),
            "fail  subordinate ids: /etc/subuid:2: Bad syntax; remedy: fix it"
        );
        let mut facts = healthy();
        if let Ok((maps, warnings)) = &mut facts.ids {
            maps.method = MapMethod::SingleId;
            warnings.push("Could not find the user".to_string());
        }
        assert!(line(&facts, "subordinate ids").contains("usermod --add-subuids 100000-165535"));
        facts.helpers.newgidmap = None;
        assert!(line(&facts, "newuidmap, newgidmap").contains("apt install uidmap"));
    }

    #[test]
    fn small_limits_are_warnings() {
        let mut facts = healthy();
        facts.inotify_watches = Some(8192);
        facts.signature_checker = None;
        facts.disk = facts.disk.map(|d| Disk { bytes: 5 << 20, ..d });
        assert!(line(&facts, "inotify").contains("fs.inotify.max_user_watches=524288"));
        assert!(line(&facts, "disk").starts_with("warn  disk: only 5 MiB"));
        assert!(line(&facts, "signature checker").contains("gpgv"));
        let overlay = Some(libc::EINVAL);
        facts.disk = facts.disk.map(|d| Disk { overlay, ..d });
        assert!(line(&facts, "overlay on disk").contains("does not work in \"/home\": Invalid"));
        facts.disk = facts.disk.map(|d| Disk { noexec: true, ..d });
        assert!(line(&facts, "disk").starts_with("fail"));
    }

    #[test]
    fn versions_of_kernels() {
        assert_eq!(version("6.12.0-1-amd64"), Some((6, 12)));
        assert_eq!(version("5.4"), Some((5, 4)));
        assert_eq!(version("x"), None);
        let mut facts = healthy();
        facts.kernel = "4.4.0".to_string();
        assert!(line(&facts, "kernel").starts_with("fail"));
    }
}
