//! The gateway: a network namespace between the host and the networks of all runs, which lasts until it is destroyed.
//!
//! `vagga _create_netns` makes it, once; only this touches the host's network and needs root (`sudo`, unless vagga is
//! root already). Without it children reach one another, but neither the outside nor are they reached from there.
//!
//! What is done to the host is a list of `Step`s, printed before it is done.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::mount::{mount, umount2, MntFlags, MsFlags};
use nix::sys::statfs::{fstatfs, FsType};

use crate::sys::netlink::nftables::{Chain, Family, Hook, Match, Rule, Table, Verdict};
use crate::sys::netlink::{Address, Ipv4Option, LinkKind, Netlink, Route};
use crate::sys::passing::Passage;
use crate::sys::process::{self, Fork, Namespaces, WaitOptions};
use crate::vagga::doctor::namespaces_refused;
use crate::vagga::failure::{exit, Failure};
use crate::vagga::ids;

use super::{by_ip_tables, install, legacy, lookup, said};

/// The host's end of the cable to the gateway.
const HOST_DEVICE: &str = "vagga";
/// The gateway's end.
pub const GUEST_DEVICE: &str = "vagga_guest";
/// Address of the host's end.
pub const HOST: Ipv4Addr = Ipv4Addr::new(172, 23, 255, 1);
/// Address of the gateway, under which the host reaches forwarded ports.
pub const GUEST: Ipv4Addr = Ipv4Addr::new(172, 23, 255, 2);
/// Network of the cable.
const CABLE: (Ipv4Addr, u8) = (Ipv4Addr::new(172, 23, 255, 0), 30);
/// Name of our tables.
const TABLE: &str = "vagga";
/// Magic number of the file system of namespaces (linux/magic.h).
const NSFS: FsType = FsType(0x6e73_6673);
/// Process id in the output of `--dry-run`.
const NO_PID: i32 = 123_456;
/// The host's switch for routing between devices.
const IP_FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";

/// Where the gateway of a user is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    dir: PathBuf,
}

/// The namespaces of the gateway.
#[derive(Debug)]
pub struct Opened {
    /// Its user namespace, with every id of the user.
    pub user: OwnedFd,
    /// Its network.
    pub net: OwnedFd,
}

/// Options of `_create_netns` and `_destroy_netns`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Only print.
    pub dry_run: bool,
    /// Leave the host's packet filters alone.
    pub no_iptables: bool,
    /// Only the part that needs root, on behalf of a user: `PID:DIRECTORY`.
    pub host_part: Option<String>,
}

/// One change of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Forward,
    Cable(i32),
    HostAddress,
    HostUp,
    RouteLocalnet,
    Keep(i32, &'static str, PathBuf),
    Rules(Table),
    Release(PathBuf),
    RemoveCable,
    RemoveRules,
}

impl Gateway {
    /// That of the caller: `$XDG_RUNTIME_DIR/vagga`, else `/tmp/vagga-EUID`.
    pub fn of_caller() -> Gateway {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let dir = match runtime.filter(|d| d.is_absolute()) {
            Some(dir) => dir.join("vagga"),
            None => PathBuf::from(format!("/tmp/vagga-{}", nix::unistd::geteuid())),
        };
        Gateway { dir }
    }

    /// `None` when it was not created, or its directory is not the caller's.
    pub fn open(&self) -> Option<Opened> {
        self.check_owner().ok()?;
        Some(Opened {
            user: namespace_file(&self.file("user"))?,
            net: namespace_file(&self.file("net"))?,
        })
    }

    fn file(&self, kind: &str) -> PathBuf {
        self.dir.join(format!("{kind}ns"))
    }

    /// Others could lead us into their network: the directory must be ours alone to write.
    fn check_owner(&self) -> io::Result<()> {
        let meta = fs::symlink_metadata(&self.dir)?;
        let ours = meta.is_dir() && meta.uid() == nix::unistd::geteuid().as_raw() && meta.mode() & 0o022 == 0;
        match ours {
            true => Ok(()),
            false => Err(io::Error::other(
                "it must be a directory of yours that nobody else can write",
            )),
        }
    }

