//! Which ids of the host stand behind the ids inside a container.
//!
//! Inside id 0 is always the caller (effective ids). The other ids that a container asks for (`uids`, `gids`) are
//! laid, in order, over the caller's subordinate ids: the first requested id gets the first available one, and so
//! on across ranges. The decision is a pure function over [`Caller`]; only [`Caller::read`] looks at the host.
//!
//! Without subordinate ids (or without newuidmap and newgidmap) there is the *single-id mode*: only id 0 exists.
//! It serves containers that keep the default `uids`/`gids` or ask for less, with a warning, because most programs
//! never change their user. A container that asks explicitly for ids above the default 65535 fails instead.

mod caller;
mod ranges;

use std::cell::RefCell;

use super::config::range::IdRange;
use super::failure::{exit, Failure};
use crate::sys::namespace::{self, IdMap, IdMapping, MapMethod};

pub use caller::{Caller, Helpers, IdFile};

/// Most lines the kernel takes in one map (user_namespaces(7), since Linux 4.15).
const MAX_LINES: usize = 340;
/// First id above the default of `uids` and `gids`.
const DEFAULT_END: u32 = 65536;
/// Below this, subordinate ids usually belong to the system's own users.
const FIRST_SAFE: u32 = 65536;

/// How to get newuidmap and newgidmap.
pub const PACKAGES: &str =
    "sudo apt install uidmap (Debian, Ubuntu; elsewhere the package shadow-utils, shadow or shadow-subids)";

/// The maps of one container and the way to install them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdMaps {
    /// User ids.
    pub uid: IdMap,
    /// Group ids.
    pub gid: IdMap,
    /// How the kernel gets them.
    pub method: MapMethod,
}

impl IdMaps {
    /// Only id 0 exists inside: chown(2) and setuid(2) to other ids cannot work, see
    /// [`crate::sys::seccomp::fake_ownership`].
    pub fn is_single(&self) -> bool {
        self.method == MapMethod::SingleId
    }

    /// A user of the container is the host's root: what belongs to root on the host yields to it.
    pub fn reach_root(&self) -> bool {
        self.uid.0.iter().any(|line| line.outside == 0)
    }

    /// Installs the maps in the user namespace of `pid`.
    pub fn write(&self, pid: i32) -> Result<(), Failure> {
        namespace::write_maps(pid, &self.uid, &self.gid, &self.method).map_err(|e| {
            fail(format!("error setting uid/gid mappings: {e}")).with_hint(match self.method {
                MapMethod::Helpers { .. } => {
                    "newuidmap and newgidmap must be set-user-id root (or carry file capabilities) and their file system \
                     not mounted nosuid; `vagga _doctor` checks this"
                }
                _ => "run `vagga _doctor`",
            })
        })
    }
}

/// The maps for a container with these `uids` and `gids`. What there is to warn of is said at once when there is no map,
/// else by [`announce`], so that it accompanies builds and not every run of every command.
///
/// Errors (exit 121): syntax of `/etc/subuid` or `/etc/subgid`, a range with the caller's own id, too few ids.
pub fn maps_for(uids: &[IdRange], gids: &[IdRange]) -> Result<IdMaps, Failure> {
    let mut warnings = Vec::new();
    let result = with_caller(|caller| maps_of(caller, uids, gids, &mut warnings));
    match &result {
        Ok(_) => HELD_BACK.with_borrow_mut(|held| held.append(&mut warnings)),
        Err(_) => warn_once(&warnings),
    }
    result
}

thread_local!(static HELD_BACK: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) });

/// Logs the warnings of all maps made so far, each once per process. Called when a build begins.
pub fn announce() {
    warn_once(&HELD_BACK.take());
}

/// The map in which files of every container can be removed: id 0 is the caller, and every other available id
/// stands for itself. For root it is the identity.
pub fn maximal() -> Result<IdMaps, Failure> {
    let mut warnings = Vec::new();
    let result = with_caller(|caller| maximal_of(caller, &mut warnings));
    if result.is_err() {
        warn_once(&warnings);
    }
    result
}

/// The maps as the parent of our own user namespace sees them: the same for vagga on the host and in a capsule.
pub fn outermost(maps: &IdMaps) -> (IdMap, IdMap) {
    with_caller(|caller| {
        (
            through(&maps.uid, &caller.own_uid_map),
            through(&maps.gid, &caller.own_gid_map),
        )
    })
}

/// The outside ids of a map, seen through the map of the namespace they belong to.
fn through(map: &IdMap, own: &IdMap) -> IdMap {
    let mut map = map.split_by(own);
    for line in &mut map.0 {
        line.outside = own.to_outside(line.outside).unwrap_or(line.outside);
    }
    map
}

