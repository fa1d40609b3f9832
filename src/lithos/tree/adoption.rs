//! Finding containers that run already: by their records, and by their command lines where a record is missing since the
//! former tree died between the start and the record. What fits neither is a stray, reported and left alone.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use super::inspect::{self, KnotLike, Role};
use super::machine::Found;
use super::records::{Record, Records};
use crate::lithos::origin::Origin;
use crate::sys::{pidfd, poll};

/// How long containers may take that were being set up when the former tree died.
const PATIENCE: Duration = Duration::from_secs(10);

/// Pause between two looks at a standby.
const WORD: Duration = Duration::from_millis(5);

/// One that is taken over.
#[derive(Debug)]
pub struct Adopted {
    /// For the machine.
    pub found: Found,
    /// Readable when it has ended.
    pub pidfd: OwnedFd,
    /// It is our child: its end comes with a status.
    pub ours: bool,
    /// It has a record.
    pub recorded: bool,
    /// What it was started from, by its record.
    pub origin: Option<Origin>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Taken over.
    pub adopted: Vec<Adopted>,
    /// Knots of this master file that cannot be: pid and name.
    pub strays: Vec<(i32, String)>,
    /// Records of what runs no more, by name.
    pub stale: Vec<String>,
    /// Lines for the log.
    pub remarks: Vec<String>,
}

/// Looks for containers of the trees of this master file.
pub fn find(records: &Records, master: &Path, knot: &Path) -> Findings {
    let mut findings = Findings::default();
    let (all, wrong) = records.read_all();
    findings.remarks = wrong;
    let boot = inspect::boot_id();
    for record in all {
        match verify(&record, &boot) {
            Some(pidfd) => findings.adopted.push(Adopted {
                origin: record.origin,
                ..adopted(found(&record), pidfd, true)
            }),
            None => findings.stale.push(record.name),
        }
    }
    add_unrecorded(&mut findings, master, knot);
    findings
}

/// A pidfd of the process that a record is about, if it is still that process.
fn verify(record: &Record, boot: &str) -> Option<OwnedFd> {
    let same = || {
        inspect::start_time(record.pid) == Some(record.start_time)
            && inspect::is_alive(record.pid)
            && (record.cgroup.is_empty() || inspect::is_in_group(record.pid, &record.cgroup))
    };
    (record.boot_id == boot && same()).then_some(())?;
    let fd = pidfd::open(record.pid).ok()?;
    // The number could have changed hands just before the descriptor was open.
    same().then_some(fd)
}

fn found(record: &Record) -> Found {
    Found {
        name: record.name.clone(),
        pid: record.pid,
        json: record.instance.clone(),
        started: Some(record.started_at),
        ends: record.throttle.ends,
    }
}

fn adopted(found: Found, pidfd: OwnedFd, recorded: bool) -> Adopted {
    let ours = inspect::children(std::process::id() as i32).contains(&found.pid);
    Adopted {
        found,
        pidfd,
        ours,
        recorded,
        origin: None,
    }
}

fn add_unrecorded(findings: &mut Findings, master: &Path, knot: &Path) {
    let mut names: BTreeSet<String> = findings
        .adopted
        .iter()
        .map(|one| one.found.name.clone())
        .collect();
    let pids: BTreeSet<i32> = findings.adopted.iter().map(|one| one.found.pid).collect();
    for like in settled(master, knot) {
        if pids.contains(&like.pid) {
            continue;
        }
        let pidfd = pidfd::open(like.pid)
            .ok()
            .filter(|_| like.role == Role::Init && !names.contains(&like.name));
        let Some(pidfd) = pidfd else {
            findings.strays.push((like.pid, like.name));
            continue;
        };
        names.insert(like.name.clone());
        findings
            .remarks
            .push(format!("{} (pid {}) has no record", like.name, like.pid));
        let found = Found {
            name: like.name,
            pid: like.pid,
            json: like.json,
            started: None,
            ends: 0,
        };
        findings.adopted.push(adopted(found, pidfd, false));
    }
}

/// Knots as they are once none is setting up a container any more.
fn settled(master: &Path, knot: &Path) -> Vec<KnotLike> {
    let deadline = Instant::now() + PATIENCE;
    settle(deadline, || knots(master, knot), |busy| wait(busy, deadline))
}

/// Looks until two looks agree and nobody is setting up: between the listing of `/proc` and the reading of its entries a
/// set-up may end whose container is not in the list yet. `wait` returns when looking again makes sense, `false` at the
/// deadline.
fn settle(
    deadline: Instant,
    mut look: impl FnMut() -> Vec<KnotLike>,
    mut wait: impl FnMut(&KnotLike) -> bool,
) -> Vec<KnotLike> {
    let mut seen = look();
    loop {
        let busy = seen
            .iter()
            .find(|knot| matches!(knot.role, Role::Setup | Role::Standby));
        if busy.is_some_and(|knot| !wait(knot)) {
            return seen;
        }
        let now = look();
        if busy.is_none() && now == seen || Instant::now() >= deadline {
            return now;
        }
        seen = now;
    }
}

