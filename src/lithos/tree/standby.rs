//! Containers that wait for their turn beside the one that runs: complete but for the program. When the running one ends,
//! its successor only has to execute, instead of being made.
//!
//! A standby is no container: it has no record, runs nothing, and ends with the channel to this process. Whatever is
//! not as it should be with one costs time at the next start, never the start.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use serde_derive::{Deserialize, Serialize};

use super::handover::{claim, pass};
use super::machine::{Action, Event, Instance};
use super::supervisor::{Live, Supervisor};
use crate::lithos::knot::load::standby_state;
use crate::lithos::knot::message::{self, Message, GO};
use crate::lithos::knot::stamps::Stamp;
use crate::lithos::origin::Origin;
use crate::sys::passing::Passage;
use crate::sys::poll;
use crate::sys::process::{self, Child, WaitOptions};
use crate::sys::{handover, monotonic, pidfd};

/// Time between the start of a container and the making of its successor, milliseconds: what ends sooner needs none yet, and
/// starts of others go first.
const PAUSE: u64 = 500;
/// Longest time for the end of those that were killed, all together.
const END: Duration = Duration::from_secs(1);
/// Largest list of stamps that is read, bytes.
const LARGEST: u64 = 4 << 20;

/// One that waits, or is being made.
#[derive(Debug)]
pub struct Standby {
    json: String,
    outer: Option<Child>,
    inner: Option<i32>,
    pidfd: Option<OwnedFd>,
    channel: Passage,
    stamps: Vec<Stamp>,
    origin: Option<Origin>,
    parked: bool,
    /// It has been told that its turn has come.
    released: bool,
}

/// All, by the name of their container.
#[derive(Debug, Default)]
pub struct Standbys {
    made: BTreeMap<String, Standby>,
    /// To be made at this time, milliseconds of the monotonic clock.
    due: BTreeMap<String, u64>,
}

/// What goes through the exec of the tree.
#[derive(Debug, Serialize, Deserialize)]
pub struct Passed {
    json: String,
    outer: Option<i32>,
    inner: Option<i32>,
    pidfd: Option<i32>,
    channel: Option<i32>,
    stamps: Vec<Stamp>,
    #[serde(default)]
    origin: Option<Origin>,
    parked: bool,
}

impl Standby {
    /// It can start now, and is what would be made now.
    fn fits(&self, json: &str) -> bool {
        self.parked && self.json == json && self.stamps.iter().all(Stamp::holds)
    }
}

impl Standbys {
    /// When the next one is to be made.
    pub fn deadline(&self) -> Option<u64> {
        self.due.values().min().copied()
    }

    /// The channels, by name.
    pub fn channels(&self) -> impl Iterator<Item = (&str, BorrowedFd<'_>)> {
        let made = self.made.iter();
        made.map(|(name, standby)| (name.as_str(), standby.channel.as_fd()))
    }

    /// Names of their state directories.
    pub fn states(&self) -> impl Iterator<Item = String> + '_ {
        self.made.keys().map(|name| standby_state(name))
    }

    /// Number of those that can start.
    pub fn parked(&self) -> usize {
        self.made.values().filter(|standby| standby.parked).count()
    }

    /// Marks what goes through the exec (or takes that back), and describes it.
    pub fn pass(&self, on: bool) -> BTreeMap<String, Passed> {
        let passed = |standby: &Standby| Passed {
            json: standby.json.clone(),
            outer: standby.outer.as_ref().map(|child| child.pid),
            inner: standby.inner,
            pidfd: standby.pidfd.as_ref().and_then(|fd| pass(fd.as_fd(), on)),
            channel: pass(standby.channel.as_fd(), on),
            stamps: standby.stamps.clone(),
            origin: standby.origin,
            parked: standby.parked,
        };
        let made = self.made.iter();
        made.map(|(name, standby)| (name.clone(), passed(standby)))
            .collect()
    }

    /// The former program's; one without its channel ends by itself.
    pub fn inherit(passed: BTreeMap<String, Passed>) -> Standbys {
        let revived = |passed: Passed| {
            Some(Standby {
                json: passed.json,
                outer: passed.outer.map(|pid| Child {
                    pid,
                    pidfd: pidfd::open(pid).ok(),
                }),
                inner: passed.inner,
                pidfd: claim(passed.pidfd),
                channel: Passage::inherited(claim(passed.channel)?).ok()?,
                stamps: passed.stamps,
                origin: passed.origin,
                parked: passed.parked,
                released: false,
            })
        };
        let made = passed.into_iter();
        Standbys {
            made: made
                .filter_map(|(name, one)| Some((name, revived(one)?)))
                .collect(),
            due: BTreeMap::new(),
        }
    }
}

