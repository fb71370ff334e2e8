use std::io::Write as _;

use matrix_sdk::ruma::api::client::discovery::get_supported_versions;

use super::*;
use crate::transport::{
    matrix::{
        session::builder,
        testing::{Answer, Fake, answer, chunked, endless, http},
    },
    testing::wait_until,
};

/// More than what lies in the buffers of a loopback connection.
const BUFFERS: usize = 24 * 1024 * 1024;

struct Bench {
    gate: Gate,
    tasks: Tasks,
    dir: tempfile::TempDir,
}

impl Bench {
    fn new(homeserver: Url) -> Self {
        let (dir, tasks) = (tempfile::tempdir().unwrap(), Tasks::default());
        let gate = Gate::open(dir.path(), homeserver, &http(), &tasks).unwrap();
        Self { gate, tasks, dir }
    }

    async fn get(&self, path: &str) -> (u16, Vec<u8>) {
        let url = format!("http://homeserver.invalid{path}");
        let answer = self.gate.client.get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.bytes().await.unwrap().to_vec())
    }

    /// What the SDK makes of an answer.
    async fn trouble(&self) -> Trouble {
        let client = builder(&self.gate).build().await.unwrap();
        client.send(get_supported_versions::Request::new()).await.unwrap_err().into()
    }

    fn sockets(&self) -> Vec<PathBuf> {
        std::fs::read_dir(self.dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

#[tokio::test]
async fn requests_and_answers_pass_unchanged() {
    let fake = Fake::start(|_| {
        answer(404, "Content-Type: text/x\r\nRetry-After: 7\r\nContent-Encoding: br\r\nX-Other: 1\r\n", b"\0hello")
    })
    .await;
    let bench = Bench::new(fake.url.join("prefix/").unwrap());
    assert_eq!(bench.gate.url(), "http://homeserver.invalid/prefix/");
    let path = "/prefix/_matrix/%21a:b%2Fc/+~?since=s%20_1&x=%7B%22y%22%3A1%7D&empty=";
    let url = format!("http://homeserver.invalid{path}");
    let asked = bench.gate.client.post(url).bearer_auth("secret").header(CONTENT_TYPE, "text/y").body("body");
    let passed = asked.send().await.unwrap();
    assert_eq!(passed.status(), 404);
    let names = ["content-type", "retry-after", "content-encoding", "x-other"];
    let header = |name| passed.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(names.map(header), [Some("text/x".into()), Some("7".into()), None, None]);
    assert_eq!(passed.bytes().await.unwrap(), b"\0hello"[..]);
    let request = fake.requests().remove(0);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert_eq!((head.lines().next().unwrap(), body), (format!("POST {path} HTTP/1.1").as_str(), "body"));
    let host = format!("host: {}", fake.url.authority());
    for line in ["authorization: Bearer secret", "content-type: text/y", "user-agent: skcomm-tui", &host] {
        assert_eq!(head.lines().filter(|other| *other == line).count(), 1, "{line}\n{head}");
    }
    assert_eq!(head.lines().filter(|line| line.starts_with("host:")).count(), 1);
    // One that does not fit into memory twice is not gathered.
    let large = vec![b'x'; 3 * SMALL];
    bench.gate.client.post(format!("http://homeserver.invalid{path}")).body(large).send().await.unwrap();
    let request = fake.requests().remove(1);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(body.len() == 3 * SMALL && head.contains(&format!("content-length: {}", 3 * SMALL)), "{head}");
}

#[tokio::test]
async fn the_limit_passes_and_one_byte_more_is_refused() {
    let fake = Fake::start(|line| {
        let (kind, size) = line.split_once("size=").unwrap();
        let body = vec![b'x'; size.parse().unwrap()];
        if kind.contains("chunked") { chunked(&body) } else { answer(200, "", &body) }
    })
    .await;
    let bench = Bench::new(fake.url.clone());
    let most = limit("/messages");
    for way in ["length", "chunked"] {
        for (path, size) in [("versions", SMALL), ("messages", SMALL), ("messages", SMALL + 1), ("messages", most)] {
            let (status, body) = bench.get(&format!("/{path}?{way}&size={size}")).await;
            assert_eq!((status, body.len()), (200, size), "{path} {way}");
        }
        for (path, size, told) in [("versions", SMALL + 1, "1 MiB"), ("messages", most + 1, "16 MiB")] {
            let (status, body) = bench.get(&format!("/{path}?{way}&size={size}")).await;
            let told = format!("the homeserver sends more than {told} in one answer");
            let wanted = serde_json::json!({"errcode": ERRCODE, "error": told, "kind": "protocol", "cut": true});
            assert_eq!(status, OURS);
            assert_eq!(serde_json::from_slice::<serde_json::Value>(&body).unwrap(), wanted);
        }
    }
}

#[tokio::test]
async fn an_answer_without_an_end_costs_its_limit_and_no_more() {
    let fake = Fake::start(|_| endless()).await;
    let bench = Bench::new(fake.url.clone());
    let trouble = bench.trouble().await;
    let told = "the homeserver sends more than 1 MiB in one answer";
    assert_eq!((trouble.reason.kind, trouble.reason.to_string().as_str()), (ReasonKind::Protocol, told));
    assert!(trouble.cut && !trouble.refused, "{trouble:?}");
    assert!(fake.sent() < SMALL + BUFFERS, "{} bytes were taken", fake.sent());
    assert_eq!(bench.get("/sync").await.0, OURS);
    assert!(fake.sent() < SMALL + limit("/sync") + 2 * BUFFERS, "{} bytes were taken", fake.sent());
}

#[tokio::test]
async fn what_is_announced_as_too_large_is_not_read_at_all() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\n";
    let fake = Fake::start(move |_| Answer::Bytes(head.into())).await;
    let trouble = Bench::new(fake.url.clone()).trouble().await;
    assert!(trouble.cut, "{trouble:?}");
}

#[tokio::test]
async fn what_is_compressed_is_opened_within_the_limit() {
    let packed = |size: usize| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(&vec![b' '; size]).unwrap();
        packer.finish().unwrap()
    };
    let fake = Fake::start(move |line| {
        answer(200, "Content-Encoding: gzip\r\n", &packed(if line.contains("bomb") { 64 * SMALL } else { 99 }))
    })
    .await;
    let bench = Bench::new(fake.url.clone());
    assert_eq!(bench.get("/honest").await, (200, vec![b' '; 99]));
    assert_eq!(bench.get("/bomb").await.0, OURS);
}

