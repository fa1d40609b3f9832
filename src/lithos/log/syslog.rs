//! Messages to the syslog daemon of the machine: datagrams of the form of RFC 3164 to its local socket, as syslog(3) sends
//! them. Nothing here waits or is repeated: what the daemon does not take at once is the caller's to keep.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::time::SystemTime;

use log::Level;

use crate::lithos::config::Master;
use crate::sys::clock;

/// Where daemons listen.
const SOCKETS: [&str; 2] = ["/dev/log", "/var/run/syslog"];
/// Longest datagram, bytes: daemons take at least so much.
const LONGEST: usize = 8192;

/// Names of facilities, at the place of their number (`syslog.h`); the numbers between are not used.
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "",
    "", "", "", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];

/// The number of a facility: any case, with or without `log_` in front.
pub fn facility(name: &str) -> Option<u8> {
    let name = name.to_ascii_lowercase();
    let name = name.strip_prefix("log_").unwrap_or(&name);
    let found = FACILITIES
        .iter()
        .position(|known| !known.is_empty() && *known == name)?;
    u8::try_from(found).ok()
}

/// A way to the daemon.
#[derive(Debug)]
pub struct Syslog {
    socket: UnixDatagram,
    /// It is looked for at each message, so that a daemon that has started again is found.
    by_path: bool,
    facility: u8,
    tag: String,
}

impl Syslog {
    /// As the master file asks: `None` if it does not. For the tree.
    ///
    /// Errors: a text that names the key.
    pub fn of_tree(master: &Master) -> Result<Option<Syslog>, String> {
        let tag = format!("{}[{}]", master.syslog_app_name, std::process::id());
        Syslog::new(master, tag)
    }

    /// For a process that leaves the root of the host, where the daemon can be found: connected now or never. Its messages say
    /// which container it is; its process id is 1.
    pub fn of_sandbox(master: &Master, sandbox: &str) -> Result<Option<Syslog>, String> {
        let made = Syslog::new(master, format!("{}-{sandbox}", master.syslog_app_name))?;
        Ok(made.map(|mut made| {
            made.by_path = !SOCKETS.iter().any(|path| made.socket.connect(path).is_ok());
            made
        }))
    }

    fn new(master: &Master, tag: String) -> Result<Option<Syslog>, String> {
        let Some(name) = &master.syslog_facility else {
            return Ok(None);
        };
        let facility = facility(name).ok_or_else(|| {
            format!("syslog-facility {name:?} is not known: one of daemon, user, local0 to local7…; logs go to files")
        })?;
        let socket = UnixDatagram::unbound().and_then(|socket| {
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        Ok(Some(Syslog {
            socket: socket.map_err(|e| format!("syslog-facility: {e}"))?,
            by_path: true,
            facility,
            tag,
        }))
    }

    /// Nothing of the host may be looked for by path any more: this process is going to leave its root.
    pub fn is_connected(&self) -> bool {
        !self.by_path
    }

    /// Sends one line. Errors: nobody listens, or the daemon has no room at the moment.
    pub fn send(&self, level: Level, line: &str) -> io::Result<()> {
        let bytes = packet(self.facility, level, &self.tag, line, SystemTime::now());
        if !self.by_path {
            return self.socket.send(&bytes).map(drop);
        }
        let mut last = io::Error::from_raw_os_error(libc::ENOENT);
        for path in SOCKETS {
            match self.socket.send_to(&bytes, path) {
                Ok(_) => return Ok(()),
                // That somebody is there says more than that somewhere else nobody is.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => last = e,
            }
        }
        Err(last)
    }
}

impl AsFd for Syslog {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// `<PRIORITY>Mmm dd hh:mm:ss TAG: LINE`, in local time.
fn packet(facility: u8, level: Level, tag: &str, line: &str, now: SystemTime) -> Vec<u8> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let severity = match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    };
    let priority = u32::from(facility) * 8 + severity;
    let time = clock::local(now).map_or_else(String::new, |d| {
        let month = MONTHS.get(usize::from(d.month).wrapping_sub(1)).unwrap_or(&"Jan");
        format!(
            "{month} {:2} {:02}:{:02}:{:02} ",
            d.day, d.hour, d.minute, d.second
        )
    });
    let mut text = format!("<{priority}>{time}{tag}: {line}");
    while text.len() > LONGEST {
        text.pop();
    }
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn facilities_have_the_numbers_of_syslog_h() {
        let number =
            |name: &str, number: libc::c_int| assert_eq!(facility(name), Some((number >> 3) as u8), "{name}");
        number("daemon", libc::LOG_DAEMON);
        number("LOG_DAEMON", libc::LOG_DAEMON);
        number("Log_Local7", libc::LOG_LOCAL7);
        number("local0", libc::LOG_LOCAL0);
        number("ftp", libc::LOG_FTP);
        number("authpriv", libc::LOG_AUTHPRIV);
        for bad in ["", "log_", "local8", "daemon ", "3"] {
            assert_eq!(facility(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn packets_are_those_of_syslog() {
        let at = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let text = String::from_utf8(packet(3, Level::Warn, "lithos[7]", "a text", at)).unwrap();
        let (head, rest) = text.split_at(5);
        assert_eq!(
            (head, text.len()),
            ("<28>N", "<28>Nov 14 22:13:20 lithos[7]: a text".len())
        );
        assert!(
            rest.starts_with("ov 1") && rest.ends_with(" lithos[7]: a text"),
            "{text}"
        );
        let early = packet(
            16,
            Level::Info,
            "x",
            "y",
            UNIX_EPOCH + Duration::from_secs(40 * 86_400),
        );
        assert!(early.starts_with(b"<134>Feb "), "{early:?}");
        let long = packet(3, Level::Error, "x", &"é".repeat(LONGEST), at);
        assert!(long.len() <= LONGEST && String::from_utf8(long).is_ok());
    }
}