impl Supervisor {
    /// After the configuration was read: ends what nobody needs any more, or what is not up to date; the rest is made soon.
    pub fn plan_standbys(&mut self) {
        let wanted = self.machine.with_standby();
        let wanted: BTreeMap<String, String> = wanted.map(|i| (i.name.clone(), i.json.clone())).collect();
        let fits =
            |(name, standby): (&String, &Standby)| wanted.get(name).is_some_and(|json| standby.fits(json));
        let stale: Vec<String> = self
            .standbys
            .made
            .iter()
            .filter(|one| !fits(*one))
            .map(|(name, _)| name.clone())
            .collect();
        self.end_standbys(&stale);
        self.standbys.due.retain(|name, _| wanted.contains_key(name));
        for name in wanted.into_keys() {
            self.pin_mounts(&name);
            self.plan_standby(&name);
        }
    }

    /// A container runs: its successor is to be made.
    pub fn plan_standby(&mut self, name: &str) {
        if !self.standbys.made.contains_key(name) && self.machine.standby_of(name).is_some() {
            let at = monotonic::millis() + PAUSE;
            self.standbys.due.entry(name.to_string()).or_insert(at);
        }
    }

    /// Makes those whose time has come.
    pub fn make_standbys(&mut self) {
        let now = monotonic::millis();
        let due = self.standbys.due.iter().filter(|(_, at)| **at <= now);
        let due: Vec<String> = due.map(|(name, _)| name.clone()).collect();
        for name in due {
            self.standbys.due.remove(&name);
            let Some(instance) = self.machine.standby_of(&name) else {
                continue;
            };
            match self.launcher.start(instance, &self.sockets.of(instance), true) {
                Ok((child, channel)) => {
                    let standby = Standby {
                        json: instance.json.clone(),
                        outer: Some(child),
                        inner: None,
                        pidfd: None,
                        channel,
                        stamps: Vec::new(),
                        origin: None,
                        parked: false,
                        released: false,
                    };
                    self.pin_mounts(&name);
                    self.standbys.made.insert(name, standby);
                }
                Err(e) => self.journal.warn(&format!("no standby of {name}: {e}")),
            }
        }
    }

    /// Keeps the mounts of a container beyond its end, so that its successor need not wait until the kernel has taken them
    /// apart, which takes a grace period of RCU.
    fn pin_mounts(&mut self, name: &str) {
        let Some(live) = self.lives.get_mut(name) else {
            return;
        };
        if let (None, Some(pid)) = (&live.mounts, live.inner) {
            live.mounts = std::fs::File::open(format!("/proc/{pid}/ns/mnt")).ok();
        }
    }

    /// Reads what the knot of a standby has said.
    pub fn hear_standby(&mut self, name: &str) {
        loop {
            let Some(standby) = self.standbys.made.get_mut(name) else {
                return;
            };
            let (packet, mut fds) = match standby.channel.receive() {
                Ok(Some(message)) => message,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Ok(None) | Err(_) => return self.end_standby(name),
            };
            match message::parse(&packet) {
                Some(Message::Started(pid)) if pid > 1 && standby.inner.is_none() => {
                    standby.inner = Some(pid);
                    standby.pidfd = fds.pop().or_else(|| pidfd::open(pid).ok());
                }
                Some(Message::Origin(origin)) => standby.origin = Some(origin),
                Some(Message::Stamps(true)) => standby.stamps = fds.pop().map_or_else(Vec::new, read_stamps),
                Some(Message::Parked(true)) => standby.parked = !standby.stamps.is_empty(),
                Some(Message::Failed(why)) => {
                    self.journal.warn(&format!("no standby of {name}: {why}"));
                    return self.end_standby(name);
                }
                _ => {}
            }
        }
    }

    /// A child ended. `false`: it is none of a standby.
    pub fn standby_ended(&mut self, pid: i32) -> bool {
        let made = self.standbys.made.iter();
        let starting: Vec<String> = made
            .filter(|(_, s)| s.inner.is_none())
            .map(|(name, _)| name.clone())
            .collect();
        starting.iter().for_each(|name| self.hear_standby(name));
        for (name, standby) in &mut self.standbys.made {
            let is_outer = standby.outer.as_ref().is_some_and(|child| child.pid == pid);
            if is_outer {
                standby.outer = None;
            }
            if standby.inner == Some(pid) || is_outer && standby.inner.is_none() {
                let name = name.clone();
                // Its number may be another's from now on.
                standby.inner = None;
                self.end_standby(&name);
                return true;
            }
            if is_outer {
                return true;
            }
        }
        false
    }

