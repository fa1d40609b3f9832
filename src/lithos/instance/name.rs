//! Names of containers: `SB/PROC.N` of daemons, `SB/cmd.COMMAND.PID` of commands.

use std::fmt;

/// A name taken apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceName {
    /// The sandbox.
    pub sandbox: String,
    /// The process entry.
    pub process: String,
    /// Which of its containers.
    pub place: Place,
}

/// Which container of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Instance of a daemon, from 0.
    Index(u32),
    /// Process id of the `lithos_cmd` that runs the command.
    Command(u32),
}

impl InstanceName {
    /// A daemon.
    pub fn daemon(sandbox: &str, process: &str, index: u32) -> InstanceName {
        InstanceName {
            sandbox: sandbox.into(),
            process: process.into(),
            place: Place::Index(index),
        }
    }

    /// A command.
    pub fn command(sandbox: &str, command: &str, pid: u32) -> InstanceName {
        InstanceName {
            sandbox: sandbox.into(),
            process: command.into(),
            place: Place::Command(pid),
        }
    }

    /// Takes a name apart; `None` for what cannot be one, as with slashes or dots where a path would be led astray.
    pub fn parse(text: &str) -> Option<InstanceName> {
        let (sandbox, rest) = text.split_once('/')?;
        let (process, number) = rest.rsplit_once('.')?;
        let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        let number = digits.then(|| number.parse().ok()).flatten()?;
        let name = match process.strip_prefix("cmd.") {
            Some(command) => InstanceName::command(sandbox, command, number),
            None => InstanceName::daemon(sandbox, process, number),
        };
        (is_component(sandbox) && is_component(&name.process)).then_some(name)
    }

    /// The part below the sandbox: `PROC.N` or `cmd.COMMAND.PID`.
    pub fn directory(&self) -> String {
        let InstanceName { process, place, .. } = self;
        match place {
            Place::Index(index) => format!("{process}.{index}"),
            Place::Command(pid) => format!("cmd.{process}.{pid}"),
        }
    }

    /// Name of the control group, `SB:PROC.N.scope`.
    pub fn scope(&self) -> String {
        format!("{}:{}.scope", self.sandbox, self.directory())
    }
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.sandbox, self.directory())
    }
}

/// Whether a text can be one component of a path.
pub fn is_component(text: &str) -> bool {
    !matches!(text, "" | "." | "..") && !text.contains(['/', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        for (text, scope) in [
            ("shop/web.0", "shop:web.0.scope"),
            ("shop/a.b.12", "shop:a.b.12.scope"),
            ("shop/cmd.migrate.77", "shop:cmd.migrate.77.scope"),
        ] {
            let name = InstanceName::parse(text).unwrap();
            assert_eq!((name.to_string().as_str(), name.scope().as_str()), (text, scope));
        }
        let command = InstanceName::parse("shop/cmd.migrate.77").unwrap();
        assert_eq!(
            (command.process.as_str(), command.place),
            ("migrate", Place::Command(77))
        );
    }

    #[test]
    fn what_is_no_name() {
        for text in [
            "",
            "shop",
            "shop/web",
            "shop/web.",
            "shop/web.x",
            "shop/web.+1",
            "shop/a/b.0",
            "../x.0",
            "shop/...0",
            "/x.0",
            "a/cmd...1",
        ] {
            assert_eq!(InstanceName::parse(text), None, "{text:?}");
        }
    }
}
