//! From the files to what the machine wants to know: sandboxes, processes files, container files in their images, and the
//! rules between them. An error concerns as little as possible, and becomes a line for the log.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::machine::{split_name, Backoff, Entries, Entry, Instance, Port, Reading, Readings};
use crate::lithos::config::sandbox::output_log_name;
use crate::lithos::config::{self, Container, Master, ProcessEntry, ProcessKind, Processes, Sandbox};
use crate::lithos::instance::{self, Effective, InstanceName, Listener};
use crate::lithos::log::rotation::{Rule, Rules};
use crate::lithos::origin::Origin;
use crate::lithos::taken::Taken;
use crate::lithos::{image, policy, sandboxes};

/// Most instances of an entry that are believed.
const MOST_INSTANCES: u32 = 10_000;

/// The whole configuration as it is now.
#[derive(Debug)]
pub struct Configuration {
    /// For the machine.
    pub readings: Readings,
    /// Lines for the log.
    pub problems: Vec<String>,
    /// Processes files that could be read, by sandbox; for the history.
    pub processes: Vec<(String, Processes)>,
    /// Number of sandbox files.
    pub sandboxes: usize,
    /// What the files of the entries that could be read say now, by `SB/PROC`: container file and sandbox.
    origins: BTreeMap<String, (u64, u64)>,
    /// Output logs that are to be rotated.
    pub rotated: Rules,
}

impl Configuration {
    /// What a container `SB/PROC.N` would be started from. `None`: something of it cannot be read.
    pub fn origin(&self, name: &str, master: u64) -> Option<Origin> {
        let (container, sandbox) = *self.origins.get(split_name(name)?.0)?;
        Some(Origin {
            container,
            sandbox,
            master,
        })
    }
}

/// Reads everything below a master file.
pub fn read(master: &Master, master_path: &Path) -> Configuration {
    let mut reader = Reader {
        master,
        master_path,
        containers: BTreeMap::new(),
        origins: BTreeMap::new(),
        problems: Vec::new(),
        processes: Vec::new(),
        rotated: BTreeMap::new(),
    };
    let dir = master.sandboxes_dir(master_path);
    let mut count = 0;
    let readings = match sandboxes::list(&dir) {
        Err(e) => Reading::Broken(reader.problem(format!("directory of sandboxes {}: {e}", dir.display()))),
        Ok(files) => {
            count = files.len();
            let read =
                |file: &sandboxes::SandboxFile| (file.name.clone(), reader.sandbox(&file.name, &file.path));
            Reading::Good(files.iter().map(read).collect())
        }
    };
    Configuration {
        readings,
        problems: reader.problems,
        processes: reader.processes,
        sandboxes: count,
        origins: reader.origins,
        rotated: reader.rotated,
    }
}

/// What was refused of it, for those who wait for the reload.
pub fn taken(readings: &Readings, begun: u64) -> Taken {
    let mut problems: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut say = |sandbox: &str, text: &String| {
        problems.entry(sandbox.into()).or_default().push(text.clone());
    };
    match readings {
        Reading::Broken(text) => say("", text),
        Reading::Good(sandboxes) => {
            for (name, sandbox) in sandboxes {
                refused(sandbox).for_each(|text| say(name, text));
            }
        }
    }
    Taken { begun, problems }
}

fn refused(sandbox: &Reading<Entries>) -> Box<dyn Iterator<Item = &String> + '_> {
    match sandbox {
        Reading::Broken(text) => Box::new(std::iter::once(text)),
        Reading::Good(entries) => Box::new(entries.values().filter_map(|entry| match entry {
            Reading::Broken(text) => Some(text),
            Reading::Good(_) => None,
        })),
    }
}

struct Reader<'a> {
    master: &'a Master,
    master_path: &'a Path,
    /// Container files that were read already, by image and path in it.
    containers: BTreeMap<(PathBuf, String), Result<(Container, u64), String>>,
    origins: BTreeMap<String, (u64, u64)>,
    problems: Vec<String>,
    processes: Vec<(String, Processes)>,
    rotated: Rules,
}

