//! From a vagga container and its commands to the files of lithos, as text; what has no counterpart is said.
//!
//! Pure: nothing is read or written here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::yaml::{document, Node};
use crate::sys::namespace::{IdMap, IdMapping};
use crate::vagga::config::command::{CommandInfo, Pid1Mode, Restart, WriteMode};
use crate::vagga::config::{Container, Volume};
use crate::vagga::ids::IdMaps;

/// Directory of the configurations inside of the image.
pub const CONFIG_DIR: &str = "/config";
/// Default size of tmpfs volumes, as in vagga, bytes.
const DEFAULT_SIZE: u64 = 100 << 20;
/// The smallest size that limits a tmpfs, bytes.
const SMALLEST_SIZE: u64 = 1;

/// How lithos shall see a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A child of a supervised group: runs all the time.
    Daemon,
    /// A command: runs when somebody calls it.
    Command,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Daemon => "Daemon",
            Kind::Command => "Command",
        }
    }
}

/// One process to translate.
pub struct Process<'a> {
    /// Its name for lithos.
    pub name: String,
    /// How it runs.
    pub kind: Kind,
    /// Its configuration.
    pub info: &'a CommandInfo,
    /// The command line, its first word an absolute path.
    pub argv: Vec<String>,
}

/// What is translated.
pub struct Input<'a> {
    /// Name of the container.
    pub name: &'a str,
    /// Name of the image's directory.
    pub image: &'a str,
    /// Its configuration.
    pub container: &'a Container,
    /// Variables of every process, weaker than those of the container: automatic ones, of the OCI image, `environ-file`.
    pub environ: BTreeMap<String, String>,
    /// How ids of the container are ids of the host.
    pub ids: &'a IdMaps,
    /// The processes.
    pub processes: Vec<Process<'a>>,
}

/// Files for lithos.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Container files by the name of the process; they belong into [`CONFIG_DIR`] of the image.
    pub configs: BTreeMap<String, String>,
    /// The sandbox file.
    pub sandbox: String,
    /// The processes file.
    pub processes: String,
    /// Directories that the image must have.
    pub mount_points: BTreeSet<PathBuf>,
    /// What is not the same in production, one line each.
    pub notes: Vec<String>,
}

/// What the processes together want of the sandbox.
#[derive(Default)]
struct Wants {
    readable: BTreeMap<String, String>,
    writable: BTreeMap<String, String>,
    users: BTreeSet<u32>,
    groups: BTreeSet<u32>,
    ports: BTreeSet<u16>,
}

/// Translates.
pub fn translate(input: &Input) -> Output {
    let mut out = Output::default();
    let mut wants = Wants::default();
    let mut entries = Vec::new();
    for process in &input.processes {
        let config = container_file(input, process, &mut wants, &mut out);
        out.configs.insert(process.name.clone(), config);
        let keys = [
            ("kind", Node::Word(process.kind.word())),
            ("image", Node::text(input.image)),
            (
                "config",
                Node::text(format!("{CONFIG_DIR}/{}.yaml", process.name)),
            ),
        ];
        let keys = keys.map(|(k, v)| (k.to_owned(), v)).to_vec();
        entries.push((process.name.clone(), Node::Map(keys)));
    }
    out.processes = document(&entries);
    out.sandbox = sandbox_file(input, &wants);
    out
}

fn container_file(input: &Input, process: &Process, wants: &mut Wants, out: &mut Output) -> String {
    let info = process.info;
    let mut note = |what: &str| out.notes.push(format!("{}: {what}", process.name));
    for what in lost(process) {
        note(what);
    }
    let ready = ready(info, &mut note);
    let work_dir = work_dir(info, &mut note);
    let volumes = volumes(input, process, wants, &mut out.mount_points, &mut note);
    let (program, arguments) = match process.argv.split_first() {
        Some((program, rest)) => (program.clone(), rest.to_vec()),
        None => (String::new(), Vec::new()),
    };
    wants.users.insert(info.user_id);
    wants.groups.insert(info.group_id);
    let mut keys = vec![
        ("kind", Node::Word(process.kind.word())),
        ("user-id", Node::Number(info.user_id.into())),
        ("group-id", Node::Number(info.group_id.into())),
        ("executable", Node::Text(program)),
        (
            "arguments",
            Node::texts(arguments.iter().map(|a| escape(a, &mut note))),
        ),
        ("workdir", Node::Text(work_dir)),
        ("environ", environ(input, info, &mut note)),
        ("volumes", Node::Map(volumes)),
    ];
    if process.kind == Kind::Command {
        keys.push(("interactive", Node::Bool(true)));
    }
    keys.extend(ready.map(|ready| ("ready", ready)));
    if let Some((mut host, port)) = info.common.pass_tcp_socket.as_deref().and_then(address) {
        wants.ports.insert(port);
        if host.parse::<IpAddr>().is_err() {
            note(&format!(
                "pass-tcp-socket: {host:?} is not looked up in production: it listens on 127.0.0.1 until you write an address"
            ));
            host = "127.0.0.1".into();
        }
        let socket = vec![
            ("fd".to_owned(), Node::Number(3)),
            ("host".to_owned(), Node::Text(host)),
        ];
        let sockets = vec![(port.to_string(), Node::Map(socket))];
        keys.push(("tcp-ports", Node::Map(sockets)));
    }
    let keys: Vec<_> = keys.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
    document(&keys)
}