/// Runs `f` with what the host says about the caller, read at most once per process.
fn with_caller<T>(f: impl FnOnce(&Caller) -> T) -> T {
    thread_local!(static CALLER: Caller = Caller::read());
    CALLER.with(f)
}

fn warn_once(warnings: &[String]) {
    thread_local!(static SAID: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) });
    SAID.with_borrow_mut(|said| {
        for text in warnings {
            if !said.contains(text) {
                log::warn!("{text}");
                said.push(text.clone());
            }
        }
    });
}

fn fail(message: String) -> Failure {
    Failure::new(exit::LAUNCHER, message)
}

/// User or group ids: what differs is only names in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    User,
    Group,
}

impl Kind {
    fn file(self) -> &'static str {
        match self {
            Kind::User => "/etc/subuid",
            Kind::Group => "/etc/subgid",
        }
    }

    fn plural(self) -> &'static str {
        match self {
            Kind::User => "subuids",
            Kind::Group => "subgids",
        }
    }
}

/// What the caller may map besides himself.
enum Allowed {
    /// Nothing: single-id mode.
    Nothing,
    /// These ranges of ids, in the order in which they are to be used.
    Ranges {
        uids: Vec<IdRange>,
        gids: Vec<IdRange>,
        method: MapMethod,
    },
}

/// [`maps_for`] as a pure function.
pub fn maps_of(
    caller: &Caller,
    uids: &[IdRange],
    gids: &[IdRange],
    warnings: &mut Vec<String>,
) -> Result<IdMaps, Failure> {
    let maps = match allowed(caller, warnings)? {
        Allowed::Nothing => {
            for (kind, ranges) in [(Kind::User, uids), (Kind::Group, gids)] {
                if ranges.iter().any(|r| r.end > DEFAULT_END) {
                    return Err(too_small(caller, kind, ranges, &[]));
                }
            }
            return Ok(single(caller));
        }
        Allowed::Ranges {
            uids: have_uids,
            gids: have_gids,
            method,
        } => IdMaps {
            uid: ranges::lay(caller.uid, uids, &have_uids)
                .ok_or_else(|| too_small(caller, Kind::User, uids, &have_uids))?,
            gid: ranges::lay(caller.gid, gids, &have_gids)
                .ok_or_else(|| too_small(caller, Kind::Group, gids, &have_gids))?,
            method,
        },
    };
    let maps = in_own_namespace(caller, maps);
    check_lines(&maps)?;
    Ok(maps)
}

/// [`maximal`] as a pure function.
pub fn maximal_of(caller: &Caller, warnings: &mut Vec<String>) -> Result<IdMaps, Failure> {
    let maps = match allowed(caller, warnings)? {
        Allowed::Nothing => single(caller),
        Allowed::Ranges { uids, gids, method } => IdMaps {
            uid: ranges::identity(caller.uid, &uids),
            gid: ranges::identity(caller.gid, &gids),
            method,
        },
    };
    let maps = in_own_namespace(caller, maps);
    check_lines(&maps)?;
    Ok(maps)
}

/// Lines that the kernel takes from us: none may span two lines of the caller's own map. The helpers see to it
/// themselves, and are called in the namespace of the host.
fn in_own_namespace(caller: &Caller, maps: IdMaps) -> IdMaps {
    match maps.method {
        MapMethod::Direct => IdMaps {
            uid: maps.uid.split_by(&caller.own_uid_map),
            gid: maps.gid.split_by(&caller.own_gid_map),
            ..maps
        },
        _ => maps,
    }
}

/// id 0 → caller, nothing else.
fn single(caller: &Caller) -> IdMaps {
    let map = |outside| {
        IdMap(vec![IdMapping {
            inside: 0,
            outside,
            count: 1,
        }])
    };
    IdMaps {
        uid: map(caller.uid),
        gid: map(caller.gid),
        method: MapMethod::SingleId,
    }
}

fn allowed(caller: &Caller, warnings: &mut Vec<String>) -> Result<Allowed, Failure> {
    let lines = read_files(caller, warnings)?;
    let is_root = caller.uid == 0;
    let Some((uids, gids)) = lines else {
        return Ok(if is_root {
            of_own_namespace(caller, warnings)
        } else {
            warnings.push(not_found(caller));
            Allowed::Nothing
        });
    };
    check_ranges(caller, Kind::User, caller.uid, &uids, warnings)?;
    check_ranges(caller, Kind::Group, caller.gid, &gids, warnings)?;
    let method = if is_root {
        MapMethod::Direct
    } else {
        match find_helpers(&caller.helpers, warnings) {
            Some(method) => method,
            None => return Ok(Allowed::Nothing),
        }
    };
    Ok(Allowed::Ranges { uids, gids, method })
}

