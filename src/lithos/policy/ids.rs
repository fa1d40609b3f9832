//! Users, groups and maps.

use super::Violation;
use crate::lithos::config::{is_within, Container, IdMap, IdRange, Sandbox};

/// Who the process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ids {
    /// User id inside.
    pub uid: u32,
    /// Group id inside.
    pub gid: u32,
}

/// The maps of the user namespace, of users and of groups; empty = the container is in the host's.
pub fn maps<'a>(sandbox: &'a Sandbox, container: &'a Container) -> (&'a [IdMap], &'a [IdMap]) {
    match sandbox.uid_map.is_empty() && sandbox.gid_map.is_empty() {
        true => (&container.uid_map, &container.gid_map),
        false => (&sandbox.uid_map, &sandbox.gid_map),
    }
}

/// User and group of the process, from the container file or else the sandbox. `None`: no user at all.
pub fn effective_ids(sandbox: &Sandbox, container: &Container) -> Option<Ids> {
    Some(Ids {
        uid: container.user_id.or(sandbox.default_user)?,
        gid: container.group_id.unwrap_or(sandbox.default_group),
    })
}

/// The id on the host of an id inside; without a map it is the same. `None`: the map does not have it.
pub fn outside(map: &[IdMap], id: u32) -> Option<u32> {
    match map.is_empty() {
        true => Some(id),
        false => map.iter().find_map(|run| run.to_outside(id)),
    }
}

/// All rules about ids.
pub(super) fn check(sandbox: &Sandbox, container: &Container) -> Vec<Violation> {
    let mut found = Vec::new();
    let in_sandbox = !sandbox.uid_map.is_empty() || !sandbox.gid_map.is_empty();
    let in_container = !container.uid_map.is_empty() || !container.gid_map.is_empty();
    if in_sandbox && in_container {
        let text = "stand in the sandbox file and in the container file: only one of them may have maps";
        found.push(Violation::new("uid-map, gid-map", text));
    }
    let (uids, gids) = maps(sandbox, container);
    if uids.is_empty() != gids.is_empty() {
        let text = "both are needed for a user namespace, or none";
        found.push(Violation::new("uid-map, gid-map", text));
    }
    for (key, map) in [("uid-map", uids), ("gid-map", gids)] {
        found.extend(check_map(key, map));
    }
    let Some(ids) = effective_ids(sandbox, container) else {
        let text = "is missing: set it, or `default-user` of the sandbox";
        found.push(Violation::new("user-id", text));
        return found;
    };
    let both = [
        (
            "user-id",
            "allow-users",
            ids.uid,
            uids,
            &container.uid_map,
            &sandbox.allow_users,
        ),
        (
            "group-id",
            "allow-groups",
            ids.gid,
            gids,
            &container.gid_map,
            &sandbox.allow_groups,
        ),
    ];
    for (key, rule, id, map, own, allowed) in both {
        found.extend(check_id(
            key,
            rule,
            id,
            map,
            !own.is_empty() && !in_sandbox,
            allowed,
        ));
    }
    if outside(uids, ids.uid) == Some(0) && !sandbox.allow_root {
        let text = format!(
            "{} would be the root of the host: set uid-map and gid-map, another user-id, or `allow-root: true` in the \
             sandbox",
            ids.uid
        );
        found.push(Violation::new("user-id", text));
    }
    found
}

fn check_map(key: &str, map: &[IdMap]) -> Option<Violation> {
    let broken = map
        .iter()
        .any(|m| m.last_outside().is_none() || m.inside.checked_add(m.count).is_none());
    let overlap = map.iter().enumerate().any(|(i, a)| {
        map.iter()
            .skip(i + 1)
            .any(|b| overlaps(a.inside, b.inside, a, b) || overlaps(a.outside, b.outside, a, b))
    });
    (broken || overlap).then(|| Violation::new(key, "has empty, overlapping or too large ranges"))
}

fn overlaps(a_start: u32, b_start: u32, a: &IdMap, b: &IdMap) -> bool {
    let (a_start, b_start) = (u64::from(a_start), u64::from(b_start));
    a_start < b_start + u64::from(b.count) && b_start < a_start + u64::from(a.count)
}

/// With a map of the container's own, its outer ranges must be allowed; else the id itself.
fn check_id(key: &str, rule: &str, id: u32, map: &[IdMap], own: bool, allowed: &[IdRange]) -> Vec<Violation> {
    let mut found = Vec::new();
    if outside(map, id).is_none() {
        found.push(Violation::new(
            key,
            format!("{id} is not in the user namespace's map"),
        ));
    }
    if !own && !is_within(allowed, id) {
        found.push(Violation::new(
            key,
            format!("{id} is not in `{rule}` of the sandbox"),
        ));
    }
    if own {
        let outside = map.iter().filter(|m| !is_allowed(m, allowed));
        found.extend(outside.map(|m| {
            let text = format!(
                "the map uses ids from {} on, which are not in `{rule}` of the sandbox",
                m.outside
            );
            Violation::new(key, text)
        }));
    }
    found
}

/// Whether one of the ranges holds all outer ids.
fn is_allowed(map: &IdMap, allowed: &[IdRange]) -> bool {
    let Some(last) = map.last_outside() else {
        return false;
    };
    allowed
        .iter()
        .any(|range| range.contains(map.outside) && range.contains(last))
}