/// Keys that lithos has nothing for, each with what holds instead.
fn lost(process: &Process) -> impl Iterator<Item = &'static str> {
    let info = process.info;
    let common = &info.common;
    let keys = [
        (
            info.supplementary_gids.iter().any(|gid| *gid != info.group_id),
            "supplementary-gids have no counterpart: processes have one group",
        ),
        (
            info.external_user_id.is_some(),
            "external-user-id has no counterpart: files belong to its user-id",
        ),
        (
            info.write_mode != WriteMode::read_only,
            "write-mode has no counterpart: images are read-only, give it volumes to write to",
        ),
        (
            info.pid1mode == Pid1Mode::wait_all_children,
            "pid1mode wait-all-children has no counterpart: the container ends with its process",
        ),
        (
            !common.prerequisites.is_empty(),
            "prerequisites are not run: deploy what they make, or call them with lithos_cmd first",
        ),
        (
            common.options.is_some(),
            "options have no counterpart: arguments are passed on as they are, VAGGAOPT_… and VAGGACLI_… are not set",
        ),
        (
            common.isolate_network,
            "isolate-network has no counterpart: it has the network of the host, or that of its sandbox",
        ),
        (
            info.network.is_some(),
            "network has no counterpart: it has no address of its own, let it listen on the port that clients use",
        ),
        (
            !info.after.is_empty(),
            "after has no counterpart: all processes start at once, let it try again until the others answer",
        ),
        (
            process.kind == Kind::Daemon && info.restart == Restart::on_failure,
            "restart on-failure has no counterpart: a daemon is started again whatever its status",
        ),
    ];
    keys.into_iter().filter_map(|(set, what)| set.then_some(what))
}

/// Lithos looks at ports and files; it runs no programs.
fn ready(info: &CommandInfo, note: &mut impl FnMut(&str)) -> Option<Node> {
    let ready = info.ready.as_ref()?;
    let condition = match (ready.tcp.as_deref().and_then(address), &ready.file) {
        (Some((_, port)), _) => ("tcp", Node::Text(port.to_string())),
        (None, Some(path)) => ("file", Node::Text(path.display().to_string())),
        (None, None) => {
            note("the command of `ready` has no counterpart: let the process say so itself (sd_notify), or open a port");
            return None;
        }
    };
    let keys = [condition, ("timeout", Node::Number(ready.timeout.div_ceil(1000)))];
    Some(Node::Map(keys.map(|(k, v)| (k.to_owned(), v)).to_vec()))
}

/// `@{` begins a variable for lithos and cannot be written otherwise.
fn escape(text: &str, note: &mut impl FnMut(&str)) -> String {
    if text.contains("@{") {
        note("the text `@{` is taken for a variable by lithos: change the command");
    }
    text.to_owned()
}

fn environ(input: &Input, info: &CommandInfo, note: &mut impl FnMut(&str)) -> Node {
    let mut all = input.environ.clone();
    all.extend(input.container.environ.clone());
    all.extend(info.environ.clone());
    Node::Map(
        all.into_iter()
            .map(|(k, v)| (k, Node::Text(escape(&v, note))))
            .collect(),
    )
}

/// The project is not there in production.
fn work_dir(info: &CommandInfo, note: &mut impl FnMut(&str)) -> String {
    match &info.work_dir {
        Some(dir) if dir.is_absolute() && !dir.starts_with("/work") => dir.display().to_string(),
        _ => {
            note("works in /work, which is empty in production: copy what it needs into the image (`!Copy`) and set work-dir");
            "/work".into()
        }
    }
}

/// `PORT`, `HOST:PORT`, `*:PORT`.
fn address(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':').unwrap_or(("127.0.0.1", text));
    let host = match host.trim_matches(['[', ']']) {
        "*" | "" => "0.0.0.0",
        "localhost" => "127.0.0.1",
        host => host,
    };
    Some((host.to_owned(), port.parse().ok()?))
}

fn volumes(
    input: &Input,
    process: &Process,
    wants: &mut Wants,
    mount_points: &mut BTreeSet<PathBuf>,
    note: &mut impl FnMut(&str),
) -> Vec<(String, Node)> {
    let tmpfs = |mode| {
        Node::tagged(
            "Tmpfs",
            vec![("size", Node::Number(DEFAULT_SIZE)), ("mode", Node::Octal(mode))],
        )
    };
    let mut all: BTreeMap<PathBuf, Option<Node>> = BTreeMap::from([
        (PathBuf::from("/tmp"), Some(tmpfs(0o1777))),
        (PathBuf::from("/run"), Some(tmpfs(0o755))),
    ]);
    for (path, volume) in input.container.volumes.iter().chain(&process.info.volumes) {
        let mut note = |why: &str| note(&format!("volume {}: {why}", path.display()));
        all.insert(path.clone(), one_volume(input.name, volume, wants, &mut note));
    }
    let all = all.into_iter().filter_map(|(path, node)| Some((path, node?)));
    all.map(|(path, node)| {
        let text = path.display().to_string();
        mount_points.insert(path);
        (text, node)
    })
    .collect()
}

