//! Children of a group that have networks of their own, and bridge commands: where each is started, what it finds
//! there.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::container::plan::Owner;
use crate::container::{Op, Source};
use crate::vagga::config::{ChildCommand, CommandInfo};
use crate::vagga::failure::{exit, Failure};
use crate::vagga::network::gateway::{Gateway, Opened};
use crate::vagga::network::lookup;
use crate::vagga::network::setup::Spaces;
use crate::vagga::network::topology::Topology;
use crate::vagga::network::{NAMESPACES, TABLE, VISIBLE};

use super::place::Place;
use super::process::{Lookup, Process};

/// Bytes of the file system with the files of a bridge command.
const SIZE: u64 = 1 << 20;

/// What a child is in the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It uses the host's network.
    Outside,
    /// It has a network of its own; its index in the topology.
    Node(usize),
    /// It runs on the bridge.
    Bridge,
}

/// The keys of a child. Ids of a bridge command mean nothing: it is root of the network.
pub fn keys(command: &ChildCommand) -> Cow<'_, CommandInfo> {
    match command {
        ChildCommand::Command(info) => Cow::Borrowed(info),
        ChildCommand::BridgeCommand(info) => Cow::Owned(CommandInfo {
            user_id: 0,
            external_user_id: None,
            group_id: 0,
            supplementary_gids: Vec::new(),
            ..info.clone()
        }),
    }
}

/// The network of a group.
#[derive(Debug)]
pub struct Networked {
    topology: Topology,
    /// In the order of the children.
    roles: Vec<Role>,
    lookup: Lookup,
    /// The way to the outside, if there is one.
    gateway: Option<Opened>,
}

impl Networked {
    /// `None` when no child has a network. Errors: exit 121 for impossible networks, and together with `isolate`.
    pub fn new(children: &[(&str, &ChildCommand)], isolate: bool) -> Result<Option<Networked>, Failure> {
        let mut nodes = 0..;
        let roles: Vec<Role> = children
            .iter()
            .map(|(_, command)| match command {
                ChildCommand::BridgeCommand(_) => Role::Bridge,
                c if c.info().network.is_some() => Role::Node(nodes.next().unwrap_or_default()),
                _ => Role::Outside,
            })
            .collect();
        if roles.iter().all(|role| *role == Role::Outside) {
            return Ok(None);
        }
        if isolate {
            return Err(Failure::new(
                exit::LAUNCHER,
                "isolate-network is forbidden in conjunction with children that have a `network` or are bridge commands",
            ));
        }
        let topology = Topology::new(
            children
                .iter()
                .filter_map(|(name, c)| Some((*name, c.info().network.as_ref()?))),
        )?;
        let gateway = Gateway::of_caller().open();
        if gateway.is_none() && topology.has_ports() {
            log::warn!(
                "Network namespace is not set up: ports of children cannot be reached from this host, nor the outside \
                 by children (run `vagga _create_netns` once)"
            );
        }
        let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
        Ok(Some(Networked {
            lookup: Lookup {
                hosts: topology.hosts(&hosts).into_bytes(),
                resolv_conf: gateway.as_ref().and_then(|_| lookup::resolv_conf()),
            },
            gateway,
            topology,
            roles,
        }))
    }

    /// How this child finds names; `None`: as the host does.
    pub fn lookup(&self, index: usize) -> Option<&Lookup> {
        match self.roles.get(index)? {
            Role::Outside => None,
            Role::Node(_) | Role::Bridge => Some(&self.lookup),
        }
    }

    /// Makes the network. The result says where each child is started, `None` for those outside; bridge commands get
    /// what they need to govern it. The network lasts as long as the second part. Errors: exit 121.
    pub fn places(&self, processes: &mut [Process]) -> Result<(Vec<Option<Place>>, Spaces), Failure> {
        let maps: Vec<_> = self
            .roles
            .iter()
            .zip(processes.iter())
            .filter(|(role, _)| matches!(role, Role::Node(_)))
            .map(|(_, process)| &process.maps)
            .collect();
        let spaces = Spaces::create(&self.topology, &maps, self.gateway.as_ref())?;
        let mut places = Vec::new();
        for (role, process) in self.roles.iter().zip(processes) {
            places.push(self.place(*role, process, &spaces).map_err(|e| {
                Failure::new(
                    exit::LAUNCHER,
                    format!("Can't use the network of the children: {e}"),
                )
            })?);
        }
        Ok((places, spaces))
    }

    fn place(&self, role: Role, process: &mut Process, spaces: &Spaces) -> io::Result<Option<Place>> {
        match role {
            Role::Outside => Ok(None),
            Role::Node(index) => spaces.place_of(index),
            Role::Bridge => {
                self.equip(process, spaces)?;
                spaces.place_of_bridge().map(Some)
            }
        }
    }

    /// Gives a bridge command its user namespace, and the namespaces of all nodes as files.
    fn equip(&self, process: &mut Process, spaces: &Spaces) -> io::Result<()> {
        process.enclosure = Some(spaces.bridge_user.try_clone()?);
        let mut files: Vec<(String, OwnedFd)> = vec![("bridge".into(), spaces.bridge.try_clone()?)];
        for (node, space) in self.topology.nodes.iter().zip(&spaces.nodes) {
            files.push((format!("net.{}", node.ip), space.net.try_clone()?));
            files.push((format!("uts.{}", node.ip), space.uts.try_clone()?));
        }
        let dir = |path: &str| Op::Dir {
            path: path.into(),
            mode: 0o755,
            owner: Owner::default(),
        };
        let ops = &mut process.plan.ops;
        ops.extend([
            dir(VISIBLE),
            Op::Tmpfs {
                target: VISIBLE.into(),
                size: Some(SIZE),
                mode: 0o755,
                owner: Owner::default(),
            },
            dir(NAMESPACES),
            Op::File {
                path: TABLE.into(),
                mode: 0o644,
                content: self.topology.table().into_bytes(),
            },
        ]);
        for (name, fd) in files {
            ops.push(Op::Bind {
                source: Source::Host(format!("/proc/self/fd/{}", fd.as_raw_fd()).into()),
                target: format!("{NAMESPACES}/{name}").into(),
                write: true,
                create: true,
            });
            process.mounted.push(fd);
        }
        Ok(())
    }
}
