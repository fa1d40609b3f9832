//! What the packages behind the features of language steps are called in Alpine.

use super::repository;
use crate::vagga::build::distro::Feature;
use crate::vagga::build::error::StepError;

/// Packages of a feature.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Packages {
    /// To stay in the image.
    pub kept: Vec<String>,
    /// For the build only.
    pub build: Vec<String>,
}

/// Parts of PHP that are packages of their own.
const PHP_PARTS: [&str; 9] = [
    "openssl", "phar", "pdo", "dom", "zip", "mbstring", "iconv", "curl", "ctype",
];

/// The packages of `feature` in a release; `names` are all that the repositories have.
pub fn packages<'a>(
    feature: Feature,
    version: &str,
    names: impl Iterator<Item = &'a str>,
) -> Result<Packages, StepError> {
    let kept = |list: &[&str]| {
        Ok(Packages {
            kept: strings(list),
            build: Vec::new(),
        })
    };
    let build = |list: &[&str]| {
        Ok(Packages {
            kept: Vec::new(),
            build: strings(list),
        })
    };
    match feature {
        Feature::BuildTools => build(&["build-base", "ca-certificates"]),
        Feature::Https => build(&["ca-certificates"]),
        Feature::Python3 => kept(&["python3"]),
        Feature::Python3Dev => build(&["python3-dev"]),
        Feature::Pip3 => build(&["py3-pip"]),
        Feature::Python2 | Feature::Python2Dev => Err(StepError::new(
            "Python 2 is not part of current releases of Alpine",
        )
        .with_hint(
            "use !Py3Install; or install an interpreter yourself and name it by !PipConfig python-exe",
        )),
        Feature::Node | Feature::Npm if repository::numbers(version).is_some_and(|v| v < (3, 9)) => {
            Err(StepError::new(format!(
                "Vagga does not support npm on Alpine {version} (use >= v3.9)"
            )))
        }
        Feature::Node | Feature::Npm => kept(&["nodejs", "npm"]),
        Feature::NodeDev => build(&["nodejs-dev"]),
        Feature::Php => {
            let php = newest_php(names)?;
            let parts = PHP_PARTS.iter().map(|part| format!("{php}-{part}"));
            Ok(Packages {
                kept: std::iter::once(php.clone()).chain(parts).collect(),
                build: Vec::new(),
            })
        }
        Feature::PhpDev => {
            let php = newest_php(names)?;
            Ok(Packages {
                kept: Vec::new(),
                build: vec![format!("{php}-dev")],
            })
        }
        Feature::Composer => build(&["composer"]),
        Feature::ComposerToKeep => kept(&["composer"]),
        Feature::Bundler => kept(&["ruby-bundler"]),
        Feature::Ruby => kept(&["ruby"]),
        Feature::RubyDev => build(&["ruby-dev"]),
        Feature::Git => build(&["git", "ca-certificates"]),
        Feature::Mercurial => build(&["mercurial", "ca-certificates"]),
    }
}

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

/// `php84` of `php83`, `php84`, `php84-dom`…
fn newest_php<'a>(names: impl Iterator<Item = &'a str>) -> Result<String, StepError> {
    names
        .filter_map(|name| name.strip_prefix("php")?.parse::<u32>().ok())
        .max()
        .map(|number| format!("php{number}"))
        .ok_or_else(|| {
            StepError::new("no repository of the container has PHP")
                .with_hint("add `- !Repo community` before the step")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_have_packages() {
        let names = ["php7", "php83", "php84", "php84-dom", "phpx"];
        let of = |feature, version| packages(feature, version, names.into_iter());
        assert_eq!(of(Feature::Https, "v3.22").unwrap().build, ["ca-certificates"]);
        assert_eq!(
            of(Feature::Php, "edge").unwrap().kept[..2],
            ["php84", "php84-openssl"]
        );
        assert_eq!(of(Feature::PhpDev, "edge").unwrap().build, ["php84-dev"]);
        assert!(packages(Feature::Php, "edge", std::iter::empty()).is_err());
        assert!(of(Feature::Npm, "v3.8")
            .unwrap_err()
            .message
            .contains("npm on Alpine v3.8 (use >= v3.9)"));
        assert_eq!(of(Feature::Npm, "v3.9").unwrap().kept, ["nodejs", "npm"]);
        assert_eq!(of(Feature::Node, "edge").unwrap().kept, ["nodejs", "npm"]);
    }
}
