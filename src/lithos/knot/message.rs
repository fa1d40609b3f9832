//! What a knot tells the tree: messages of the start channel, and the record of how a container ended.
//!
//! The channel is a pair of `SOCK_SEQPACKET` sockets ([`Passage`]); the number of the knot's end is in the variable
//! [`START_FD`] of its environment. Each packet is one message as a JSON object with a single key. The tree says [`GO`] to
//! a standby and nothing else; the end of the channel (the other one is gone, or never understood it) is an event of its
//! own.

use std::os::fd::BorrowedFd;
use std::{fmt, io};

use serde_derive::{Deserialize, Serialize};

use crate::lithos::origin::Origin;
use crate::sys::passing::Passage;

/// Variable of the environment by which a tree says that the container must not outlive it.
pub const DIE_WITH_TREE: &str = "LITHOS_DIE_WITH_TREE";

/// Variable of the knot's environment with the descriptor number of its end; removed before the service starts.
pub const START_FD: &str = "LITHOS_START_FD";
/// Variable of the environment by which a tree asks for a container that waits, complete but for its process.
pub const STANDBY: &str = "LITHOS_STANDBY";
/// What the tree says to a standby whose turn has come.
pub const GO: &[u8] = b"{\"go\":true}";
/// Kernel name of the init of a standby, until its turn comes: by this it is known not to run anything.
pub const STANDBY_NAME: &std::ffi::CStr = c"lithos_standby";
/// Kernel name of a knot.
pub const KNOT_NAME: &std::ffi::CStr = c"lithos_knot";
/// Longest text of a failure that is sent, bytes; more is cut off.
const LONGEST: usize = 3000;

/// Exit codes of a knot.
pub mod exit {
    /// The process ended as it should, or after it was asked to stop.
    pub const NORMAL: u8 = 0;
    /// The container could not be set up; nothing of the service ran.
    pub const SETUP: u8 = 1;
    /// The process ended as it should not; also a wrong command line.
    pub const FAILURE: u8 = 2;
    /// The process did not end in `kill-timeout` after it was asked to stop.
    pub const TIMEOUT: u8 = 3;
}

/// One packet of the start channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// What the container is made from, before `Started`.
    Origin(Origin),
    /// The init of the container exists: its process id as the tree sees it, whose child it is from now on. With a
    /// pidfd of it as the packet's only descriptor where the kernel has pidfds. The sender exits with 0 soon after.
    Started(i32),
    /// Of a standby, after `Started`: what it was made from, as JSON of [`super::stamps::Stamp`]s in a memory file, the
    /// packet's only descriptor.
    Stamps(bool),
    /// Of a standby: everything is there, it waits for [`GO`].
    Parked(bool),
    /// The container could not be set up, why; the sender exits with [`exit::SETUP`].
    Failed(String),
    /// The service says that it is ready, or the condition of `ready:` became true; `false` = not in its time.
    Ready(bool),
    /// The main process ended and the knot is about to exit; also said for every end inside of a container with
    /// `restart-process-only`, after which the knot goes on (`restarts` tells).
    Exit(Outcome),
}

/// How the main process of a container ended; the line of the exit record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Exit code, 0 to 255, unless a signal ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u8>,
    /// Number of the signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// The kernel killed a process of the container for want of memory.
    pub oom: bool,
    /// It counts as an end without failure: the knot's exit code is 0.
    pub normal: bool,
    /// Seconds between the start of the process and its end.
    pub uptime: f64,
    /// The knot had been asked to stop.
    pub stop: bool,
    /// It was killed since it did not stop in `kill-timeout`.
    #[serde(default)]
    pub timeout: bool,
    /// The process is started again inside of the same container.
    #[serde(default)]
    pub restarts: bool,
}

impl Outcome {
    /// Exit code of the knot for this outcome.
    pub fn knot_code(&self) -> u8 {
        match (self.timeout, self.normal) {
            (true, _) => exit::TIMEOUT,
            (_, true) => exit::NORMAL,
            _ => exit::FAILURE,
        }
    }