    /// Creates the directory and both files.
    fn prepare(&self) -> io::Result<()> {
        match fs::DirBuilder::new().mode(0o700).create(&self.dir) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            result => result?,
        }
        self.check_owner()?;
        for kind in ["user", "net"] {
            fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(self.file(kind))?;
        }
        Ok(())
    }

    /// What creating changes on the host, for the process that holds the namespaces.
    fn creation(&self, pid: i32, no_iptables: bool) -> Vec<Step> {
        let mut steps = Vec::new();
        if fs::read_to_string(IP_FORWARD).is_ok_and(|text| text.trim() == "0") {
            steps.push(Step::Forward);
        }
        steps.extend([
            Step::Cable(pid),
            Step::HostAddress,
            Step::HostUp,
            Step::RouteLocalnet,
        ]);
        steps.extend(["net", "user"].map(|kind| Step::Keep(pid, kind, self.file(kind))));
        if !no_iptables {
            steps.push(Step::Rules(host_rules(lookup::local_resolver())));
        }
        steps
    }

    /// What destroying changes on the host.
    fn destruction(&self, no_iptables: bool) -> Vec<Step> {
        // The cable first: it goes by itself with the last namespace.
        let mut steps = vec![Step::RemoveCable];
        steps.extend(["net", "user"].map(|kind| Step::Release(self.file(kind))));
        if !no_iptables {
            steps.push(Step::RemoveRules);
        }
        steps
    }
}

/// An open namespace; `None` when the file is none (any more).
fn namespace_file(path: &Path) -> Option<OwnedFd> {
    let file = File::open(path).ok()?;
    let kind = fstatfs(&file).ok()?.filesystem_type();
    (kind == NSFS).then(|| file.into())
}

/// `vagga _create_netns`. Errors: exit 121.
pub fn create(options: &Options) -> Result<u8, Failure> {
    if let Some(part) = &options.host_part {
        let (pid, gateway) = read_part(part)?;
        return apply(&gateway.creation(pid, options.no_iptables)).map(|()| 0);
    }
    let gateway = Gateway::of_caller();
    for kind in ["net", "user"] {
        if namespace_file(&gateway.file(kind)).is_some() {
            let text = format!("Namespaces already created: {:?}", gateway.file(kind));
            return Err(Failure::new(exit::LAUNCHER, text).with_hint("`vagga _destroy_netns` removes them"));
        }
    }
    if options.dry_run {
        show(&gateway.creation(NO_PID, options.no_iptables), NO_PID);
        return Ok(0);
    }
    let in_dir = |e: io::Error| fail(format!("{:?}: {e}", gateway.dir));
    gateway.prepare().map_err(in_dir)?;
    hold(|pid| {
        show(&gateway.creation(pid, options.no_iptables), pid);
        let result = as_root("_create_netns", &gateway, pid, options, || {
            apply(&gateway.creation(pid, options.no_iptables))
        });
        if result.is_err() {
            remove_files(&gateway);
        }
        result
    })
    .map(|()| 0)
}

/// `vagga _destroy_netns`: what fails is said and is no failure. Errors: exit 121 when `sudo` fails.
pub fn destroy(options: &Options) -> Result<u8, Failure> {
    let gateway = match &options.host_part {
        Some(part) => read_part(part)?.1,
        None => Gateway::of_caller(),
    };
    let steps = gateway.destruction(options.no_iptables);
    if options.host_part.is_some() {
        undo(&steps);
        return Ok(0);
    }
    steps.iter().for_each(|step| println!("{step}"));
    if !options.dry_run {
        as_root("_destroy_netns", &gateway, 0, options, || {
            undo(&steps);
            Ok(())
        })?;
        remove_files(&gateway);
    }
    Ok(0)
}

fn undo(steps: &[Step]) {
    for step in steps {
        if let Err(e) = step.run() {
            log::warn!("{step}: {e}");
        }
    }
}