/// Root that no file mentions: everything mapped in its own namespace (a container in a container, CI as root).
fn of_own_namespace(caller: &Caller, warnings: &mut Vec<String>) -> Allowed {
    let uids = ranges::mapped_except(&caller.own_uid_map, caller.uid);
    let gids = ranges::mapped_except(&caller.own_gid_map, caller.gid);
    if uids.is_empty() && gids.is_empty() {
        warnings.push(
            "Only the user id 0 exists in this user namespace: containers get no other ids either"
                .to_string(),
        );
        return Allowed::Nothing;
    }
    Allowed::Ranges {
        uids,
        gids,
        method: MapMethod::Direct,
    }
}

/// The caller's ranges in both files; `None` when neither mentions him.
#[allow(clippy::type_complexity)]
fn read_files(
    caller: &Caller,
    warnings: &mut Vec<String>,
) -> Result<Option<(Vec<IdRange>, Vec<IdRange>)>, Failure> {
    let mut read = |kind, file| {
        ranges::of_user(caller, kind, file).inspect_err(|_| {
            warnings.push("Could not read /etc/subuid or /etc/subgid".to_string());
        })
    };
    let uids = read(Kind::User, &caller.subuid)?;
    let gids = read(Kind::Group, &caller.subgid)?;
    Ok((!uids.is_empty() || !gids.is_empty()).then_some((uids, gids)))
}

/// Refuses ranges with the caller's own id, warns of low ones.
fn check_ranges(
    caller: &Caller,
    kind: Kind,
    own: u32,
    have: &[IdRange],
    warnings: &mut Vec<String>,
) -> Result<(), Failure> {
    for r in have {
        let text = ranges::show(&[*r]);
        if (r.start..r.end).contains(&own) {
            return Err(fail(format!(
                "{}: range {text} of {:?} includes original id {own}",
                kind.file(),
                caller.name
            ))
            .with_hint(format!(
                "give {:?} a range in {} that no user or group of this machine has, as {}",
                caller.name,
                kind.file(),
                ranges::SUGGESTED
            )));
        }
        if r.start < FIRST_SAFE {
            warnings.push(format!(
                "{}: range {text} of {:?} starts below {FIRST_SAFE}: it may contain ids of real users",
                kind.file(),
                caller.name
            ));
        }
    }
    Ok(())
}

fn find_helpers(helpers: &Helpers, warnings: &mut Vec<String>) -> Option<MapMethod> {
    if helpers.fallback {
        warnings.push("Can't find `newuidmap` or `newgidmap` in PATH".to_string());
    }
    match (&helpers.newuidmap, &helpers.newgidmap) {
        (Some(newuidmap), Some(newgidmap)) => Some(MapMethod::Helpers {
            newuidmap: newuidmap.clone(),
            newgidmap: newgidmap.clone(),
        }),
        _ => {
            warnings.push(format!(
                "Can't find `newuidmap` or `newgidmap`: only the user id 0 will exist in containers. To have more: {PACKAGES}"
            ));
            None
        }
    }
}

fn not_found(caller: &Caller) -> String {
    format!(
        "Could not find the user {:?} in /etc/subuid and /etc/subgid: only the user id 0 will exist in containers. \
         To have more: {}",
        caller.name,
        remedy(&caller.name)
    )
}

/// Command that gives the user subordinate ids.
pub fn remedy(name: &str) -> String {
    let range = ranges::SUGGESTED;
    format!("sudo usermod --add-subuids {range} --add-subgids {range} {name}")
}

fn too_small(caller: &Caller, kind: Kind, required: &[IdRange], have: &[IdRange]) -> Failure {
    fail(format!(
        "Number of allowed {} is too small (required [{}], allowed [{}])",
        kind.plural(),
        ranges::show(required),
        ranges::show(have)
    ))
    .with_hint(format!(
        "either raise the number of ids of {:?} in {} (at least {} besides id 0), or list fewer ids in `uids` and \
         `gids` of the container in vagga.yaml",
        caller.name,
        kind.file(),
        ranges::wanted(required)
    ))
}

fn check_lines(maps: &IdMaps) -> Result<(), Failure> {
    let lines = maps.uid.0.len().max(maps.gid.0.len());
    if lines <= MAX_LINES {
        return Ok(());
    }
    Err(fail(format!(
        "error setting uid/gid mappings: {lines} ranges of ids, the kernel takes {MAX_LINES}"
    ))
    .with_hint("list fewer and longer ranges in `uids`, `gids`, /etc/subuid and /etc/subgid"))
}

#[cfg(test)]
mod tests;
