//! The rules between the files: what a container file may ask for under a sandbox, and what a processes file may choose.
//!
//! One set of rules for `lithos_check`, the tree and the knot, so that what was never checked does not run either. Pure:
//! nothing here looks at the machine.

mod ids;
mod image;
mod limits;
mod ports;
mod process;
mod secrets;
mod standby;
mod variables;
mod volumes;

use std::fmt;

use crate::lithos::config::{Container, Sandbox};
use crate::lithos::instance::{Effective, Instance, InstanceName, Variables};

pub use ids::{effective_ids, maps, outside, Ids};
pub use image::check_image;
pub use limits::ceilings;
pub use secrets::SECRETS_DIR;
pub use standby::check_standby;
pub use variables::check_declarations;
pub use volumes::{host_path, HostPath};

/// A rule that is broken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The key, or what it is about.
    pub object: String,
    /// What is wrong and what to do.
    pub text: String,
}

impl Violation {
    /// A broken rule about a key.
    pub fn new(object: impl Into<String>, text: impl Into<String>) -> Violation {
        Violation {
            object: object.into(),
            text: text.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.object, self.text)
    }
}

/// Checks one instance against its sandbox. The result is what variables make of the file.
///
/// Errors: every rule that is broken.
pub fn check(
    sandbox: &Sandbox,
    container: &Container,
    instance: &Instance,
    name: &InstanceName,
) -> Result<Effective, Vec<Violation>> {
    let mut found = image::check_image(sandbox, instance);
    found.extend(process::check_name(name));
    found.extend(ids::check(sandbox, container));
    found.extend(process::check(container, instance));
    found.extend(secrets::check(sandbox, container));
    found.extend(variables::check_values(sandbox, container, instance));
    found.extend(volumes::check(sandbox, container));
    found.extend(limits::check(sandbox, container));
    found.extend(ports::check_address(sandbox, instance, name));
    let variables = Variables {
        declared: &container.variables,
        values: &instance.variables,
        name,
        config: &instance.config,
    };
    match Effective::of(container, &variables) {
        Ok(effective) => {
            found.extend(ports::check(sandbox, container, &effective));
            if found.is_empty() {
                return Ok(effective);
            }
        }
        Err(wrong) => found.extend(wrong.into_iter().map(split)),
    }
    found.sort();
    found.dedup();
    Err(found)
}

/// All of them in one line.
pub fn joined(found: &[Violation]) -> String {
    let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// Nothing may have been found.
///
/// Errors: what was, in one line.
pub fn require(found: Vec<Violation>) -> Result<(), String> {
    match found.is_empty() {
        true => Ok(()),
        false => Err(joined(&found)),
    }
}

/// `KEY: TEXT` as a violation.
fn split(text: String) -> Violation {
    match text.split_once(": ") {
        Some((object, rest)) => Violation::new(object, rest),
        None => Violation::new("variables", text),
    }
}

#[cfg(test)]
mod tests;