fn apply(steps: &[Step]) -> Result<(), Failure> {
    for (number, step) in steps.iter().enumerate() {
        if let Err(e) = step.run() {
            // Half a gateway serves nobody.
            undo_some(steps.get(..number).unwrap_or_default());
            return Err(fail(format!("{step}: {e}")));
        }
    }
    Ok(())
}

/// Takes back what has been done.
fn undo_some(done: &[Step]) {
    for step in done.iter().rev() {
        let back = match step {
            Step::Cable(_) => Step::RemoveCable,
            Step::Keep(_, _, path) => Step::Release(path.clone()),
            Step::Rules(_) => Step::RemoveRules,
            _ => continue,
        };
        undo(&[back]);
    }
}

fn remove_files(gateway: &Gateway) {
    for kind in ["net", "user"] {
        let _ = fs::remove_file(gateway.file(kind));
    }
    let _ = fs::remove_dir(&gateway.dir);
}

fn fail(message: String) -> Failure {
    Failure::new(
        exit::LAUNCHER,
        format!("Can't set up the network namespace: {message}"),
    )
}

/// Runs `direct` as root, or the same part of a vagga that sudo starts.
fn as_root(
    builtin: &str,
    gateway: &Gateway,
    pid: i32,
    options: &Options,
    direct: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    if nix::unistd::geteuid().is_root() {
        return direct();
    }
    let program = std::env::current_exe().map_err(|e| fail(e.to_string()))?;
    let mut command = Command::new("sudo");
    command.arg(program).arg(builtin);
    command
        .arg("--host-part")
        .arg(format!("{pid}:{}", gateway.dir.display()));
    if options.no_iptables {
        command.arg("--no-iptables");
    }
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(fail(format!("sudo: {status}"))),
        Err(e) => Err(fail(format!("sudo: {e}")).with_hint(format!("run `vagga {builtin}` as root"))),
    }
}

fn read_part(text: &str) -> Result<(i32, Gateway), Failure> {
    let part = text.split_once(':').and_then(|(pid, dir)| {
        let dir = PathBuf::from(dir);
        (dir.is_absolute()).then_some((pid.parse().ok()?, Gateway { dir }))
    });
    part.ok_or_else(|| Failure::new(exit::USAGE, "--host-part: expected PID:DIRECTORY"))
}

/// Makes the namespaces by a process that waits in them while `outside` works, and then sets up their network.
fn hold(outside: impl FnOnce(i32) -> Result<(), Failure>) -> Result<(), Failure> {
    let io_error = |e: io::Error| fail(e.to_string());
    let maps = ids::maximal()?;
    let (ours, theirs) = Passage::pair().map_err(io_error)?;
    let fork = process::fork(Namespaces::USER | Namespaces::NET)
        .map_err(|e| namespaces_refused("Can't create user namespace", &e))?;
    let Fork::Parent(holder) = fork else {
        drop(ours);
        let result = guest(&theirs);
        if let Err(e) = &result {
            let _ = theirs.send(e.to_string().as_bytes(), &[]);
        }
        process::exit_now(i32::from(result.is_err()));
    };
    drop(theirs);
    let result = maps.write(holder.pid).and_then(|()| outside(holder.pid));
    let result = result.and_then(|()| {
        ours.send(b"go", &[]).map_err(io_error)?;
        match ours.receive().map_err(io_error)? {
            Some((text, _)) if text == b"done" => Ok(()),
            Some((text, _)) => Err(fail(String::from_utf8_lossy(&text).into_owned())),
            None => Err(fail("the process in the namespace has ended".into())),
        }
    });
    drop(ours);
    process::wait(Some(holder.pid), WaitOptions::default()).map_err(io_error)?;
    result
}

