//! The network namespace of `!RunAs` steps with `isolate-network`: only a loopback interface, shared by all of them.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

use super::error::{IoContext, StepError};
use crate::sys::loopback;
use crate::sys::process::{self, Fork, Namespaces, WaitOptions};

/// Makes the namespace; it lives as long as the descriptor.
///
/// A child makes it and stays until its `/proc/PID/ns/net` is open: the builder itself could not come back to the
/// host's network.
pub(super) fn isolated() -> Result<OwnedFd, StepError> {
    let (name, mut name_end) = process::pipe().map(|(r, w)| (File::from(r), File::from(w)))?;
    let (stay, stay_end) = process::pipe()?;
    match process::fork(Namespaces::NET)? {
        Fork::Child => {
            drop(stay_end);
            let up = loopback::up();
            // The id that this process has in the procfs we see, which may be the one of an outer namespace.
            let id = fs::read_link("/proc/self").map(|p| p.to_string_lossy().into_owned());
            let text = match (up, id) {
                (Ok(()), Ok(id)) => id,
                (Err(e), _) | (_, Err(e)) => format!("error: {e}"),
            };
            let _ = name_end.write_all(text.as_bytes());
            drop(name_end);
            let _ = File::from(stay).read(&mut [0]);
            process::exit_now(0)
        }
        Fork::Parent(child) => {
            drop((name_end, stay));
            let mut id = String::new();
            let mut name = name;
            name.read_to_string(&mut id)?;
            let opened = match id.parse::<u32>() {
                Ok(_) => {
                    let path = format!("/proc/{id}/ns/net");
                    File::open(&path).at("open", &path).map(OwnedFd::from)
                }
                Err(_) => Err(StepError::new(format!("can't make an isolated network: {id}"))),
            };
            drop(stay_end);
            process::wait(Some(child.pid), WaitOptions::default())?;
            opened
        }
    }
}
