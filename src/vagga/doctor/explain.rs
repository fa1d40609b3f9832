//! Why setting up a container fails: the stage, the errno and the surroundings give the remedy.
//!
//! Sources: user_namespaces(7); Debian's `kernel.unprivileged_userns_clone`; Ubuntu's "Restricted unprivileged user
//! namespaces" (23.10 and later); the documentation of Docker's seccomp and AppArmor profiles.

use super::facts::Surroundings;

/// A value that serves many containers, and that the kernel takes everywhere.
const ENOUGH_NAMESPACES: u32 = 15000;

/// Which step of setting up a container failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// clone(2) or unshare(2) with a new user namespace.
    Clone,
    /// Writing the id maps.
    Maps,
    /// Becoming id 0 inside.
    Ids,
    /// Changing mounts in the new namespace.
    Mount,
    /// Mounting a fresh `/proc`.
    Proc,
    /// Mounting an overlay.
    Overlay,
    /// clone(2) with a new network namespace.
    Network,
    /// Making a bridge.
    Bridge,
    /// Making a pair of devices.
    Cable,
    /// Filtering and translating IPv4 packets with nf_tables.
    Filter,
    /// Filtering what crosses a bridge with nf_tables.
    BridgeFilter,
}

impl Stage {
    /// All stages that are tried inside the new namespace, in order.
    pub const INSIDE: [Stage; 4] = [Stage::Ids, Stage::Mount, Stage::Proc, Stage::Overlay];

    /// All stages that are tried in a new network, in order.
    pub const NETWORKS: [Stage; 4] = [Stage::Bridge, Stage::Cable, Stage::Filter, Stage::BridgeFilter];

    /// What is tried, for messages.
    pub fn what(self) -> &'static str {
        match self {
            Stage::Clone => "creating a user namespace",
            Stage::Maps => "writing the id maps",
            Stage::Ids => "becoming root inside",
            Stage::Mount => "mounting a tmpfs",
            Stage::Proc => "mounting /proc",
            Stage::Overlay => "mounting an overlay",
            Stage::Network => "creating a network namespace",
            Stage::Bridge => "making a bridge",
            Stage::Cable => "making a veth pair",
            Stage::Filter => "making an nf_tables table",
            Stage::BridgeFilter => "making an nf_tables table for bridges",
        }
    }
}

/// What to do about `errno` at `stage`.
pub fn remedy(stage: Stage, errno: i32, s: &Surroundings) -> Option<String> {
    match (stage, errno) {
        (Stage::Clone, libc::ENOSPC | libc::EUSERS) => Some(too_many(s)),
        (Stage::Clone, libc::EINVAL | libc::ENOSYS) => {
            Some("use a kernel with user namespaces (CONFIG_USER_NS=y)".to_string())
        }
        (Stage::Clone, libc::EPERM | libc::EACCES) => forbidden(s),
        (Stage::Maps | Stage::Ids | Stage::Mount, libc::EPERM | libc::EACCES) => powerless(stage, s),
        (Stage::Proc, libc::EPERM) if s.container => Some(
            "parts of /proc are masked by an outer container; start it with \
             `--security-opt systempaths=unconfined` (docker, podman) or `--privileged`"
                .to_string(),
        ),
        (Stage::Overlay, libc::ENODEV) => Some("sudo modprobe overlay".to_string()),
        (Stage::Overlay, libc::EPERM) if !s.root => Some(
            "use Linux 5.11 or later, where users may mount overlays; until then files are copied"
                .to_string(),
        ),
        (Stage::Network, libc::ENOSPC | libc::EUSERS) => {
            Some(sysctl("user.max_net_namespaces", ENOUGH_NAMESPACES))
        }
        (Stage::Network, libc::EINVAL) => Some("use a kernel with CONFIG_NET_NS=y".to_string()),
        (Stage::Network, _) => forbidden(s),
        (Stage::Bridge | Stage::Cable | Stage::Filter | Stage::BridgeFilter, _) => Some(module(stage)),
        _ => None,
    }
}

/// A part of the kernel that is loaded by itself where it exists.
fn module(stage: Stage) -> String {
    let (modules, option) = match stage {
        Stage::Bridge => ("bridge", "CONFIG_BRIDGE"),
        Stage::Cable => ("veth", "CONFIG_VETH"),
        Stage::BridgeFilter => ("nf_tables", "CONFIG_NF_TABLES_BRIDGE"),
        _ => (
            "nf_tables nft_chain_nat nft_nat nft_masq",
            "CONFIG_NF_TABLES, CONFIG_NFT_NAT and CONFIG_NFT_MASQ",
        ),
    };
    format!(
        "sudo modprobe -a {modules} (no such module: sudo apt install linux-modules-extra-$(uname -r) on Ubuntu, \
         elsewhere a kernel with {option})"
    )
}

/// The sysctl now and after the next start.
pub fn sysctl(name: &str, value: impl std::fmt::Display) -> String {
    format!("echo {name}={value} | sudo tee /etc/sysctl.d/80-vagga.conf && sudo sysctl {name}={value}")
}