/// In the gateway's namespaces, once the cable is there.
fn guest(from: &Passage) -> io::Result<()> {
    process::set_parent_death_signal(libc::SIGKILL)?;
    if from.receive()?.is_none() {
        return Ok(());
    }
    let mut here = Netlink::route()?;
    here.set_up("lo", true)?;
    here.add_address(GUEST_DEVICE, Address::v4(GUEST, CABLE.1))?;
    here.set_ipv4_option(GUEST_DEVICE, Ipv4Option::Forwarding, true)?;
    here.set_up(GUEST_DEVICE, true)?;
    here.add_route(&Route::default_via(HOST.into()))?;
    install(&guest_rules())?;
    from.send(b"done", &[])
}

fn rule(matches: Vec<Match>, verdict: Verdict) -> Rule {
    Rule { matches, verdict }
}

fn table(chains: Vec<Chain>) -> Table {
    Table {
        family: Family::Ip,
        name: TABLE.into(),
        chains,
    }
}

/// In the gateway: what leaves it for the host has its address.
fn guest_rules() -> Table {
    table(vec![Chain {
        hook: Hook::Postrouting,
        rules: vec![rule(vec![Match::To(GUEST_DEVICE.into())], Verdict::Masquerade)],
    }])
}

/// On the host: what comes from the gateway leaves with the host's address; questions for names go to the resolver
/// that only listens on a loopback address.
fn host_rules(resolver: Option<Ipv4Addr>) -> Table {
    let source = Match::Source(CABLE.0, CABLE.1);
    let mut chains = vec![Chain {
        hook: Hook::Postrouting,
        rules: vec![rule(vec![source], Verdict::Masquerade)],
    }];
    if let Some(resolver) = resolver {
        let from = || Match::From(HOST_DEVICE.into());
        let ask = |port| {
            let matches = vec![from(), Match::Destination(HOST, 32), port];
            rule(matches, Verdict::Redirect(resolver, 53))
        };
        chains.push(Chain {
            hook: Hook::Prerouting,
            rules: vec![ask(Match::TcpPort(53)), ask(Match::UdpPort(53))],
        });
        chains.push(Chain {
            hook: Hook::Input,
            rules: vec![rule(
                vec![from(), Match::Destination(resolver, 32)],
                Verdict::Accept,
            )],
        });
    }
    table(chains)
}

/// Everything that is done, the part in the gateway included.
fn show(steps: &[Step], pid: i32) {
    println!("# namespaces of process {pid}; on the host, as root:");
    steps.iter().for_each(|step| println!("{step}"));
    println!("# in the new network namespace:");
    println!("ip link set lo up");
    println!("ip addr add {GUEST}/{} dev {GUEST_DEVICE}", CABLE.1);
    println!("ip link set {GUEST_DEVICE} up");
    println!("ip route add default via {HOST}");
    print!("{}", said(&guest_rules()));
}

/// As the command of a shell that does the same.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Forward => write!(f, "sysctl net.ipv4.ip_forward=1"),
            Step::Cable(pid) => write!(
                f,
                "ip link add {HOST_DEVICE} type veth peer name {GUEST_DEVICE} netns {pid}"
            ),
            Step::HostAddress => write!(f, "ip addr add {HOST}/{} dev {HOST_DEVICE}", CABLE.1),
            Step::HostUp => write!(f, "ip link set {HOST_DEVICE} up"),
            Step::RouteLocalnet => write!(f, "sysctl net.ipv4.conf.{HOST_DEVICE}.route_localnet=1"),
            Step::Keep(pid, kind, path) => write!(f, "mount --bind /proc/{pid}/ns/{kind} {}", path.display()),
            Step::Rules(table) => {
                let program = match by_ip_tables() {
                    true => "iptables-legacy-restore --noflush",
                    false => "nft -f -",
                };
                write!(f, "{program} <<'END'\n{}END", said(table))
            }
            Step::Release(path) => write!(f, "umount {}", path.display()),
            Step::RemoveCable => write!(f, "ip link delete {HOST_DEVICE}"),
            Step::RemoveRules => match by_ip_tables() {
                true => write!(
                    f,
                    "iptables-legacy-restore --noflush  # -X {TABLE}-post and the like"
                ),
                false => write!(f, "nft delete table ip {TABLE}"),
            },
        }
    }
}

