//! The log: lines `vagga: warning: …` on standard error, filtered by `RUST_LOG`.

use std::io::{self, Write};
use std::os::fd::AsFd;

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::sys::tty;

/// Name of this crate in log targets; users may leave it out of `RUST_LOG`.
const CRATE: &str = "orchestration::";

/// Which records are printed, read from `RUST_LOG`: `LEVEL`, `TARGET`, `TARGET=LEVEL`, separated by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Filter {
    default: LevelFilter,
    /// Prefixes of targets, the longest first.
    targets: Vec<(String, LevelFilter)>,
}

impl Filter {
    fn parse(text: &str) -> Filter {
        let mut filter = Filter {
            default: LevelFilter::Warn,
            targets: Vec::new(),
        };
        // What follows a slash is a filter on the message in other programs; it is ignored here.
        let directives = text.split('/').next().unwrap_or_default();
        for part in directives.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            match (part.split_once('='), part.parse()) {
                (Some((target, level)), _) => {
                    if let Ok(level) = level.trim().parse() {
                        filter.targets.push((target.trim().to_string(), level));
                    }
                }
                (None, Ok(level)) => filter.default = level,
                (None, Err(_)) => filter.targets.push((part.to_string(), LevelFilter::Trace)),
            }
        }
        filter
            .targets
            .sort_by_key(|(target, _)| std::cmp::Reverse(target.len()));
        filter
    }

    fn level_for(&self, target: &str) -> LevelFilter {
        let short = target.strip_prefix(CRATE).unwrap_or(target);
        let within = |prefix: &str| {
            [target, short].iter().any(|t| {
                t.strip_prefix(prefix)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
            })
        };
        self.targets
            .iter()
            .find(|(prefix, _)| within(prefix))
            .map_or(self.default, |(_, level)| *level)
    }

    fn highest(&self) -> LevelFilter {
        self.targets
            .iter()
            .map(|(_, level)| *level)
            .fold(self.default, |a, b| a.max(b))
    }
}

struct Writer {
    filter: Filter,
    style: Style,
}

/// When the name of the level is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// On a terminal; asked for each line, so that silent runs need no system call.
    Auto,
    Always,
    Never,
}

impl Style {
    fn colour(self) -> bool {
        match self {
            Style::Auto => tty::is_terminal(io::stderr().as_fd()),
            Style::Always => true,
            Style::Never => false,
        }
    }
}

impl Log for Writer {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= self.filter.level_for(metadata.target())
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = format_line(record.level(), &record.args().to_string(), self.style.colour());
            // Nothing can be done about a closed standard error.
            let _ = io::stderr().lock().write_all(line.as_bytes());
        }
    }

    fn flush(&self) {}
}

/// One write for each record, so that lines of several processes do not mix.
fn format_line(level: Level, message: &str, colour: bool) -> String {
    let (name, code) = match level {
        Level::Error => ("error", 31),
        Level::Warn => ("warning", 33),
        Level::Info => ("info", 32),
        Level::Debug => ("debug", 36),
        Level::Trace => ("trace", 35),
    };
    if colour {
        format!("vagga: \x1b[{code}m{name}\x1b[0m: {message}\n")
    } else {
        format!("vagga: {name}: {message}\n")
    }
}

/// Starts logging; later calls have no effect. `env` gives `RUST_LOG` and `RUST_LOG_STYLE`.
pub fn start(env: &dyn Fn(&str) -> Option<String>) {
    let filter = Filter::parse(&env("RUST_LOG").unwrap_or_default());
    let highest = filter.highest();
    let style = match env("RUST_LOG_STYLE").as_deref() {
        Some("always") => Style::Always,
        Some("never") => Style::Never,
        _ => Style::Auto,
    };
    if log::set_logger(Box::leak(Box::new(Writer { filter, style }))).is_ok() {
        log::set_max_level(highest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_the_default() {
        for text in ["", "nonsense=x", ",,", "warn", "WARN"] {
            let f = Filter::parse(text);
            assert_eq!(
                f.level_for("orchestration::vagga::build"),
                LevelFilter::Warn,
                "{text}"
            );
        }
    }

    #[test]
    fn targets_may_leave_out_the_crate() {
        let f = Filter::parse("error,vagga::build=debug,orchestration::vagga::run=off,vagga=info");
        for (target, level) in [
            ("orchestration::vagga::build::step", LevelFilter::Debug),
            ("orchestration::vagga::run", LevelFilter::Off),
            ("orchestration::vagga::builder", LevelFilter::Info),
            ("rustls::client", LevelFilter::Error),
        ] {
            assert_eq!(f.level_for(target), level, "{target}");
        }
        assert_eq!(f.highest(), LevelFilter::Debug);
        assert_eq!(
            Filter::parse("vagga").level_for("orchestration::vagga"),
            LevelFilter::Trace
        );
    }

    #[test]
    fn lines() {
        assert_eq!(format_line(Level::Warn, "x: y", false), "vagga: warning: x: y\n");
        assert_eq!(
            format_line(Level::Error, "x", true),
            "vagga: \x1b[31merror\x1b[0m: x\n"
        );
    }
}