#[tokio::test]
async fn headers_without_an_end_are_an_error() {
    let fake = Fake::start(|_| {
        let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
        (0..100_000).for_each(|n| head.extend(format!("X-{n}: {}\r\n", "y".repeat(100)).bytes()));
        Answer::Bytes(head)
    })
    .await;
    let trouble = Bench::new(fake.url.clone()).trouble().await;
    assert_eq!(trouble.reason.kind, ReasonKind::Disconnected, "{trouble:?}");
}

#[tokio::test]
async fn what_goes_wrong_on_the_way_keeps_its_reason() {
    let dead = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let bench = Bench::new(Url::parse(&format!("http://{dead}")).unwrap());
    let trouble = bench.trouble().await;
    assert_eq!((trouble.reason.kind, trouble.cut), (ReasonKind::Unreachable, false));
    assert!(trouble.reason.to_string().starts_with("homeserver: "), "{}", trouble.reason);

    // The homeserver's own errors are its own, whatever they look like.
    let ours = serde_json::json!({"errcode": ERRCODE, "error": "it says so", "kind": "no_space", "cut": true});
    let fake = Fake::start(move |_| answer(OURS, "", ours.to_string().as_bytes())).await;
    let trouble = Bench::new(fake.url.clone()).trouble().await;
    assert_eq!((trouble.reason.kind, trouble.cut), (ReasonKind::Unreachable, false), "{trouble:?}");
    let fake =
        Fake::start(|_| answer(429, "Retry-After: 9\r\n", br#"{"errcode":"M_LIMIT_EXCEEDED","error":""}"#)).await;
    let trouble = Bench::new(fake.url.clone()).trouble().await;
    assert_eq!((trouble.reason.kind, trouble.wait), (ReasonKind::RateLimited, Some(Duration::from_secs(9))));
}

#[tokio::test]
async fn the_token_goes_to_no_other_host() {
    let other = Fake::start(|_| answer(200, "", b"{}")).await;
    let to = other.url.clone();
    let fake = Fake::start(move |line| match line {
        "POST /near" => answer(307, "Location: /there\r\n", b""),
        "POST /there" => answer(200, "", b"there"),
        "POST /round" => answer(307, "Location: /round\r\n", b""),
        _ => answer(307, &format!("Location: {to}\r\n"), b""),
    })
    .await;
    let bench = Bench::new(fake.url.clone());
    let post = async |path: &str| {
        let asked =
            bench.gate.client.post(format!("http://homeserver.invalid{path}")).bearer_auth("t").body("password");
        let answer = asked.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(post("/near").await, (200, "there".to_owned()));
    assert_eq!(post("/round").await.0, OURS);
    let (status, told) = post("/elsewhere").await;
    assert!(status == OURS && told.contains(&format!("sends us on to {}", other.url)), "{told}");
    assert_eq!(other.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_request_that_is_given_up_ends_at_the_homeserver_too() {
    let fake = Fake::start(|_| Answer::Silence).await;
    let bench = Bench::new(fake.url.clone());
    let asking = tokio::spawn(bench.gate.client.get("http://homeserver.invalid/sync").send());
    wait_until("it is there", || fake.requests().len() == 1).await;
    asking.abort();
    wait_until("it is given up", || fake.given_up() == 1).await;
    let asking = tokio::spawn(bench.gate.client.get("http://homeserver.invalid/sync").send());
    wait_until("it is there", || fake.requests().len() == 2).await;
    bench.tasks.end(&"t".parse().unwrap()).await;
    assert!(asking.await.unwrap().is_err(), "it ends with the transport");
    wait_until("it is given up", || fake.given_up() == 2).await;
}

#[tokio::test]
async fn no_more_than_so_many_requests_are_at_the_homeserver_at_once() {
    let fake = Fake::start(|_| Answer::Silence).await;
    let bench = Bench::new(fake.url.clone());
    let mut asking = JoinSet::new();
    for _ in 0..PLACES + 8 {
        asking.spawn(bench.gate.client.get("http://homeserver.invalid/sync").send());
    }
    wait_until("all places are taken", || fake.requests().len() == PLACES).await;
    drop(asking);
    wait_until("and free again", || fake.given_up() >= PLACES).await;
}

#[tokio::test]
async fn the_socket_is_the_users_alone_and_goes_with_the_gate() {
    let fake = Fake::start(|_| answer(200, "", b"here")).await;
    let bench = Bench::new(fake.url.clone());
    let socket = bench.sockets().remove(0);
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let Bench { gate, tasks, dir } = bench;
    drop(gate);
    wait_until("it is gone", || !socket.exists()).await;
    let gate = Gate::open(dir.path(), fake.url.clone(), &http(), &tasks).unwrap();
    tasks.end(&"t".parse().unwrap()).await;
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nor does it outlive the transport");
    drop(gate);
    let left = dir.path().join(format!("{SOCKET}0"));
    drop(std::os::unix::net::UnixListener::bind(&left).unwrap());
    std::fs::write(dir.path().join("session"), "").unwrap();
    clear(dir.path()).unwrap();
    clear(&dir.path().join("not there")).unwrap();
    assert!(!left.exists() && dir.path().join("session").exists());
}

#[tokio::test]
async fn a_home_may_lie_deeper_than_a_sockets_address_is_long() {
    let fake = Fake::start(|_| answer(200, "", b"here")).await;
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("d".repeat(120)).join("e".repeat(120));
    std::fs::create_dir_all(&deep).unwrap();
    let tasks = Tasks::default();
    let gate = Gate::open(&deep, fake.url.clone(), &http(), &tasks).unwrap();
    let bench = Bench { gate, tasks, dir };
    assert_eq!(bench.get("/").await, (200, b"here".to_vec()));
}