impl Step {
    fn run(&self) -> io::Result<()> {
        match self {
            Step::Forward => fs::write(IP_FORWARD, "1"),
            Step::Cable(pid) => {
                let netns = File::open(format!("/proc/{pid}/ns/net"))?;
                let (peer, netns) = (GUEST_DEVICE, Some(netns.as_fd()));
                Netlink::route()?.add_link(HOST_DEVICE, LinkKind::Veth { peer, netns })
            }
            Step::HostAddress => Netlink::route()?.add_address(HOST_DEVICE, Address::v4(HOST, CABLE.1)),
            Step::HostUp => Netlink::route()?.set_up(HOST_DEVICE, true),
            Step::RouteLocalnet => {
                Netlink::route()?.set_ipv4_option(HOST_DEVICE, Ipv4Option::RouteLocalnet, true)
            }
            Step::Keep(pid, kind, path) => keep(*pid, kind, path),
            Step::Rules(table) => install(table),
            Step::Release(path) => Ok(umount2(path, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW)?),
            Step::RemoveCable => Netlink::route()?.delete_link(HOST_DEVICE),
            Step::RemoveRules => Netlink::netfilter()
                .and_then(|mut filter| filter.delete_table(Family::Ip, TABLE))
                .or_else(|e| legacy::remove(TABLE).map_err(|_| e)),
        }
    }
}

/// Binds a namespace of the process to a file, which must not be a link.
fn keep(pid: i32, kind: &str, path: &Path) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::OpenOptionsExt;
    let target = fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_PATH)
        .open(path)?;
    if !target.metadata()?.is_file() {
        return Err(io::Error::other("is no regular file"));
    }
    let source = format!("/proc/{pid}/ns/{kind}");
    let target = format!("/proc/self/fd/{}", target.as_raw_fd());
    let none = None::<&str>;
    Ok(mount(
        Some(source.as_str()),
        target.as_str(),
        none,
        MsFlags::MS_BIND,
        none,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(steps: &[Step]) -> String {
        steps.iter().map(|s| format!("{s}\n")).collect()
    }

    #[test]
    fn creation_reads_like_a_script() {
        let gateway = Gateway {
            dir: "/run/x/vagga".into(),
        };
        let shown = text(&gateway.creation(NO_PID, true));
        for line in [
            "ip link add vagga type veth peer name vagga_guest netns 123456",
            "ip addr add 172.23.255.1/30 dev vagga",
            "sysctl net.ipv4.conf.vagga.route_localnet=1",
            "mount --bind /proc/123456/ns/net /run/x/vagga/netns",
            "mount --bind /proc/123456/ns/user /run/x/vagga/userns",
        ] {
            assert!(shown.contains(line), "{line}: {shown}");
        }
        assert!(!shown.contains("nft"), "{shown}");
        let destroyed = text(&gateway.destruction(false));
        assert!(
            destroyed.starts_with("ip link delete vagga\numount /run/x/vagga/netns\n")
                && destroyed.ends_with("nft delete table ip vagga\n"),
            "{destroyed}"
        );
    }

    #[test]
    fn a_local_resolver_needs_three_rules() {
        assert_eq!(host_rules(None).chains.len(), 1);
        let shown = host_rules(Some(Ipv4Addr::new(127, 0, 0, 53))).to_string();
        for line in [
            "iifname \"vagga\" ip daddr 172.23.255.1/32 tcp dport 53 dnat to 127.0.0.53:53",
            "iifname \"vagga\" ip daddr 172.23.255.1/32 udp dport 53 dnat to 127.0.0.53:53",
            "iifname \"vagga\" ip daddr 127.0.0.53/32 accept",
        ] {
            assert!(shown.contains(line), "{shown}");
        }
    }

    #[test]
    fn parts_for_root_name_process_and_directory() {
        assert!(read_part("12:/run/x").is_ok());
        for bad in ["", "12", "x:/run", "12:run"] {
            assert_eq!(read_part(bad).unwrap_err().exit, exit::USAGE, "{bad}");
        }
    }
}