impl Reader<'_> {
    fn problem(&mut self, text: String) -> String {
        self.problems.push(text.clone());
        text
    }

    fn sandbox(&mut self, name: &str, path: &Path) -> Reading<Entries> {
        let (sandbox, mark): (Sandbox, u64) = match config::read_marked(path) {
            Err(problems) => return Reading::Broken(self.problem(format!("sandbox {name}: {problems}"))),
            Ok(read) => read,
        };
        let file = sandbox.processes_file(name, self.master, self.master_path);
        let processes: Processes = match config::read(&file) {
            Err(problems) => return Reading::Broken(self.problem(format!("sandbox {name}: {problems}"))),
            Ok(processes) => processes,
        };
        let daemons = processes
            .iter()
            .filter(|(_, entry)| entry.kind == ProcessKind::Daemon);
        let entries = daemons.map(|(process, entry)| {
            (
                process.clone(),
                self.entry(name, (&sandbox, mark), process, entry),
            )
        });
        let entries = entries.collect();
        self.note_rotation(name, &sandbox, &processes);
        self.processes.push((name.to_string(), processes));
        Reading::Good(entries)
    }

    fn note_rotation(&mut self, name: &str, sandbox: &Sandbox, processes: &Processes) {
        let rule = Rule {
            size: sandbox.output_rotate_size,
            age: sandbox.output_rotate_age.map(Duration::from_millis),
            keep: sandbox.output_rotate_keep,
        };
        if rule.size.is_none() && rule.age.is_none() {
            return;
        }
        let log = |process: &String| {
            let log = output_log_name(sandbox.output_log, name, process);
            (self.master.stdio_log_dir.join(log), rule)
        };
        let files = processes.keys().map(log).collect();
        self.rotated.insert(name.to_string(), files);
    }

    fn entry(
        &mut self,
        sandbox_name: &str,
        sandbox: (&Sandbox, u64),
        process: &str,
        entry: &ProcessEntry,
    ) -> Reading<Entry> {
        // Nothing runs, nothing has to be there.
        if entry.instances == 0 {
            return Reading::Good(Entry::default());
        }
        match self.instances(sandbox_name, sandbox, process, entry) {
            Ok(entry) => Reading::Good(entry),
            Err(why) => Reading::Broken(self.problem(format!("{sandbox_name}/{process}: {why}"))),
        }
    }

    fn instances(
        &mut self,
        sandbox_name: &str,
        (sandbox, of_sandbox): (&Sandbox, u64),
        process: &str,
        entry: &ProcessEntry,
    ) -> Result<Entry, String> {
        if entry.instances > MOST_INSTANCES {
            return Err(format!(
                "{} instances are more than {MOST_INSTANCES}",
                entry.instances
            ));
        }
        policy::require(policy::check_image(sandbox, &instance::Instance::of(entry, 0)))?;
        let (container, of_container) = self.container(sandbox, entry)?;
        policy::require(policy::check_standby(entry, &container))?;
        let one = |index: u32| {
            describe(
                sandbox,
                &container,
                entry,
                index,
                InstanceName::daemon(sandbox_name, process, index),
            )
        };
        let instances: Vec<Instance> = (0..entry.instances).map(one).collect::<Result<_, String>>()?;
        let rolling = entry.max_surge > 0 || entry.max_unavailable > 0;
        let surge = entry.max_surge.min(MOST_INSTANCES);
        let origin = (of_container, of_sandbox);
        self.origins.insert(format!("{sandbox_name}/{process}"), origin);
        Ok(Entry {
            spares: (entry.instances..entry.instances + surge)
                .map(one)
                .collect::<Result<_, String>>()?,
            max_unavailable: rolling.then_some(entry.max_unavailable as usize),
            instances,
        })
    }

    /// A container file, read once for all entries that name it.
    fn container(&mut self, sandbox: &Sandbox, entry: &ProcessEntry) -> Result<(Container, u64), String> {
        let key = (sandbox.image_dir.join(&entry.image), entry.config.clone());
        let read = || image::read_container_marked(&image::open(sandbox, &entry.image)?, &entry.config);
        self.containers.entry(key).or_insert_with(read).clone()
    }
}

fn describe(
    sandbox: &Sandbox,
    container: &Container,
    entry: &ProcessEntry,
    index: u32,
    name: InstanceName,
) -> Result<Instance, String> {
    let instance = instance::Instance::of(entry, index);
    let effective = policy::check(sandbox, container, &instance, &name)
        .map_err(|rules| format!("{name}: {}", policy::joined(&rules)))?;
    let backoff = &container.restart_backoff;
    Ok(Instance {
        name: name.to_string(),
        json: instance.to_json(),
        restart_timeout: u64::from(container.restart_timeout) * 1000,
        backoff: (backoff.max > 0).then(|| Backoff {
            max: u64::from(backoff.max) * 1000,
            jitter: backoff.jitter,
        }),
        // Without `ready` too: it is as soon as its process runs, not when its container is made.
        waits: true,
        ports: ports(sandbox, container, &effective),
        standby: entry.standby,
    })
}

/// The sockets that have to be opened in the network of the host.
fn ports(sandbox: &Sandbox, container: &Container, effective: &Effective) -> Vec<Port> {
    let ids = policy::effective_ids(sandbox, container);
    let (uids, gids) = policy::maps(sandbox, container);
    let (uid, gid) = ids.map_or((0, 0), |ids| (ids.uid, ids.gid));
    let uid = policy::outside(uids, uid).unwrap_or(uid);
    let gid = policy::outside(gids, gid).unwrap_or(gid);
    let bridged = sandbox.bridged_network.is_some();
    let of_host = effective
        .listeners
        .iter()
        .filter(|listener| !bridged || listener.socket.external);
    of_host.map(|listener| port(listener, uid, gid)).collect()
}