    /// Reads an exit record: one JSON line; `None` for anything else.
    pub fn parse(text: &str) -> Option<Outcome> {
        serde_json::from_str(text.lines().next()?).ok()
    }

    /// The exit record, with the end of the line.
    pub fn to_line(&self) -> String {
        // Plain data: it cannot fail.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}

/// `exited with code 5`, `killed by signal SIGKILL[9]`, as logs and markers have it.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.signal, self.code) {
            (Some(signal), _) => write!(f, "killed by signal {}[{signal}]", signal_name(signal)),
            (None, code) => write!(f, "exited with code {}", code.unwrap_or_default()),
        }
    }
}

/// `SIGTERM` for 15; real-time signals and unknown ones are `SIGNAL`.
pub fn signal_name(number: i32) -> &'static str {
    nix::sys::signal::Signal::try_from(number).map_or("SIGNAL", |signal| signal.as_str())
}

/// Sends a message and at most one descriptor. Errors: the other end is gone (EPIPE), or full (EAGAIN).
pub fn send(channel: &Passage, message: &Message, fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let text = match message {
        Message::Failed(why) => serde_json::to_string(&Message::Failed(cut(why).into())),
        other => serde_json::to_string(other),
    };
    let fds: Vec<_> = fd.into_iter().collect();
    channel.send(text?.as_bytes(), &fds)
}

/// Reads the bytes of a packet; `None` for what no knot sends.
pub fn parse(packet: &[u8]) -> Option<Message> {
    serde_json::from_slice(packet).ok()
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    fn outcome() -> Outcome {
        Outcome {
            code: Some(5),
            signal: None,
            oom: false,
            normal: false,
            uptime: 1.5,
            stop: false,
            timeout: false,
            restarts: false,
        }
    }

    #[test]
    fn messages_are_json_objects_with_one_key() {
        for (message, text) in [
            (Message::Started(7), r#"{"started":7}"#),
            (Message::Ready(true), r#"{"ready":true}"#),
            (Message::Failed("why".into()), r#"{"failed":"why"}"#),
        ] {
            assert_eq!(serde_json::to_string(&message).unwrap(), text);
            assert_eq!(parse(text.as_bytes()), Some(message));
        }
        let end = Message::Exit(outcome());
        let text = serde_json::to_string(&end).unwrap();
        assert!(text.starts_with(r#"{"exit":{"code":5,"oom":false,"normal":false,"uptime":1.5,"stop":false"#));
        assert_eq!(parse(text.as_bytes()), Some(end));
        for bad in ["", "{}", "{\"exit\":{}}", "[1]", "{\"other\":1}"] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn record_is_one_line_and_reads_back() {
        let line = outcome().to_line();
        assert_eq!(line.matches('\n').count(), 1);
        assert_eq!(Outcome::parse(&line), Some(outcome()));
        assert_eq!(Outcome::parse(""), None);
        assert_eq!(Outcome::parse("{\"code\":300}"), None);
    }

    #[test]
    fn codes_and_words_of_an_end() {
        let mut end = outcome();
        assert_eq!(
            (end.knot_code(), end.to_string().as_str()),
            (2, "exited with code 5")
        );
        end.normal = true;
        assert_eq!(end.knot_code(), 0);
        (end.timeout, end.signal) = (true, Some(9));
        assert_eq!(
            (end.knot_code(), end.to_string().as_str()),
            (3, "killed by signal SIGKILL[9]")
        );
    }

    #[test]
    fn long_failures_are_cut_and_arrive_with_their_descriptor() {
        let (knot, tree) = Passage::pair().unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        send(&knot, &Message::Failed("é".repeat(4000)), Some(null.as_fd())).unwrap();
        let (text, fds) = tree.receive().unwrap().unwrap();
        let Some(Message::Failed(why)) = parse(&text) else {
            panic!("{text:?}")
        };
        assert!(why.len() <= LONGEST && why.starts_with('é') && fds.len() == 1);
    }
}