fn too_many(s: &Surroundings) -> String {
    match s.max_user_namespaces {
        Some(max) if max >= i64::from(ENOUGH_NAMESPACES) => format!(
            "all {max} user namespaces of this user are in use, or they are nested more than 32 deep; end some \
             containers"
        ),
        _ => sysctl("user.max_user_namespaces", ENOUGH_NAMESPACES),
    }
}

/// clone(2) itself is refused.
fn forbidden(s: &Surroundings) -> Option<String> {
    if s.unprivileged_userns_clone == Some(0) && !s.privileged {
        return Some(sysctl("kernel.unprivileged_userns_clone", 1));
    }
    if s.apparmor_restrict.is_some_and(|v| v != 0) && !s.privileged {
        return Some(apparmor(s));
    }
    if s.chroot {
        return Some(
            "user namespaces cannot be made in a chroot; leave it, or enter the tree with a tool that uses pivot_root \
             (systemd-nspawn, bwrap, unshare)"
                .to_string(),
        );
    }
    (s.container || s.seccomp).then(|| {
        "an outer container or sandbox forbids user namespaces; start it with `--security-opt seccomp=unconfined \
         --security-opt apparmor=unconfined` (docker, podman) or `--privileged`"
            .to_string()
    })
}

/// The namespace exists, but has no power in it.
fn powerless(stage: Stage, s: &Surroundings) -> Option<String> {
    if s.apparmor_restrict.is_some_and(|v| v != 0) && !s.privileged {
        return Some(apparmor(s));
    }
    if stage == Stage::Maps && s.no_new_privs {
        return Some(
            "newuidmap and newgidmap have no effect, because no_new_privs is set for this process by an outer sandbox \
             or service manager (NoNewPrivileges=, setpriv --no-new-privs); remove that restriction"
                .to_string(),
        );
    }
    if stage == Stage::Maps && !s.root {
        return Some("sudo chmod u+s /usr/bin/newuidmap /usr/bin/newgidmap".to_string());
    }
    s.container.then(|| {
        "an outer container forbids mounts; start it with `--security-opt seccomp=unconfined --security-opt \
         apparmor=unconfined` (docker, podman) or `--privileged`"
            .to_string()
    })
}

/// Ubuntu 23.10 and later: a profile that permits user namespaces to this program only.
fn apparmor(s: &Surroundings) -> String {
    format!(
        "printf 'abi <abi/4.0>,\\nprofile vagga {} flags=(unconfined) {{\\n  userns,\\n}}\\n' | sudo tee \
         /etc/apparmor.d/vagga && sudo apparmor_parser -r /etc/apparmor.d/vagga (or, for all programs: sudo sysctl \
         kernel.apparmor_restrict_unprivileged_userns=0)",
        s.program.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surroundings() -> Surroundings {
        Surroundings {
            max_user_namespaces: Some(100_000),
            program: "/usr/bin/vagga".into(),
            ..Surroundings::default()
        }
    }

    fn of(stage: Stage, errno: i32, s: &Surroundings) -> String {
        remedy(stage, errno, s).unwrap_or_default()
    }

    #[test]
    fn sysctls_of_distributions_are_named() {
        let mut s = surroundings();
        s.unprivileged_userns_clone = Some(0);
        let text = of(Stage::Clone, libc::EPERM, &s);
        assert!(
            text.contains("sudo sysctl kernel.unprivileged_userns_clone=1"),
            "{text}"
        );
        s.privileged = true;
        assert_eq!(of(Stage::Clone, libc::EPERM, &s), "");
        s.max_user_namespaces = Some(0);
        for errno in [libc::ENOSPC, libc::EUSERS] {
            let text = of(Stage::Clone, errno, &s);
            assert!(
                text.contains("sudo sysctl user.max_user_namespaces=15000"),
                "{text}"
            );
        }
        s.max_user_namespaces = Some(96_000);
        assert!(of(Stage::Clone, libc::ENOSPC, &s).contains("96000"));
    }

    #[test]
    fn apparmor_lets_clone_pass_and_refuses_later() {
        let mut s = surroundings();
        s.apparmor_restrict = Some(1);
        for stage in [Stage::Clone, Stage::Maps, Stage::Mount] {
            let text = of(stage, libc::EACCES, &s);
            assert!(
                text.contains("/etc/apparmor.d/vagga") && text.contains("profile vagga /usr/bin/vagga"),
                "{stage:?}: {text}"
            );
        }
        s.apparmor_restrict = Some(0);
        assert_eq!(of(Stage::Mount, libc::EACCES, &s), "");
    }

    #[test]
    fn outer_sandboxes_are_recognised() {
        let mut s = surroundings();
        assert_eq!(of(Stage::Clone, libc::EPERM, &s), "");
        s.container = true;
        assert!(of(Stage::Clone, libc::EPERM, &s).contains("seccomp=unconfined"));
        assert!(of(Stage::Proc, libc::EPERM, &s).contains("systempaths=unconfined"));
        s.chroot = true;
        assert!(of(Stage::Clone, libc::EPERM, &s).contains("chroot"));
        s.no_new_privs = true;
        assert!(of(Stage::Maps, libc::EPERM, &s).contains("no_new_privs"));
    }
}