/// A set-up ends soon; a standby has ended with its tree, unless that has given it the word before, which makes it a
/// container.
fn wait(knot: &KnotLike, deadline: Instant) -> bool {
    if knot.role == Role::Setup {
        return wait_for_end(knot.pid, deadline);
    }
    wait_for_end(knot.pid, deadline.min(Instant::now() + WORD));
    Instant::now() < deadline
}

/// A child that ended is reaped by the loop; as a zombie it has no command line.
fn wait_for_end(pid: i32, deadline: Instant) -> bool {
    match pidfd::open(pid) {
        Ok(fd) => matches!(poll::wait(&[fd.as_fd()], Some(deadline)), Ok(ready) if ready == [true]),
        // Gone already, or a kernel without descriptors of processes, where looking again has to do.
        Err(_) => {
            std::thread::sleep(Duration::from_millis(1));
            Instant::now() < deadline
        }
    }
}

/// Knots of daemons.
fn knots(master: &Path, knot: &Path) -> Vec<KnotLike> {
    let all = inspect::pids()
        .into_iter()
        .filter_map(|pid| inspect::knot_like(pid, master, knot));
    all.filter(|like| !is_command(&like.name)).collect()
}

/// `SB/cmd.COMMAND.PID`, which belongs to a `lithos_cmd`.
pub fn is_command(name: &str) -> bool {
    name.split_once('/')
        .is_some_and(|(_, rest)| rest.starts_with("cmd."))
}

#[cfg(test)]
mod tests {
    use super::super::records::Throttle;
    use super::*;

    fn record(pid: i32, start_time: u64) -> Record {
        Record {
            name: "app/web.0".into(),
            instance: "{}".into(),
            master: "/m".into(),
            pid,
            start_time,
            boot_id: inspect::boot_id(),
            cgroup: String::new(),
            started_at: 3,
            throttle: Throttle { ends: 4 },
            origin: None,
        }
    }

    fn knot(pid: i32, role: Role) -> KnotLike {
        KnotLike {
            pid,
            name: format!("app/web.{pid}"),
            json: "{}".into(),
            role,
        }
    }

    #[test]
    fn a_container_whose_set_up_ended_during_the_look_is_found() {
        let later = Instant::now() + PATIENCE;
        let old = knot(5, Role::Init);
        // Its set-up was listed and gone before it was read, itself came after the list.
        let mut looks = vec![vec![old.clone()], vec![old.clone(), knot(9, Role::Init)]];
        looks.extend(looks.last().cloned());
        let mut looks = looks.into_iter();
        let found = settle(later, || looks.next().unwrap(), |_| panic!("nobody sets up"));
        assert_eq!(found, [old.clone(), knot(9, Role::Init)]);
        // One that sets up is waited for, and then its container is there.
        let after = vec![old.clone(), knot(9, Role::Init)];
        let mut looks = vec![
            vec![old.clone(), knot(8, Role::Setup)],
            after.clone(),
            after.clone(),
        ]
        .into_iter();
        assert_eq!(
            settle(later, || looks.next().unwrap(), |knot| knot.pid == 8),
            after
        );
        // A standby has the word of the former tree already, or ends without it.
        for after in [vec![knot(7, Role::Init)], vec![]] {
            let mut looks = vec![vec![knot(7, Role::Standby)], after.clone(), after.clone()].into_iter();
            assert_eq!(settle(later, || looks.next().unwrap(), |_| true), after);
        }
        // Not for ever.
        let stuck = vec![knot(8, Role::Setup)];
        assert_eq!(settle(later, || stuck.clone(), |_| false), stuck);
        let mut number = 0;
        let restless = || {
            number += 1;
            vec![knot(number, Role::Init)]
        };
        assert_eq!(settle(Instant::now(), restless, |_| true), [knot(2, Role::Init)]);
    }

    #[test]
    fn a_record_counts_only_for_the_process_it_is_about() {
        let t = crate::sys::fs::tests::Temp::new();
        let records = Records::new(&t.0);
        records.prepare("app/web.0").unwrap();
        let me = std::process::id() as i32;
        let start = inspect::start_time(me).unwrap();
        let find = |record: &Record| {
            records.write(record).unwrap();
            super::find(&records, &t.0.join("m"), &t.0.join("lithos_knot"))
        };
        let found = find(&record(me, start));
        assert_eq!(found.adopted.len(), 1);
        assert_eq!(
            (found.adopted[0].found.ends, found.adopted[0].found.started),
            (4, Some(3))
        );
        for bad in [
            record(me, start + 1),
            record(i32::MAX, start),
            Record {
                boot_id: "another".into(),
                ..record(me, start)
            },
            Record {
                cgroup: "app:web.0.scope".into(),
                ..record(me, start)
            },
        ] {
            let found = find(&bad);
            assert!(
                found.adopted.is_empty() && found.stale == ["app/web.0"],
                "{bad:?}"
            );
        }
    }
}
