//! Secrets: there is a key for them, and files have names that lead nowhere else.

use std::path::Path;

use super::Violation;
use crate::lithos::config::{Container, Sandbox};

/// Where files with secrets are, in every container that has any.
pub const SECRETS_DIR: &str = "/run/secrets";

/// Longest name of a file of usual file systems, bytes.
const LONGEST: usize = 255;

pub(super) fn check(sandbox: &Sandbox, container: &Container) -> Vec<Violation> {
    let mut found = Vec::new();
    let in_file = container.secret_environ_file.is_some();
    let encrypted = !container.secret_environ.is_empty();
    if encrypted && in_file {
        let text = "and secret-environ-file cannot be used together";
        found.push(Violation::new("secret-environ", text));
    }
    let asking = [
        ("secret-environ", encrypted || in_file),
        ("secret-files", !container.secret_files.is_empty()),
    ];
    if sandbox.secrets_private_key.is_none() {
        let asking = asking.iter().filter(|(_, asks)| *asks);
        found.extend(
            asking.map(|(key, _)| Violation::new(*key, "needs `secrets-private-key` in the sandbox")),
        );
    }
    found.extend(container.secret_files.keys().filter_map(|name| check_name(name)));
    found.extend(check_place(container));
    found
}

fn check_name(name: &str) -> Option<Violation> {
    let fits = !matches!(name, "" | "." | "..")
        && name.len() <= LONGEST
        && !name.contains(|c: char| c == '/' || c.is_control());
    let text = format!("is no name of a file: at most {LONGEST} bytes, without `/` and control characters");
    (!fits).then(|| Violation::new(format!("secret-files.{}", name.escape_debug()), text))
}

/// What is mounted above would hide the mount point of the image, what is mounted below has none.
fn check_place(container: &Container) -> Vec<Violation> {
    if container.secret_files.is_empty() {
        return Vec::new();
    }
    let dir = Path::new(SECRETS_DIR);
    let in_the_way = |target: &&std::path::PathBuf| dir.starts_with(target) || target.starts_with(dir);
    let volumes = container.volumes.keys().filter(in_the_way);
    volumes
        .map(|target| {
            let text =
                format!("there can be no volume here beside `secret-files`, which are in {SECRETS_DIR}");
            Violation::new(format!("volumes.{}", target.display()), text)
        })
        .collect()
}
