//! A knot without a tree: it stays until its container has ended.

use super::message::exit;
use crate::sys::poll::{self, Signals};
use crate::sys::process::{self, Child, WaitOptions};

/// Passes signals on until the container ends; its exit code is ours.
pub fn wait_for(child: &Child) -> u8 {
    let Ok(signals) = Signals::new(&[libc::SIGTERM, libc::SIGINT, libc::SIGCHLD]) else {
        return exit::SETUP;
    };
    loop {
        let options = WaitOptions {
            nohang: true,
            ..WaitOptions::default()
        };
        match process::wait(Some(child.pid), options) {
            Ok(Some((_, process::Status::Exited(code)))) => return code,
            Ok(Some(_)) => return exit::FAILURE,
            Ok(None) => {}
            Err(_) => return exit::SETUP,
        }
        if poll::wait(&[signals.fd()], None).is_err() {
            return exit::SETUP;
        }
        for signal in signals.drain().unwrap_or_default() {
            if signal != libc::SIGCHLD {
                let _ = child.signal(signal);
            }
        }
    }
}