fn port(Listener { port, socket }: &Listener, uid: u32, gid: u32) -> Port {
    Port {
        address: SocketAddr::new(socket.host, *port),
        fd: i32::from(socket.fd),
        reuse_addr: socket.reuse_addr,
        reuse_port: socket.reuse_port,
        non_block: socket.set_non_block,
        backlog: i32::try_from(socket.listen_backlog).unwrap_or(i32::MAX),
        uid,
        gid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    struct Host(crate::sys::fs::tests::Temp);

    impl Host {
        fn new() -> Host {
            let host = Host(crate::sys::fs::tests::Temp::new());
            for dir in ["sandboxes", "processes", "images/img.v1/config"] {
                fs::create_dir_all(host.0 .0.join(dir)).unwrap();
            }
            let images = host.0 .0.join("images");
            let sandbox = format!(
                "image-dir: {}\nallow-users: [0-100]\nallow-groups: [0-100]\nallow-tcp-ports: [17000-17010]\n\
                 uid-map: [{{inside: 0, outside: 10000, count: 100}}]\ngid-map: [{{inside: 0, outside: 10000, count: 100}}]\n",
                images.display()
            );
            host.write("sandboxes/app.yaml", &sandbox);
            host.write(
                "processes/app.yaml",
                "web: {image: img.v1, config: /config/web.yaml, instances: 2}\n",
            );
            host.write(
                "images/img.v1/config/web.yaml",
                "executable: /bin/x\nuser-id: 1\nrestart-timeout: 3\ntcp-ports: {17001: {fd: 5}}\n",
            );
            host
        }

        fn write(&self, path: &str, text: &str) {
            fs::write(self.0 .0.join(path), text).unwrap();
        }

        fn read(&self) -> Configuration {
            let path = self.0 .0.join("master.yaml");
            let master: Master = config::parse("m", b"").unwrap();
            super::read(&master, &path)
        }

        fn web(&self) -> Option<Reading<Entry>> {
            match self.read().readings {
                Reading::Good(all) => match all.get("app") {
                    Some(Reading::Good(entries)) => entries.get("web").cloned(),
                    _ => None,
                },
                Reading::Broken(_) => None,
            }
        }
    }

    #[test]
    fn files_become_instances() {
        let host = Host::new();
        let Some(Reading::Good(entry)) = host.web() else {
            panic!("{:?}", host.read().problems)
        };
        assert_eq!(entry.instances.len(), 2);
        let web = &entry.instances[1];
        assert_eq!((web.name.as_str(), web.restart_timeout), ("app/web.1", 3000));
        assert_eq!(
            web.json,
            r#"{"instances":1,"image":"img.v1","config":"/config/web.yaml","kind":"Daemon"}"#
        );
        assert_eq!(
            (web.ports[0].uid, web.ports[0].gid, web.ports[0].fd),
            (10001, 10000, 5)
        );
        assert_eq!(host.read().sandboxes, 1);
    }

    #[test]
    fn errors_stay_where_they_are() {
        let host = Host::new();
        host.write("images/img.v1/config/web.yaml", "executable: [");
        assert!(matches!(host.web(), Some(Reading::Broken(_))));
        assert_eq!(host.read().problems.len(), 1);
        host.write(
            "images/img.v1/config/web.yaml",
            "executable: /bin/x\nuser-id: 1\ntcp-ports: {80: {fd: 3}}\n",
        );
        assert!(
            matches!(host.web(), Some(Reading::Broken(why)) if why.contains("80")),
            "a rule is broken"
        );
        host.write("processes/app.yaml", "web: [");
        let Reading::Good(all) = host.read().readings else {
            panic!()
        };
        assert!(matches!(all.get("app"), Some(Reading::Broken(_))));
        host.write("processes/app.yaml", "");
        let Reading::Good(all) = host.read().readings else {
            panic!()
        };
        assert_eq!(all.get("app"), Some(&Reading::Good(Entries::new())));
        fs::remove_dir_all(host.0 .0.join("sandboxes")).unwrap();
        assert!(matches!(host.read().readings, Reading::Broken(_)));
    }

    #[test]
    fn none_of_an_entry_needs_no_image_and_spares_follow_the_rest() {
        let host = Host::new();
        host.write(
            "processes/app.yaml",
            "web: {image: gone, config: /c.yaml, instances: 0}\n",
        );
        assert_eq!(host.web(), Some(Reading::Good(Entry::default())));
        host.write(
            "processes/app.yaml",
            "web: {image: img.v1, config: /config/web.yaml, instances: 1, max-surge: 2}\n",
        );
        let Some(Reading::Good(entry)) = host.web() else {
            panic!()
        };
        assert_eq!((entry.spares.len(), entry.max_unavailable), (2, Some(0)));
        assert_eq!(entry.spares[1].name, "app/web.2");
    }
}
