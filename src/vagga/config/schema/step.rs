//! Tags of `setup:`.

use super::step_keys::*;
use super::{ABSOLUTE, ENVIRON, PATH, STRINGS};
use crate::config::schema::{variant, KeyRule, Kind, PathRule, Variant};

/// A build step.
pub const STEP: Kind = Kind::Tagged {
    variants: STEPS,
    default: None,
};

/// File of the steps that read pip requirements.
const REQUIREMENTS: Kind = Kind::PathDefault("requirements.txt");

const STEPS: &[Variant] = &[
    variant("Alpine", Kind::Text, "Alpine base system by release."),
    variant(
        "AlpineRepo",
        Kind::Structure(&ALPINE_REPO),
        "Further apk repository.",
    ),
    variant("Debian", Kind::Text, "Debian base system by codename."),
    variant(
        "DebianRelease",
        Kind::Structure(&DEBIAN_RELEASE),
        "Debian base system in detail.",
    ),
    variant(
        "FromImage",
        Kind::Structure(&FROM_IMAGE),
        "Start from an OCI image of a registry, directory or archive.",
    ),
    variant("Ubuntu", Kind::Text, "Ubuntu base system by codename."),
    variant(
        "UbuntuRelease",
        Kind::Structure(&UBUNTU_RELEASE),
        "Ubuntu base system in detail.",
    ),
    variant("UbuntuRepo", Kind::Structure(&UBUNTU_REPO), "Further apt source."),
    variant("UbuntuPPA", Kind::Text, "Launchpad PPA, OWNER/NAME."),
    variant("UbuntuUniverse", Kind::Nothing, "Enable the universe component."),
    variant(
        "AptTrust",
        Kind::Structure(&APT_TRUST),
        "Import keys of apt archives.",
    ),
    variant("Repo", Kind::Text, "Official repository by short name."),
    variant("Install", STRINGS, "Install packages."),
    variant(
        "BuildDeps",
        STRINGS,
        "Install packages for the time of the build.",
    ),
    variant("Git", Kind::Structure(&GIT), "Check out a repository."),
    variant(
        "GitInstall",
        Kind::Structure(&GIT_INSTALL),
        "Check out a repository and run a script in it.",
    ),
    variant(
        "GitDescribe",
        Kind::Structure(&GIT_DESCRIBE),
        "Put `git describe` into the version and a file.",
    ),
    variant("PipConfig", Kind::Structure(&PIP_CONFIG), "Settings of pip."),
    variant("Py2Install", STRINGS, "Python 2 packages."),
    variant(
        "Py2Requirements",
        REQUIREMENTS,
        "Python 2 packages from a requirements file.",
    ),
    variant("Py3Install", STRINGS, "Python 3 packages."),
    variant(
        "Py3Requirements",
        REQUIREMENTS,
        "Python 3 packages from a requirements file.",
    ),
    variant(
        "NpmConfig",
        Kind::Structure(&NPM_CONFIG),
        "Settings of npm and yarn.",
    ),
    variant("NpmInstall", STRINGS, "Global npm packages."),
    variant(
        "NpmDependencies",
        Kind::Structure(&NPM_DEPENDENCIES),
        "npm packages from package.json.",
    ),
    variant(
        "YarnDependencies",
        Kind::Structure(&YARN_DEPENDENCIES),
        "yarn packages from yarn.lock.",
    ),
    variant("GemConfig", Kind::Structure(&GEM_CONFIG), "Settings of gem."),
    variant("GemInstall", STRINGS, "Ruby gems."),
    variant(
        "GemBundle",
        Kind::Structure(&GEM_BUNDLE),
        "Ruby gems from a Gemfile.",
    ),
    variant(
        "ComposerConfig",
        Kind::Structure(&COMPOSER_CONFIG),
        "Settings of composer.",
    ),
    variant("ComposerInstall", STRINGS, "Global composer packages."),
    variant(
        "ComposerDependencies",
        Kind::Structure(&COMPOSER_DEPENDENCIES),
        "composer packages from composer.json.",
    ),
    variant("Tar", Kind::Structure(&TAR), "Unpack a tar archive."),
    variant(
        "TarInstall",
        Kind::Structure(&TAR_INSTALL),
        "Unpack a tar archive and run a script in it.",
    ),
    variant("Unzip", Kind::Structure(&UNZIP), "Unpack a zip archive."),
    variant("Download", Kind::Structure(&DOWNLOAD), "Fetch one file."),
    variant(
        "Text",
        Kind::Map(KeyRule::Path(PathRule::Absolute), &Kind::Text),
        "Write small files, by absolute path.",
    ),
    variant("Copy", Kind::Structure(&COPY), "Copy files."),
    variant(
        "Depends",
        Kind::Structure(&DEPENDS),
        "Put files into the version only.",
    ),
    variant("EnsureDir", ABSOLUTE, "Create a directory."),
    variant("EmptyDir", ABSOLUTE, "Empty a directory at the end."),
    variant("Remove", ABSOLUTE, "Delete something now and at the end."),
    variant(
        "CacheDirs",
        Kind::Map(KeyRule::Path(PathRule::Absolute), &PATH),
        "Cache directories of the build, by absolute path.",
    ),
    variant("Sh", Kind::Text, "Run a shell script."),
    variant("Cmd", Kind::FilledList(&Kind::Text), "Run a program."),
    variant(
        "RunAs",
        Kind::Structure(&RUN_AS),
        "Run a shell script as another user.",
    ),
    variant("Env", ENVIRON, "Variables of the build."),
    variant("Container", Kind::Text, "Start from another container."),
    variant(
        "Build",
        Kind::Structure(&BUILD),
        "Take files from another container.",
    ),
    variant(
        "SubConfig",
        Kind::Structure(&SUB_CONFIG),
        "Take the steps of a container of another file.",
    ),
];
