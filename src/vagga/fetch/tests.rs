//! Downloads against a small server on the loopback interface.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread;

use super::*;

static DIRS: AtomicUsize = AtomicUsize::new(0);

struct Temp(PathBuf);

impl Temp {
    fn new() -> Temp {
        let n = DIRS.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("vagga-fetch-{}-{n}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Temp(dir)
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Serves `answer(request number, path, range) -> bytes of the whole answer` until the process ends.
fn serve(
    answer: impl Fn(usize, &str, Option<&str>) -> Vec<u8> + Send + 'static,
) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let n = counter.fetch_add(1, Ordering::Relaxed);
            respond(stream, |path, range| answer(n, path, range));
        }
    });
    (url, count)
}

fn respond(mut stream: TcpStream, answer: impl Fn(&str, Option<&str>) -> Vec<u8>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let mut range = None;
    for line in lines
        .by_ref()
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
    {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("range: ") {
            range = Some(value.to_owned());
        }
    }
    let path = first.split(' ').nth(1).unwrap().to_owned();
    let _ = stream.write_all(&answer(&path, range.as_deref()));
}

fn ok(body: &[u8], announced: usize, extra: &str) -> Vec<u8> {
    let mut answer =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {announced}\r\nConnection: close\r\n{extra}\r\n")
            .into_bytes();
    answer.extend_from_slice(body);
    answer
}

fn get(url: &str, sha256: Option<&str>, cache: &Path) -> Result<Vec<u8>, FetchError> {
    let request = Request {
        urls: &[url.to_owned()],
        sha256,
        cache,
        project: Path::new("/nonexistent"),
        external_volumes: &BTreeMap::new(),
    };
    let mut client = None;
    let path = fetch(
        &mut client,
        &request,
        || Client::new(&Proxies::None),
        &mut |_, _| (),
    )?;
    Ok(fs::read(path).unwrap())
}

/// SHA-256 of `payload`.
const PAYLOAD_DIGEST: &str = "239f59ed55e737c77147cf55ad0c1b030b6d7ee748a7426952f9b852d5a935e5";

fn parts(cache: &Path) -> usize {
    let entries = fs::read_dir(cache.join("downloads")).unwrap();
    entries
        .flatten()
        .filter(|e| e.file_name().to_string_lossy().ends_with(".part"))
        .count()
}

#[test]
fn a_file_is_fetched_once() {
    let temp = Temp::new();
    let (url, count) = serve(|_, _, _| ok(b"payload", 7, ""));
    let url = format!("{url}/x");
    assert_eq!(get(&url, None, &temp.0).unwrap(), b"payload");
    assert_eq!(get(&url, None, &temp.0).unwrap(), b"payload");
    assert_eq!(count.load(Ordering::Relaxed), 1);
    assert_eq!(parts(&temp.0), 0);
}

#[test]
fn digests_decide() {
    let temp = Temp::new();
    let (url, _) = serve(|_, _, _| ok(b"payload", 7, ""));
    let url = format!("{url}/x");
    assert_eq!(get(&url, Some(PAYLOAD_DIGEST), &temp.0).unwrap(), b"payload");
    assert_eq!(
        get(&url, Some(&PAYLOAD_DIGEST.to_uppercase()), &temp.0).unwrap(),
        b"payload"
    );
    let wrong = "0".repeat(64);
    let error = get(&url, Some(&wrong), &temp.0).unwrap_err().0;
    assert!(
        error.contains(&format!(
            "Hashsum mismatch: expected {wrong} but was {PAYLOAD_DIGEST}"
        )),
        "{error}"
    );
    assert_eq!(parts(&temp.0), 0);
}

#[test]
fn a_damaged_cache_is_noticed() {
    let temp = Temp::new();
    let (url, count) = serve(|_, _, _| ok(b"payload", 7, ""));
    let url = format!("{url}/x");
    get(&url, Some(PAYLOAD_DIGEST), &temp.0).unwrap();
    let file = temp
        .0
        .join("downloads")
        .join(cache_name(&url, Some(PAYLOAD_DIGEST)));
    fs::write(&file, b"poison!").unwrap();
    assert_eq!(get(&url, Some(PAYLOAD_DIGEST), &temp.0).unwrap(), b"payload");
    assert_eq!(count.load(Ordering::Relaxed), 2);
}

#[test]
fn a_broken_transfer_is_continued() {
    let temp = Temp::new();
    let (url, count) = serve(|n, _, range| match (n, range) {
        (0, None) => ok(b"pay", 7, "ETag: \"1\"\r\n"),
        (1, Some("bytes=3-")) => {
            let head = "HTTP/1.1 206 Partial Content\r\nContent-Length: 4\r\nContent-Range: bytes 3-6/7\r\n";
            format!("{head}ETag: \"1\"\r\nConnection: close\r\n\r\nload").into_bytes()
        }
        (n, range) => panic!("unexpected request {n} for {range:?}"),
    });
    assert_eq!(get(&format!("{url}/x"), None, &temp.0).unwrap(), b"payload");
    assert_eq!(count.load(Ordering::Relaxed), 2);
}

#[test]
fn a_mirror_that_always_stops_is_named_with_the_bytes() {
    let temp = Temp::new();
    let (url, _) = serve(|_, _, _| ok(b"pay", 7, ""));
    let url = format!("{url}/x");
    let error = get(&url, None, &temp.0).unwrap_err().0;
    assert!(error.contains(&url) && error.contains("3 of 7 bytes"), "{error}");
    assert_eq!(parts(&temp.0), 0);
}

