//! The minimal `/dev`: what programs rely on and nothing that reaches the host's hardware.

use std::path::PathBuf;

use super::plan::{Op, Owner};

/// Devices without which ordinary programs fail.
const NEEDED: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
/// Devices that every user of the host may open and that tools of developers want: virtual machines, FUSE.
const OPTIONAL: [&str; 2] = ["kvm", "fuse"];
/// Links into procfs, see proc(5), and the multiplexer of our own devpts.
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Operations that make `/dev`; the image must have the directory.
pub fn minimal() -> Vec<Op> {
    let dev = PathBuf::from("/dev");
    let dir = |path: &str, mode| Op::Dir {
        path: dev.join(path),
        mode,
        owner: Owner::default(),
    };
    let device = |name: &str, optional| Op::Device {
        path: dev.join(name),
        optional,
    };
    let mut ops = vec![Op::Tmpfs {
        target: dev.clone(),
        size: None,
        mode: 0o755,
        owner: Owner::default(),
    }];
    ops.extend(NEEDED.map(|name| device(name, false)));
    ops.extend(OPTIONAL.map(|name| device(name, true)));
    ops.extend([dir("net", 0o755), dir("shm", 0o1777), dir("pts", 0o755)]);
    ops.extend(LINKS.map(|(name, to)| Op::Symlink {
        path: dev.join(name),
        to: to.into(),
    }));
    // Entries of one directory come together: the interpreter then opens it once.
    ops.push(device("net/tun", true));
    ops.push(Op::Devpts {
        target: dev.join("pts"),
        tty: true,
    });
    ops
}
