//! What the packages behind the features of language steps are called in Debian and Ubuntu.

use crate::vagga::build::distro::Feature;
use crate::vagga::build::error::StepError;

/// Packages of a feature.
pub struct Packages {
    /// To stay in the image.
    pub kept: &'static [&'static str],
    /// For the build only.
    pub build: &'static [&'static str],
}

/// The packages of `feature`; an error explains what does not exist any more.
pub fn packages(feature: Feature) -> Result<Packages, StepError> {
    let (kept, build): (&[&str], &[&str]) = match feature {
        Feature::BuildTools => (&[], &["build-essential", "ca-certificates"]),
        Feature::Https => (&[], &["ca-certificates"]),
        Feature::Python3 => (&["python3"], &[]),
        Feature::Python3Dev => (&[], &["python3-dev"]),
        Feature::Python2 | Feature::Python2Dev => return Err(StepError::new(
            "Python 2 is not part of current releases of Debian and Ubuntu",
        )
        .with_hint(
            "use !Py3Install; or install an interpreter yourself and name it by !PipConfig python-exe",
        )),
        Feature::Pip3 => (&[], &["python3-pip"]),
        Feature::Node => (&["nodejs", "npm"], &[]),
        Feature::Npm => (&["npm"], &[]),
        Feature::NodeDev => (&[], &["libnode-dev"]),
        Feature::Php => (&["php-cli", "php-common", "php-zip", "php-xml"], &[]),
        Feature::PhpDev => (&[], &["php-dev"]),
        Feature::Composer => (&[], &["composer"]),
        Feature::ComposerToKeep => (&["composer"], &[]),
        Feature::Ruby => (&["ruby"], &[]),
        Feature::RubyDev => (&[], &["ruby-dev"]),
        Feature::Bundler => (&["bundler"], &[]),
        Feature::Git => (&[], &["git", "ca-certificates"]),
        Feature::Mercurial => (&[], &["mercurial", "ca-certificates"]),
    };
    Ok(Packages { kept, build })
}
