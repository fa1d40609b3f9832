//! Who runs vagga and what the host grants him: the facts behind the id maps, read once.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sys::namespace::IdMap;
use crate::sys::user::parse_passwd;

/// Where the helpers are when PATH does not lead to them.
const USUAL_PLACE: &str = "/usr/bin";

/// A file of subordinate ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdFile {
    /// There is none.
    Missing,
    /// It exists, but reading failed for this reason.
    Unreadable(String),
    /// What it contains.
    Content(Vec<u8>),
}

/// The set-user-id programs that install maps for ordinary users.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Helpers {
    /// newuidmap(1).
    pub newuidmap: Option<PathBuf>,
    /// newgidmap(1).
    pub newgidmap: Option<PathBuf>,
    /// Found in the usual place, although not in PATH.
    pub fallback: bool,
}

/// Everything that decides about id maps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Effective user id.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
    /// Name of the user, the key of both files.
    pub name: String,
    /// `/etc/subuid`.
    pub subuid: IdFile,
    /// `/etc/subgid`.
    pub subgid: IdFile,
    /// `/proc/self/uid_map`; empty unless root.
    pub own_uid_map: IdMap,
    /// `/proc/self/gid_map`; empty unless root.
    pub own_gid_map: IdMap,
    /// newuidmap and newgidmap; not looked for when root.
    pub helpers: Helpers,
}

impl Caller {
    /// Reads the facts about this process.
    pub fn read() -> Caller {
        let uid = nix::unistd::geteuid().as_raw();
        let gid = nix::unistd::getegid().as_raw();
        let own = |file: &str| match uid {
            0 => fs::read_to_string(file)
                .and_then(|text| IdMap::parse(&text))
                .unwrap_or_default(),
            _ => IdMap::default(),
        };
        Caller {
            uid,
            gid,
            name: user_name(uid),
            subuid: id_file(Path::new("/etc/subuid")),
            subgid: id_file(Path::new("/etc/subgid")),
            own_uid_map: own("/proc/self/uid_map"),
            own_gid_map: own("/proc/self/gid_map"),
            helpers: match uid {
                0 => Helpers::default(),
                _ => find_helpers(std::env::var_os("PATH").as_deref().unwrap_or_default()),
            },
        }
    }
}

fn id_file(path: &Path) -> IdFile {
    match fs::read(path) {
        Ok(content) => IdFile::Content(content),
        Err(e) if e.kind() == io::ErrorKind::NotFound => IdFile::Missing,
        Err(e) => IdFile::Unreadable(e.to_string()),
    }
}

/// Name from `/etc/passwd`; only for users of other sources (LDAP…) `id -u -n` is asked; at worst the number.
fn user_name(uid: u32) -> String {
    let users = parse_passwd(&fs::read("/etc/passwd").unwrap_or_default());
    if let Some(user) = users.into_iter().find(|user| user.uid == uid) {
        return user.name;
    }
    let output = Command::new("id").args(["-u", "-n"]).output().ok();
    output
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .map(|name| name.trim().to_string())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| uid.to_string())
}

fn find_helpers(path: &std::ffi::OsStr) -> Helpers {
    let search = |dirs: &[PathBuf], name: &str| {
        dirs.iter()
            .map(|dir| dir.join(name))
            .find(|file| is_program(file))
    };
    let dirs: Vec<PathBuf> = std::env::split_paths(path)
        .filter(|dir| dir.is_absolute())
        .collect();
    let usual = [PathBuf::from(USUAL_PLACE)];
    let mut helpers = Helpers {
        newuidmap: search(&dirs, "newuidmap"),
        newgidmap: search(&dirs, "newgidmap"),
        fallback: false,
    };
    for (found, name) in [
        (&mut helpers.newuidmap, "newuidmap"),
        (&mut helpers.newgidmap, "newgidmap"),
    ] {
        if found.is_none() {
            *found = search(&usual, name);
            helpers.fallback |= found.is_some();
        }
    }
    helpers
}

fn is_program(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}
