//! The scenarios of the rules, each as a change of a sound configuration.

use std::path::Path;

use super::*;
use crate::lithos::config::{parse, Processes};

const SANDBOX: &str = "image-dir: /images\nallow-users: [0-100]\nallow-groups: [0-100]\nuid-map: [{inside: 0, outside: 10000, count: 100}]\ngid-map: [{inside: 0, outside: 10000, count: 100}]\ndefault-user: 1\n";

/// Checks with additions to the three files; the result are the objects of the violations.
fn check_with(sandbox: &str, container: &str, entry: &str) -> Result<Effective, Vec<String>> {
    let sandbox: Sandbox = parse("s", format!("{SANDBOX}{sandbox}").as_bytes()).unwrap();
    raw(&sandbox, container, entry)
}

fn raw(sandbox: &Sandbox, container: &str, entry: &str) -> Result<Effective, Vec<String>> {
    let container: Container = parse("c", format!("executable: /bin/x\n{container}").as_bytes()).unwrap();
    let entry = match entry.contains("image:") {
        true => format!("w: {{config: /c.yaml, {entry}}}"),
        false => format!("w: {{image: img.v1, config: /c.yaml, {entry}}}"),
    };
    let processes: Processes = parse("p", entry.as_bytes()).unwrap();
    let instance = Instance::of(&processes["w"], 0);
    let name = InstanceName::daemon("app", "w", 0);
    check(sandbox, &container, &instance, &name).map_err(|v| v.iter().map(|v| v.object.clone()).collect())
}

#[track_caller]
fn refused(sandbox: &str, container: &str, entry: &str, object: &str) {
    let objects = check_with(sandbox, container, entry).unwrap_err();
    assert_eq!(objects, [object], "{sandbox} {container} {entry}");
}

#[track_caller]
fn accepted(sandbox: &str, container: &str, entry: &str) {
    assert!(
        check_with(sandbox, container, entry).is_ok(),
        "{sandbox} {container} {entry}"
    );
}

#[test]
fn images() {
    accepted("", "", "");
    for image in ["a/img.v1", "../x", "..", "/img", "", "img/", "./img", "img/."] {
        refused("", "", &format!("image: {image:?}"), "image");
    }
    accepted("image-dir-levels: 2", "", "image: a/b");
    refused("image-dir-levels: 2", "", "image: a", "image");
}

#[test]
fn variables() {
    let port = "variables: {p: !TcpPort}\narguments: [\"@{p}\"]";
    for value in ["70000", "x"] {
        let objects = check_with(
            "allow-tcp-ports: [80]",
            port,
            &format!("variables: {{p: {value}}}"),
        );
        assert!(objects.is_err());
    }
    refused("allow-tcp-ports: [80]", port, "variables: {p: 81}", "variables.p");
    accepted("allow-tcp-ports: [80]", port, "variables: {p: 80}");
    let bridged = "bridged-network: {bridge: br0, network: 10.0.0.0/8}";
    accepted(bridged, port, "variables: {p: 81}, ip-addresses: [10.0.0.1]");
    for (value, right) in [
        ("a..b", false),
        ("-a.b", false),
        ("a-", false),
        ("a.b_c.d-e", true),
    ] {
        let result = check_with(
            "",
            "variables: {n: !DottedName}",
            &format!("variables: {{n: {value}}}"),
        );
        assert_eq!(result.is_ok(), right, "{value}");
    }
    refused(
        "",
        "variables: {n: !Choice [ru, ua]}",
        "variables: {n: uk}",
        "variables.n",
    );
    refused("", "arguments: [\"@{x}\"]", "variables: {x: 1}", "arguments");
    accepted(
        "",
        "arguments: [\"@{lithos:name}\"]\nenviron: {P: \"@{lithos:pid}\"}",
        "",
    );
    refused("", "environ: {P: \"pid @{lithos:pid}\"}", "", "environ.P");
}

#[test]
fn activation() {
    let file = "variables: {p: !TcpPort {activation: systemd}}";
    let conflict = |more: &str, object: &str| {
        refused(
            "allow-tcp-ports: [1-99]",
            &format!("{file}\n{more}"),
            "variables: {p: 80}",
            object,
        );
    };
    conflict("environ: {LISTEN_FDS: 1}", "environ.LISTEN_FDS");
    let objects = check_with(
        "allow-tcp-ports: [1-99]",
        &format!("{file}\ntcp-ports: {{81: {{fd: 3}}}}"),
        "variables: {p: 80}",
    );
    assert!(objects.unwrap_err().contains(&"tcp-ports.81".to_string()));
}

#[test]
fn ids() {
    assert_eq!(
        check_with("", "user-id: 500", "").unwrap_err(),
        ["user-id", "user-id"]
    );
    accepted("", "user-id: 0", "");
    let map = "uid-map: [{inside: 0, outside: 5, count: 9}]\ngid-map: [{inside: 0, outside: 5, count: 9}]";
    refused("", map, "", "uid-map, gid-map");
    let bare: Sandbox = parse(
        "s",
        b"allow-users: [0-100]\nallow-groups: [0-100]\ndefault-user: 1",
    )
    .unwrap();
    assert!(raw(&bare, map, "").is_ok());
    let far = map.replace("outside: 5", "outside: 95");
    assert_eq!(raw(&bare, &far, "").unwrap_err(), ["group-id", "user-id"]);
    assert_eq!(raw(&bare, "user-id: 0", "").unwrap_err(), ["user-id"]);
    let none: Sandbox = parse("s", b"allow-users: [0-100]\nallow-groups: [0-100]").unwrap();
    assert_eq!(raw(&none, "", "").unwrap_err(), ["user-id"]);
    let overlapping = "uid-map: [{inside: 0, outside: 5, count: 9}, {inside: 3, outside: 50, count: 9}]\ngid-map: [{inside: 0, outside: 5, count: 9}]";
    assert!(raw(&bare, overlapping, "")
        .unwrap_err()
        .contains(&"uid-map".to_string()));
}