    /// Lets the standby of an instance be its container. `false`: there is none that fits.
    pub fn start_standby(&mut self, instance: &Instance) -> bool {
        let name = &instance.name;
        if !self.release_standby(instance) {
            self.end_standby(name);
            return false;
        }
        let Some(standby) = self.standbys.made.remove(name) else {
            return false;
        };
        self.journal
            .info(&format!("Starting container {name:?}, which was waiting"));
        let live = Live {
            outer: standby.outer,
            inner: standby.inner,
            ours: true,
            pidfd: standby.pidfd,
            channel: Some(standby.channel),
            origin: standby.origin,
            ..Live::default()
        };
        self.lives.insert(name.clone(), live);
        if let Err(e) = self.name_standby(name) {
            self.journal
                .warn(&format!("files of {name}, which was waiting: {e}"));
        }
        let pid = standby.inner.unwrap_or_default();
        self.write_record(name, pid);
        self.tell(name, Event::Started(pid));
        true
    }

    /// Before anything else is done about the ends that led to these actions: tells those whose turn comes.
    pub fn release_standbys(&mut self, actions: &[Action]) {
        for action in actions {
            if let Action::Start(instance) = action {
                self.release_standby(instance);
            }
        }
    }

    /// `false`: there is none that fits.
    fn release_standby(&mut self, instance: &Instance) -> bool {
        self.hear_standby(&instance.name);
        let Some(standby) = self.standbys.made.get_mut(&instance.name) else {
            return false;
        };
        if !standby.released {
            standby.released = standby.fits(&instance.json) && standby.channel.send(GO, &[]).is_ok();
        }
        standby.released
    }

    /// What has the name of the standby gets that of its container; the former one's has been removed.
    fn name_standby(&self, name: &str) -> io::Result<()> {
        let standby = standby_state(name);
        self.leftovers.rename_state(&standby, name)?;
        self.records.rename_exit(&standby, name)
    }

    /// Ends a standby, if there is one, and waits for that.
    pub fn end_standby(&mut self, name: &str) {
        self.end_standbys(&[name.to_string()]);
    }

    /// Ends all.
    pub fn end_all_standbys(&mut self) {
        self.standbys.due.clear();
        let names: Vec<String> = self.standbys.made.keys().cloned().collect();
        self.end_standbys(&names);
    }

    fn end_standbys(&mut self, names: &[String]) {
        let taken: BTreeSet<&String> = names.iter().collect();
        let ending: Vec<(&String, Standby)> = taken
            .into_iter()
            .filter_map(|name| {
                self.standbys.due.remove(name);
                Some((name, self.standbys.made.remove(name)?))
            })
            .collect();
        // All at once first, then one after the other.
        for (_, standby) in &ending {
            if let Some(outer) = &standby.outer {
                let _ = outer.signal(libc::SIGKILL);
            }
            if let (Some(fd), Some(_)) = (&standby.pidfd, standby.inner) {
                let _ = process::pidfd_send_signal(fd.as_fd(), libc::SIGKILL);
            }
        }
        let until = Instant::now() + END;
        for (name, standby) in ending {
            wait_for_end(standby, until);
            self.clean(&standby_state(name), false);
        }
    }
}

/// What has not ended by then is reaped later, as an orphan.
fn wait_for_end(standby: Standby, until: Instant) {
    let nohang = WaitOptions {
        nohang: true,
        ..WaitOptions::default()
    };
    let reap = |pid: i32, fd: Option<OwnedFd>| {
        if let Some(fd) = fd {
            let _ = poll::wait(&[fd.as_fd()], Some(until));
        }
        let _ = process::wait(Some(pid), nohang);
    };
    if let Some(outer) = standby.outer {
        reap(outer.pid, outer.pidfd);
    }
    // Its end, if there is no descriptor to kill it by.
    drop(standby.channel);
    if let Some(pid) = standby.inner {
        reap(pid, standby.pidfd);
    }
}

fn read_stamps(fd: OwnedFd) -> Vec<Stamp> {
    let text = handover::read_text(fd, LARGEST);
    text.ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default()
}
