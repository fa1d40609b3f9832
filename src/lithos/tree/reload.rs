//! Becoming a fresh copy of the program with the same process id. Containers, sockets, the lock and the state go along; if
//! anything is in the way, everything stays as it is and only the configuration is read again.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd};

use super::handover::{pass, Life, State, STATE_FD};
use super::settings;
use super::start::AFTER_FAULT;
use super::supervisor::Supervisor;
use crate::lithos::taken::Taken;
use crate::sys::{crash, handover, monotonic, process};

impl Supervisor {
    /// Reload and upgrade. Returns only if the program could not be replaced.
    pub fn reload(&mut self) {
        match settings::read_master(&self.master_path) {
            Ok((_, text)) => self.master_text = text,
            Err(e) => {
                let why = format!("no reload, everything stays as it is: {e}");
                self.journal.error(&why);
                self.tell_taken(&Taken {
                    begun: monotonic::millis(),
                    problems: BTreeMap::from([(String::new(), vec![why])]),
                });
                return;
            }
        }
        let why = self.replace_program();
        self.pass_all(false);
        self.journal.error(&format!(
            "can't execute {}: {why}; the configuration is read by this program",
            self.program.display()
        ));
        self.configure();
    }

    /// Returns the reason why it failed.
    fn replace_program(&mut self) -> String {
        let Some(state) = self.pass_all(true) else {
            return "the lock cannot be handed over".into();
        };
        let text = match serde_json::to_vec(&state) {
            Ok(text) => text,
            Err(e) => return e.to_string(),
        };
        let file = match handover::text(c"lithos_tree state", &text) {
            Ok(file) => file,
            Err(e) => return e.to_string(),
        };
        let mut env: Vec<(OsString, OsString)> = std::env::vars_os()
            .filter(|(name, _)| name != STATE_FD && name != AFTER_FAULT)
            .collect();
        env.push((STATE_FD.into(), file.as_raw_fd().to_string().into()));
        let argv: Vec<OsString> = std::env::args_os().collect();
        let _ = crash::hold(true);
        let why = process::exec(&self.program, &argv, &env);
        let _ = crash::hold(false);
        why.to_string()
    }

    /// Marks what goes through the exec (or takes that back), and describes it.
    fn pass_all(&mut self, on: bool) -> Option<State> {
        let mut lives = BTreeMap::new();
        for (name, live) in &self.lives {
            let [pidfd, channel] = Supervisor::channel_fds(live).map(|fd| pass(fd?, on));
            let life = Life {
                outer: live.outer.as_ref().map(|child| child.pid),
                inner: live.inner,
                ours: live.ours,
                pidfd,
                channel,
            };
            lives.insert(name.clone(), life);
        }
        let sockets = self.sockets.all();
        let sockets = sockets
            .filter_map(|(key, fd)| Some((key.clone(), pass(fd, on)?)))
            .collect();
        Some(State {
            pid: std::process::id(),
            master: self.master_path.clone(),
            master_text: self.master_text.clone(),
            machine: self.machine.clone(),
            lives,
            sockets,
            standbys: self.standbys.pass(on),
            pid_file: pass(self.pid_file.fd().as_fd(), on)?,
        })
    }
}
