//! How the children of a group are, in words, for who watches. Nothing is changed here.

use std::time::Instant;

use super::member::{Life, Member};
use super::Group;

/// How a child is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing<'a> {
    /// The child.
    pub name: &'a str,
    /// What it does.
    pub state: String,
    /// Its process runs since then.
    pub since: Option<Instant>,
    /// How often it has been started again.
    pub restarts: u32,
}

impl Group {
    /// True while a child has the terminal, or has just been told to take it.
    pub fn lends_terminal(&self) -> bool {
        self.holder.is_some()
    }

    /// All children, in their order.
    pub fn standings(&self) -> Vec<Standing<'_>> {
        let members = self.members.iter().enumerate();
        members
            .map(|(index, member)| Standing {
                name: &member.name,
                state: self.state(index, member),
                since: since(member),
                restarts: member.starts.saturating_sub(1),
            })
            .collect()
    }

    fn state(&self, index: usize, member: &Member) -> String {
        let last = || member.last_end.as_deref();
        match member.life {
            Life::Waiting => match self.missing(index) {
                Some(names) => format!("waits for {names}"),
                None => "waits".into(),
            },
            Life::Starting => "starts".into(),
            Life::Running { .. } if self.is_stopping() => "stops".into(),
            Life::Running { ready: false, .. } => "is not ready yet".into(),
            Life::Running { .. } if member.rules.ready_within.is_some() => "ready".into(),
            Life::Running { .. } => "running".into(),
            Life::Dismissed => "was not ready in time, stops".into(),
            Life::Resting { .. } => format!("{}, starts again", last().unwrap_or("ended")),
            Life::Ended { fine: true } => "finished".into(),
            Life::Ended { fine: false } => last().unwrap_or("not started").into(),
        }
    }
}

fn since(member: &Member) -> Option<Instant> {
    match member.life {
        Life::Running { since, .. } => Some(since),
        _ => None,
    }
}
