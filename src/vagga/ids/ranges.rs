//! Arithmetic of id ranges: laying requested ids over allowed ones, in order, without overlaps.

use super::{fail, Caller, Failure, IdFile, Kind};
use crate::sys::namespace::{IdMap, IdMapping};
use crate::sys::user::parse_subids;
use crate::vagga::config::range::IdRange;

/// A range that no distribution gives to real users, and that holds the default `uids`.
pub(super) const SUGGESTED: &str = "100000-165535";

/// Ranges of the caller in one file, in file order, overlaps removed. A missing file is an empty one.
pub(super) fn of_user(caller: &Caller, kind: Kind, file: &IdFile) -> Result<Vec<IdRange>, Failure> {
    let path = kind.file();
    let content = match file {
        IdFile::Missing => return Ok(Vec::new()),
        IdFile::Unreadable(e) => return Err(fail(format!("Error reading uidmap: {path}: {e}"))),
        IdFile::Content(content) => content,
    };
    let lines = parse_subids(content).map_err(|bad| {
        fail(format!("Error reading uidmap: {path}:{}: Bad syntax", bad.line))
            .with_hint("each line is NAME:START:COUNT, with COUNT above zero")
    })?;
    let number = caller.uid.to_string();
    let mine = lines
        .iter()
        .filter(|line| line.owner == caller.name || line.owner == number);
    Ok(disjoint(mine.map(|line| IdRange {
        start: line.start,
        end: line.start.saturating_add(line.count),
    })))
}

/// The ids mapped in a namespace, without `own`, ascending.
pub(super) fn mapped_except(map: &IdMap, own: u32) -> Vec<IdRange> {
    let mut ranges: Vec<IdRange> = map
        .0
        .iter()
        .map(|m| IdRange {
            start: m.inside,
            end: m.inside.saturating_add(m.count),
        })
        .collect();
    ranges.sort_by_key(|r| r.start);
    without(&ranges, own)
}

/// id 0 → `own`, then every other requested id, in order, over `have`. `None` = too few.
pub(super) fn lay(own: u32, requested: &[IdRange], have: &[IdRange]) -> Option<IdMap> {
    let mut map = vec![caller_line(own)];
    let mut free = have.iter().copied();
    let mut current = IdRange { start: 0, end: 0 };
    for mut want in without(&disjoint(requested.iter().copied()), 0) {
        while !want.is_empty() {
            if current.is_empty() {
                current = free.next()?;
                continue;
            }
            let count = want.len().min(current.len());
            push(
                &mut map,
                IdMapping {
                    inside: want.start,
                    outside: current.start,
                    count,
                },
            );
            want.start += count;
            current.start += count;
        }
    }
    Some(IdMap(map))
}

/// id 0 → `own`, every other allowed id → itself.
pub(super) fn identity(own: u32, have: &[IdRange]) -> IdMap {
    let mut map = vec![caller_line(own)];
    for r in without(have, 0) {
        push(
            &mut map,
            IdMapping {
                inside: r.start,
                outside: r.start,
                count: r.len(),
            },
        );
    }
    IdMap(map)
}

fn caller_line(own: u32) -> IdMapping {
    IdMapping {
        inside: 0,
        outside: own,
        count: 1,
    }
}

/// Appends a line, or lengthens the last one where the new one continues it on both sides.
fn push(map: &mut Vec<IdMapping>, line: IdMapping) {
    if let Some(last) = map.last_mut() {
        let follows = |a: u32, b: u32| a.checked_add(last.count) == Some(b);
        if follows(last.inside, line.inside) && follows(last.outside, line.outside) {
            last.count += line.count;
            return;
        }
    }
    map.push(line);
}

/// The ranges in their order, each without the ids that an earlier one has.
fn disjoint(ranges: impl Iterator<Item = IdRange>) -> Vec<IdRange> {
    let mut out: Vec<IdRange> = Vec::new();
    for range in ranges {
        let mut rest = vec![range];
        for seen in &out {
            rest = rest.into_iter().flat_map(|r| subtract(r, *seen)).collect();
        }
        out.extend(rest);
    }
    out
}

/// The ranges in their order, without one id.
fn without(ranges: &[IdRange], id: u32) -> Vec<IdRange> {
    let one = IdRange {
        start: id,
        end: id.saturating_add(1),
    };
    ranges.iter().flat_map(|r| subtract(*r, one)).collect()
}

/// What is left of `a` before and after `b`.
fn subtract(a: IdRange, b: IdRange) -> impl Iterator<Item = IdRange> {
    let before = IdRange {
        start: a.start,
        end: a.end.min(b.start),
    };
    let after = IdRange {
        start: a.start.max(b.end),
        end: a.end,
    };
    [before, after].into_iter().filter(|r| !r.is_empty())
}

/// How many ids besides 0 are asked for.
pub(super) fn wanted(requested: &[IdRange]) -> u64 {
    without(&disjoint(requested.iter().copied()), 0)
        .iter()
        .map(|r| u64::from(r.len()))
        .sum()
}

/// `0-65535, 100` as in vagga.yaml.
pub(super) fn show(ranges: &[IdRange]) -> String {
    let one = |r: &IdRange| match r.len() {
        1 => r.start.to_string(),
        _ => format!("{}-{}", r.start, r.end.saturating_sub(1)),
    };
    ranges.iter().map(one).collect::<Vec<_>>().join(", ")
}
