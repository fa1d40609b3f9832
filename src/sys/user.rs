//! Users, groups and subordinate ids, read from the files themselves.
//!
//! No NSS: a static binary cannot load its modules, and an image's files must be read without its libraries.
//! Lines that make no sense are skipped in passwd(5) and group(5), as the C library does; in subuid(5) they are
//! errors, since a silently ignored range makes containers with wrong owners.

use std::fmt;

/// One line of passwd(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Home directory, possibly empty.
    pub home: String,
    /// Login shell, possibly empty.
    pub shell: String,
}

/// One line of group(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Group name.
    pub name: String,
    /// Group id.
    pub gid: u32,
    /// Names of the members.
    pub members: Vec<String>,
}

/// One line of subuid(5) or subgid(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubId {
    /// Name of the user (or its number), also in subgid(5).
    pub owner: String,
    /// First subordinate id.
    pub start: u32,
    /// How many ids, at least one; the last one is at most `u32::MAX - 1`.
    pub count: u32,
}

/// A line that is not `name:start:count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadLine {
    /// Line number, from 1.
    pub line: usize,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: Bad syntax", self.line)
    }
}

impl std::error::Error for BadLine {}

/// Users of a passwd file; bytes that are not UTF-8 are replaced.
pub fn parse_passwd(content: &[u8]) -> Vec<User> {
    let text = String::from_utf8_lossy(content);
    text.lines().filter_map(passwd_line).collect()
}

fn passwd_line(line: &str) -> Option<User> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|n| is_name(n))?;
    let _password = fields.next()?;
    Some(User {
        name: name.to_string(),
        uid: fields.next()?.parse().ok()?,
        gid: fields.next()?.parse().ok()?,
        home: fields.nth(1).unwrap_or_default().to_string(),
        shell: fields.next().unwrap_or_default().to_string(),
    })
}

/// Groups of a group file; bytes that are not UTF-8 are replaced.
pub fn parse_group(content: &[u8]) -> Vec<Group> {
    let text = String::from_utf8_lossy(content);
    text.lines().filter_map(group_line).collect()
}

fn group_line(line: &str) -> Option<Group> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|n| is_name(n))?;
    let _password = fields.next()?;
    let gid = fields.next()?.parse().ok()?;
    let members = fields.next().unwrap_or_default().split(',');
    Some(Group {
        name: name.to_string(),
        gid,
        members: members.filter(|m| !m.is_empty()).map(String::from).collect(),
    })
}

/// Not empty, no comment, none of the `+`/`-` lines of NIS.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with(['#', '+', '-'])
}

/// Ranges of a subuid or subgid file, of all users. Empty lines and lines beginning with `#` are skipped.
pub fn parse_subids(content: &[u8]) -> Result<Vec<SubId>, BadLine> {
    let text = String::from_utf8_lossy(content);
    let mut out = Vec::new();
    for (n, line) in text.lines().enumerate() {
        if !line.trim().is_empty() && !line.starts_with('#') {
            out.push(subid_line(line).ok_or(BadLine { line: n + 1 })?);
        }
    }
    Ok(out)
}

fn subid_line(line: &str) -> Option<SubId> {
    let mut fields = line.trim().split(':');
    let owner = fields.next().filter(|o| !o.is_empty())?;
    let start: u32 = number(fields.next()?)?;
    let count: u32 = number(fields.next()?)?;
    let ends_well = fields.next().is_none() && count > 0;
    // The id 2^32-1 is "no id" for the kernel.
    (ends_well && start.checked_add(count).is_some()).then(|| SubId {
        owner: owner.to_string(),
        start,
        count,
    })
}

/// Digits only: no sign, no blanks.
fn number(text: &str) -> Option<u32> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn passwd_and_group_lines() {
        let users = parse_passwd(
            b"root:x:0:0:root:/root:/bin/sh\n# no\n\nbad:x:y\n+::::::\nalice:x:1000:1001::/h\n\xff:\n",
        );
        let names: Vec<_> = users.iter().map(|u| (u.name.as_str(), u.uid, u.gid)).collect();
        assert_eq!(names, [("root", 0, 0), ("alice", 1000, 1001)]);
        assert_eq!(
            (users[0].home.as_str(), users[0].shell.as_str()),
            ("/root", "/bin/sh")
        );
        assert_eq!((users[1].home.as_str(), users[1].shell.as_str()), ("/h", ""));
        let groups = parse_group(b"audio:x:29:alice,bob\nnogroup:x:65534:\nx\n");
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[0].members, ["alice", "bob"]);
        assert!(groups[1].members.is_empty());
    }

    #[test]
    fn subids_add_up_and_errors_have_lines() {
        let ids = parse_subids(b"# head\nalice:100000:65536\n\nbob:1:1\nalice:300000:1\n").unwrap();
        assert_eq!(ids.len(), 3);
        assert_eq!((ids[0].start, ids[0].count), (100_000, 65_536));
        for bad in [
            "alice",
            "alice:1",
            "alice:1:0",
            "alice:-1:5",
            "alice:x:1",
            ":1:1",
            "a:1:1:1",
            "a:4294967295:1",
            "a:+1:1",
            "a::1",
        ] {
            let text = format!("bob:5:5\n{bad}\n");
            assert_eq!(parse_subids(text.as_bytes()), Err(BadLine { line: 2 }), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            parse_passwd(&bytes);
            parse_group(&bytes);
            let _ = parse_subids(&bytes);
        }
    }
}