#[test]
fn names_of_processes() {
    let wrong = |name: &str| super::process::check_name(&InstanceName::daemon("app", name, 0)).is_some();
    for name in ["a/b", "..", "", "cmd.x", "a\nb", &"x".repeat(101)] {
        assert!(wrong(name), "{name:?}");
    }
    for name in ["web", "a.1", "c d", "cmd", "Ünï", &"x".repeat(100)] {
        assert!(!wrong(name), "{name:?}");
    }
}

#[test]
fn maps_end_where_they_end() {
    let sandbox: Sandbox = parse("s", b"uid-map: [{inside: 2, outside: 50, count: 9}]").unwrap();
    let ids = [1, 2, 10, 11].map(|id| super::outside(&sandbox.uid_map, id));
    assert_eq!(ids, [None, Some(50), Some(58), None]);
}

#[test]
fn addresses_and_ports() {
    let bridged = "bridged-network: {bridge: br0, network: 10.0.0.0/8}";
    refused(bridged, "", "", "ip-addresses");
    refused(bridged, "", "ip-addresses: [11.0.0.1]", "ip-addresses");
    accepted(bridged, "tcp-ports: {80: {fd: 3}}", "ip-addresses: [10.0.0.1]");
    refused(
        bridged,
        "tcp-ports: {80: {fd: 3, external: true}}",
        "ip-addresses: [10.0.0.1]",
        "tcp-ports.80",
    );
    refused("", "tcp-ports: {80: {fd: 3}}", "", "tcp-ports.80");
    refused(
        "allow-tcp-ports: [80]",
        "tcp-ports: {80: {fd: 1}}",
        "",
        "tcp-ports.80",
    );
    refused(
        "allow-tcp-ports: [80-81]",
        "tcp-ports: {80: {fd: 3}, 81: {fd: 3}}",
        "",
        "tcp-ports.81",
    );
}

#[test]
fn volumes() {
    let paths = "readonly-paths: {/tz: /usr/share/zoneinfo}\nwritable-paths: {/: /srv, /db: /srv/db}";
    accepted(
        paths,
        "volumes: {/a: !Readonly /tz/x, /b: !Readonly /other, /c: !Persistent /db/y}",
        "",
    );
    refused("", "volumes: {/a: !Readonly /tz}", "", "volumes./a");
    refused(paths, "volumes: {/a: !Persistent /db/../x}", "", "volumes./a");
    refused("", "volumes: {/a: !Statedir {path: /../x}}", "", "volumes./a");
    let sandbox: Sandbox = parse("s", paths.as_bytes()).unwrap();
    let longest = host_path(Path::new("/db/y"), &[&sandbox.writable_paths]).unwrap();
    assert_eq!(
        (longest.base.as_path(), longest.rest.as_path()),
        (Path::new("/srv/db"), Path::new("y"))
    );
}

fn secret_files() {
    let key = "secrets-private-key: /k";
    refused("", "secret-files: {a: v2}", "", "secret-files");
    accepted(key, "secret-files: {db.key: v2, ..a: [v2, v2]}", "");
    let long = format!("secret-files: {{{}: v2}}", "a".repeat(256));
    refused(key, &long, "", &format!("secret-files.{}", "a".repeat(256)));
    refused(key, "secret-files: {a/b: v2}", "", "secret-files.a/b");
    refused(key, "secret-files: {..: v2}", "", "secret-files...");
    refused(key, "secret-files: {\"a\\nb\": v2}", "", "secret-files.a\\nb");
    for point in ["/run", "/run/secrets", "/run/secrets/x"] {
        let volume = format!("secret-files: {{a: v2}}\nvolumes: {{{point}: !Tmpfs {{}}}}");
        refused(key, &volume, "", &format!("volumes.{point}"));
    }
    accepted(
        key,
        "secret-files: {a: v2}\nvolumes: {/run/secret: !Tmpfs {}}",
        "",
    );
    accepted(key, "volumes: {/run: !Tmpfs {}}", "");
}

#[test]
fn processes_and_limits() {
    refused("", "kind: Command", "", "kind");
    refused("", "", "kind: Command", "kind");
    accepted("", "kind: CommandOrDaemon", "kind: Command");
    refused("", "workdir: app", "", "workdir");
    refused("", "stop-signal: NOSUCH", "", "stop-signal");
    accepted("", "stop-signal: SIGQUIT", "");
    refused("", "secret-environ: {A: v2}", "", "secret-environ");
    secret_files();
    refused("", "ready: {}", "", "ready");
    refused("max-memory: 10Mi", "memory-limit: 11Mi", "", "memory-limit");
    refused("max-pids: 10", "pids-limit: 11", "", "pids-limit");
    accepted("max-memory: 10Mi\nmax-fileno: 100", "", "");
    accepted(
        "max-io: {/dev/sda: {read-bytes: 1Mi}}",
        "io-limit: {/: {write-bytes: 1k}, /s: {read-operations: 5}}\nvolumes: {/s: !Statedir {}}",
        "",
    );
    refused("", "io-limit: {/s: {read-bytes: 1}}", "", "io-limit");
    refused("", "io-limit: {/s: {}}\nvolumes: {/s: !Tmpfs {}}", "", "io-limit");
    let sandbox: Sandbox = parse("s", b"max-memory: 10\nmax-fileno: 100").unwrap();
    let container: Container = parse("c", b"executable: /x").unwrap();
    let given = ceilings(&sandbox, &container);
    assert_eq!((given.memory, given.fileno, given.pids), (Some(10), 100, None));
}
