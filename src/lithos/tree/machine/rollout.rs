//! Which containers of one entry should exist now, and which of them to stop for a newer version. Pure.

use std::collections::BTreeMap;

use super::desired::Entry;
use super::slot::Slot;

/// What to do with an entry at this moment.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The containers with numbers below should exist.
    pub exist: u32,
    /// Those to stop, so that they start again with what the configuration says now.
    pub replace: Vec<u32>,
}

/// Decides for an entry and its containers by number.
pub fn plan(entry: &Entry, slots: &BTreeMap<u32, Slot>) -> Plan {
    let regular = count(entry.instances.len());
    let outdated: Vec<u32> = slots
        .iter()
        .filter(|(index, slot)| is_outdated(entry, **index, slot))
        .map(|(index, _)| *index)
        .collect();
    let rolling = entry.max_unavailable.is_some();
    let mut exist = regular;
    if rolling && wants_spares(entry, slots, &outdated) {
        exist += count(entry.spares.len());
    }
    let replace = match entry.max_unavailable {
        None => outdated,
        Some(missing) => few(entry, slots, outdated, missing),
    };
    let replace = replace.into_iter().filter(|index| *index < exist).collect();
    Plan { exist, replace }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX / 2)
}

/// It is alive with another configuration than it should have, and nobody has told it to stop.
fn is_outdated(entry: &Entry, index: u32, slot: &Slot) -> bool {
    let wanted = entry.instance(index).map(|instance| instance.json.as_str());
    !slot.is_stopping() && slot.json().is_some() && slot.json() != wanted
}

/// Spares start when there is something to replace, and stay until all is as it should be.
fn wants_spares(entry: &Entry, slots: &BTreeMap<u32, Slot>, outdated: &[u32]) -> bool {
    let regular = count(entry.instances.len());
    if outdated.iter().any(|index| *index < regular) {
        return true;
    }
    let any_spare = slots.range(regular..).any(|(_, slot)| slot.json().is_some());
    any_spare && !(0..regular).all(|index| slots.get(&index).is_some_and(Slot::is_available))
}

/// Those of the outdated that may stop now: what serves nobody at once, the others as long as enough are left.
fn few(entry: &Entry, slots: &BTreeMap<u32, Slot>, outdated: Vec<u32>, missing: usize) -> Vec<u32> {
    // With neither a spare nor a gap nothing could ever change.
    let missing = if entry.spares.is_empty() {
        missing.max(1)
    } else {
        missing
    };
    let least = entry.instances.len().saturating_sub(missing);
    let mut left = slots.values().filter(|slot| slot.is_available()).count();
    let mut chosen = Vec::new();
    for index in outdated {
        let serves = slots.get(&index).is_some_and(Slot::is_available);
        if !serves || left > least {
            left -= usize::from(serves);
            chosen.push(index);
        }
    }
    chosen
}