#[test]
fn a_known_file_is_continued_by_the_next_call() {
    let temp = Temp::new();
    let (url, _) = serve(|_, _, range| {
        match range {
        Some("bytes=3-") => {
            b"HTTP/1.1 206 Partial Content\r\nContent-Length: 4\r\nContent-Range: bytes 3-6/7\r\nConnection: close\r\n\r\nload"
                .to_vec()
        }
        _ => ok(b"wrong", 5, ""),
    }
    });
    let url = format!("{url}/x");
    let dir = temp.0.join("downloads");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join(cache_name(&url, Some(PAYLOAD_DIGEST)) + ".part"), b"pay").unwrap();
    assert_eq!(get(&url, Some(PAYLOAD_DIGEST), &temp.0).unwrap(), b"payload");
}

#[test]
fn client_errors_are_final_and_redirects_are_followed() {
    let temp = Temp::new();
    let (url, count) = serve(|_, path, _| match path {
        "/old" => {
            b"HTTP/1.1 302 Found\r\nLocation: /new\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec()
        }
        "/new" => ok(b"payload", 7, ""),
        _ => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec(),
    });
    assert_eq!(get(&format!("{url}/old"), None, &temp.0).unwrap(), b"payload");
    let before = count.load(Ordering::Relaxed);
    let error = get(&format!("{url}/none"), None, &temp.0).unwrap_err().0;
    assert!(error.contains("404"), "{error}");
    assert_eq!(count.load(Ordering::Relaxed), before + 1);
    let error = get(&format!("{url}/none"), Some(PAYLOAD_DIGEST), &temp.0)
        .unwrap_err()
        .0;
    assert!(error.contains("404") && parts(&temp.0) == 0, "{error}");
}

#[test]
fn redirects_end_and_stay_on_the_network() {
    let temp = Temp::new();
    let (url, count) = serve(|_, path, _| {
        let to = match path {
            "/file" => "file:///etc/passwd",
            _ => "round",
        };
        format!("HTTP/1.1 301 Moved\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .into_bytes()
    });
    let error = get(&format!("{url}/file"), None, &temp.0).unwrap_err().0;
    assert!(error.contains("redirected to \"file:///etc/passwd\""), "{error}");
    let before = count.load(Ordering::Relaxed);
    let error = get(&format!("{url}/round"), None, &temp.0).unwrap_err().0;
    assert!(error.contains("too many redirects"), "{error}");
    assert_eq!(count.load(Ordering::Relaxed), before + 11);
    let error = get("file:///etc/passwd", None, &temp.0).unwrap_err().0;
    assert!(error.contains("neither an http nor an https address"), "{error}");
}

#[test]
fn the_next_address_is_tried() {
    let temp = Temp::new();
    let (url, _) = serve(|_, path, _| match path {
        "/second" => ok(b"payload", 7, ""),
        _ => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec(),
    });
    let request = Request {
        urls: &[format!("{url}/first"), format!("{url}/second")],
        sha256: None,
        cache: &temp.0,
        project: Path::new("/nonexistent"),
        external_volumes: &BTreeMap::new(),
    };
    let make = || Client::new(&Proxies::None);
    let path = fetch(&mut None, &request, make, &mut |_, _| ()).unwrap();
    assert!(path.to_string_lossy().ends_with("-first"));
    assert_eq!(fs::read(path).unwrap(), b"payload");
}

#[test]
fn no_threads_remain_that_would_forbid_to_fork() {
    let temp = Temp::new();
    let (url, _) = serve(|_, _, _| ok(b"payload", 7, ""));
    // By name, since localhost has to be resolved.
    let url = url.replace("127.0.0.1", "localhost");
    let client = Client::new(&Proxies::None);
    let name = format!("fetch-{}", std::process::id());
    let (sender, receiver) = std::sync::mpsc::channel();
    let threads = thread::Builder::new().name(name);
    let worker = threads.spawn(move || {
        // Threads inherit the name of the one that starts them, so those of other tests do not count.
        let part = temp.0.join("x.part");
        client.download(&url, &part, false, None, &mut |_, _| ()).unwrap();
        sender.send(comm_count()).unwrap();
    });
    worker.unwrap().join().unwrap();
    assert_eq!(receiver.recv().unwrap(), 1);
}

/// Threads of this process that have the name of the calling one.
fn comm_count() -> usize {
    let own = fs::read_to_string("/proc/thread-self/comm").unwrap();
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    tasks
        .filter(|t| fs::read_to_string(t.path().join("comm")).is_ok_and(|name| name == own))
        .count()
}

#[test]
fn many_files_at_once() {
    let temp = Temp::new();
    let (url, _) = serve(|_, _, _| ok(b"payload", 7, ""));
    let wanted = |sha256: &str, n: usize| Wanted {
        url: format!("{url}/{n}"),
        sha256: Some(sha256.into()),
        size: 7,
        target: temp.0.join(format!("store/{n}")),
    };
    // Two files are fetched without forking, which a test with threads must not do.
    let files = [wanted(PAYLOAD_DIGEST, 1), wanted(PAYLOAD_DIGEST, 2)];
    let mut seen = 0;
    fetch_all(
        &|| Client::new(&Proxies::None),
        &files,
        &temp.0,
        &mut |done, _| seen = done,
    )
    .unwrap();
    assert_eq!(seen, 14);
    assert_eq!(fs::read(&files[1].target).unwrap(), b"payload");
    let wrong = wanted(&"0".repeat(64), 3);
    let error = fetch_all(&|| Client::new(&Proxies::None), &[wrong], &temp.0, &mut |_, _| ())
        .unwrap_err()
        .0;
    assert!(error.contains("Hashsum mismatch"), "{error}");
    assert!(!temp.0.join("store/3").exists());
    let large = Wanted {
        size: 3,
        ..wanted(PAYLOAD_DIGEST, 4)
    };
    assert!(fetch_all(&|| Client::new(&Proxies::None), &[large], &temp.0, &mut |_, _| ()).is_err());
}
