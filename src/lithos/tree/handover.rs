//! What the tree hands over to the program that replaces it: its state as text, everything open by number.
//!
//! A program that cannot read the state of another version falls back to the records, so nothing here is fatal.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use serde_derive::{Deserialize, Serialize};

use super::machine::Machine;
use super::sockets::Key;
use super::standby::Passed;
use crate::sys::handover;

/// Variable with the number of the memory file.
pub const STATE_FD: &str = "LITHOS_STATE_FD";
/// Largest state that is read, bytes.
const LARGEST: u64 = 256 << 20;

/// Everything that goes through an exec.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    /// The process it is about.
    pub pid: u32,
    /// Absolute path of the master file.
    pub master: PathBuf,
    /// The master file as it was read last without error.
    pub master_text: String,
    /// Who should run and who does.
    pub machine: Machine,
    /// Who runs, as the shell sees it.
    pub lives: BTreeMap<String, Life>,
    /// Listening sockets by number.
    pub sockets: Vec<(Key, i32)>,
    /// The locked pid file.
    pub pid_file: i32,
    /// Containers that wait for their turn.
    #[serde(default)]
    pub standbys: BTreeMap<String, Passed>,
}

/// A container or one that is being set up.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Life {
    /// The knot that sets it up.
    pub outer: Option<i32>,
    /// The container's init.
    pub inner: Option<i32>,
    /// It is our child.
    pub ours: bool,
    /// Its pidfd.
    pub pidfd: Option<i32>,
    /// The start channel.
    pub channel: Option<i32>,
}

/// Reads the state that the environment names. `None`: there is none, or it is not about this process, or nobody can
/// read it (then why).
pub fn receive() -> Result<Option<State>, String> {
    let Some(number) = std::env::var(STATE_FD).ok().and_then(|text| text.parse().ok()) else {
        return Ok(None);
    };
    let read = handover::claim(number).and_then(|fd| handover::read_text(fd, LARGEST));
    let text = read.map_err(|e| format!("state of the former program: {e}"))?;
    let state: State =
        serde_json::from_slice(&text).map_err(|e| format!("state of the former program: {e}"))?;
    match state.pid == std::process::id() {
        true => Ok(Some(state)),
        false => Ok(None),
    }
}

/// Takes over a descriptor of the state.
pub fn claim(number: Option<i32>) -> Option<OwnedFd> {
    handover::claim(number?).ok()
}

/// Number of a descriptor that goes through the exec.
pub fn pass(fd: BorrowedFd<'_>, on: bool) -> Option<i32> {
    handover::keep(fd, on).ok()?;
    Some(fd.as_raw_fd())
}