fn one_volume(
    container: &str,
    volume: &Volume,
    wants: &mut Wants,
    note: &mut impl FnMut(&str),
) -> Option<Node> {
    match volume {
        Volume::Tmpfs(t) => {
            if !t.subdirs.is_empty() || !t.files.is_empty() {
                note("files and directories in a tmpfs have no counterpart, it begins empty");
            }
            Some(Node::tagged(
                "Tmpfs",
                vec![("size", Node::Number(t.size)), ("mode", Node::Octal(t.mode))],
            ))
        }
        // A size of 0 would be no limit at all.
        Volume::Empty => Some(Node::tagged(
            "Tmpfs",
            vec![("size", Node::Number(SMALLEST_SIZE)), ("mode", Node::Octal(0))],
        )),
        Volume::Snapshot(_) => {
            note("a snapshot has no counterpart: it is left out, what the image has is read-only");
            None
        }
        Volume::CacheDir(_) => Some(Node::tagged("Statedir", vec![("mode", Node::Octal(0o777))])),
        Volume::Persistent(p) => {
            if p.init_command.is_some() {
                note("init-command is not run: call it with lithos_cmd once");
            }
            let path = format!("/{}", p.name);
            wants.writable.insert(
                path.clone(),
                format!("/var/lib/lithos-data/{container}/{}", p.name),
            );
            Some(Node::tagged(
                "Persistent",
                vec![
                    ("path", Node::Text(path)),
                    ("mkdir", Node::Bool(true)),
                    ("mode", Node::Octal(0o755)),
                    ("user", Node::Number(p.owner_uid.into())),
                    ("group", Node::Number(p.owner_gid.into())),
                ],
            ))
        }
        Volume::BindRO(path) => outside(path, &mut wants.readable, note)
            .map(|path| Node::Tagged("Readonly", Box::new(Node::Text(path)))),
        Volume::BindRW(path) => outside(path, &mut wants.writable, note)
            .map(|path| Node::tagged("Persistent", vec![("path", Node::Text(path))])),
        Volume::Container(_) => {
            note("the image of another container has no counterpart: it is left out");
            None
        }
        Volume::VaggaBin => {
            note("there is no vagga in production: it is left out");
            None
        }
    }
}

/// `/volumes/NAME/…` is a path that the sandbox must allow; the project does not exist in production.
fn outside(
    path: &Path,
    allowed: &mut BTreeMap<String, String>,
    note: &mut impl FnMut(&str),
) -> Option<String> {
    let Ok(rest) = path.strip_prefix("/volumes") else {
        note("a directory of the project has no counterpart: it is left out");
        return None;
    };
    let name = rest
        .components()
        .next()?
        .as_os_str()
        .to_string_lossy()
        .into_owned();
    note(&format!("say in the sandbox file where {name:?} is on the host"));
    allowed.insert(format!("/{name}"), format!("/srv/{name}"));
    Some(format!("/{}", rest.display()))
}

fn sandbox_file(input: &Input, wants: &Wants) -> String {
    let paths = |map: &BTreeMap<String, String>| {
        Node::Map(map.iter().map(|(k, v)| (k.clone(), Node::text(v))).collect())
    };
    let ids = |set: &BTreeSet<u32>| Node::texts(set.iter().map(u32::to_string));
    let mut keys = vec![
        (
            "image-dir",
            Node::text(format!("/var/lib/lithos/images/{}", input.name)),
        ),
        ("allow-users", ids(&wants.users)),
        ("allow-groups", ids(&wants.groups)),
        (
            "allow-tcp-ports",
            Node::texts(wants.ports.iter().map(u16::to_string)),
        ),
        ("readonly-paths", paths(&wants.readable)),
        ("writable-paths", paths(&wants.writable)),
    ];
    if is_identity(&input.ids.uid) && wants.users.contains(&0) {
        // Without a map user 0 is root of the host, which an operator has to permit.
        keys.push(("allow-root", Node::Bool(true)));
    }
    for (name, map) in [("uid-map", &input.ids.uid), ("gid-map", &input.ids.gid)] {
        if !is_identity(map) {
            keys.push((name, id_map(map)));
        }
    }
    let keys: Vec<_> = keys.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
    document(&keys)
}

fn is_identity(map: &IdMap) -> bool {
    map.0.iter().all(|range| range.inside == range.outside)
}

fn id_map(map: &IdMap) -> Node {
    let range = |r: &IdMapping| {
        let keys = [("inside", r.inside), ("outside", r.outside), ("count", r.count)];
        Node::Map(keys.map(|(k, n)| (k.to_owned(), Node::Number(n.into()))).to_vec())
    };
    Node::List(map.0.iter().map(range).collect())
}
