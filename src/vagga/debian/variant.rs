//! Variants of a new system: which packages it starts from.

use serde_derive::{Deserialize, Serialize};

use super::packages::{Package, Priority};

/// What a new system consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Variant {
    /// Packages marked `Essential: yes`.
    Essential,
    /// The same and apt.
    Apt,
    /// Priority required and apt.
    Minbase,
    /// The same and build-essential.
    Buildd,
    /// Priority required, important and standard, and apt.
    Standard,
}

impl Variant {
    /// By its name in `vagga.yaml`.
    pub fn parse(name: &str) -> Option<Variant> {
        Some(match name {
            "essential" => Variant::Essential,
            "apt" => Variant::Apt,
            "minbase" => Variant::Minbase,
            "buildd" => Variant::Buildd,
            "standard" => Variant::Standard,
            _ => return None,
        })
    }

    /// Name in `vagga.yaml`.
    pub fn name(self) -> &'static str {
        match self {
            Variant::Essential => "essential",
            Variant::Apt => "apt",
            Variant::Minbase => "minbase",
            Variant::Buildd => "buildd",
            Variant::Standard => "standard",
        }
    }

    /// Whether `package` belongs to it for its own sake.
    pub fn wants(self, package: Package<'_>) -> bool {
        let lowest = match self {
            Variant::Essential | Variant::Apt => return package.essential(),
            Variant::Minbase | Variant::Buildd => Priority::Required,
            Variant::Standard => Priority::Standard,
        };
        package.essential() || package.priority() <= lowest
    }

    /// Packages it has besides, by name.
    pub fn extra(self) -> &'static [&'static str] {
        match self {
            Variant::Essential => &[],
            Variant::Apt | Variant::Minbase | Variant::Standard => &["apt"],
            Variant::Buildd => &["apt", "build-essential"],
        }
    }
}
