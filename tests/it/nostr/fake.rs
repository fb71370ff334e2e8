//! A small relay whose manners a test chooses.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::broadcast,
};
use tokio_tungstenite::{accept_async, tungstenite::Message};

/// How the relay behaves.
#[derive(Clone, Default)]
pub(super) struct Manners {
    /// Wants a login (NIP-42) before anything else, …
    pub(super) login: bool,
    /// … and refuses it.
    pub(super) no_entry: bool,
    /// With `login`: never answers one, and refuses strangers without saying what, as nostr-relay does.
    pub(super) curt: bool,
    /// With `login`: sends its challenge only after so many messages.
    pub(super) late: usize,
    /// Answers everything with this NOTICE and nothing else.
    pub(super) only_notice: Option<&'static str>,
    /// Refuses gift wraps with this.
    pub(super) refuse: Option<&'static str>,
    /// Sent to each connection after each question for mail, before its answer. `SUB` and `KEY` are replaced by the
    /// subscription and the key that is asked for.
    pub(super) pour: Vec<String>,
}

/// What is known of one login.
#[derive(Clone, Debug)]
pub(super) struct LoggedIn {
    pub(super) key: String,
    /// Whether mail was asked for on the same connection.
    pub(super) reads: bool,
}

/// A running relay.
#[derive(Clone)]
pub(super) struct Fake {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    manners: Manners,
    events: Mutex<Vec<Value>>,
    news: broadcast::Sender<Value>,
    logins: Mutex<Vec<LoggedIn>>,
    connections: AtomicUsize,
}

impl Fake {
    pub(super) async fn start(manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            manners,
            events: Mutex::default(),
            news: broadcast::channel(1024).0,
            logins: Mutex::default(),
            connections: AtomicUsize::new(0),
        });
        let serving = shared.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, serving.clone()));
            }
        });
        Self { port, shared }
    }

    pub(super) fn address(&self) -> String {
        format!("ws://127.0.0.1:{}/", self.port)
    }

    pub(super) fn logins(&self) -> Vec<LoggedIn> {
        self.shared.logins.lock().unwrap().clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }
}

struct Client {
    socket: tokio_tungstenite::WebSocketStream<TcpStream>,
    shared: Arc<Shared>,
    subscriptions: Vec<(String, Value)>,
    login: Option<String>,
    /// Messages that came.
    heard: usize,
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    shared.connections.fetch_add(1, Ordering::Relaxed);
    let mut news = shared.news.subscribe();
    let Ok(socket) = accept_async(stream).await else { return };
    let mut client = Client { socket, shared, subscriptions: Vec::new(), login: None, heard: 0 };
    client.challenge().await;
    loop {
        tokio::select! {
            message = client.socket.next() => match message {
                Some(Ok(Message::Text(text))) => client.hear(serde_json::from_str(&text).unwrap()).await,
                Some(Ok(_)) => {}
                _ => return,
            },
            Ok(event) = news.recv() => client.tell(&event).await,
        }
    }
}

impl Client {
    async fn say(&mut self, message: Value) {
        self.raw(message.to_string()).await;
    }

    async fn raw(&mut self, text: String) {
        // The client may be gone.
        let _ = self.socket.send(Message::text(text)).await;
    }

    async fn tell(&mut self, event: &Value) {
        let fitting: Vec<_> =
            self.subscriptions.iter().filter(|(_, f)| fits(f, event)).map(|(name, _)| name.clone()).collect();
        for name in fitting {
            self.say(json!(["EVENT", name, event])).await;
        }
    }

    async fn challenge(&mut self) {
        let manners = &self.shared.manners;
        if manners.login && manners.late == self.heard {
            self.say(json!(["AUTH", "a challenge"])).await;
        }
    }

    async fn hear(&mut self, message: Value) {
        self.heard += 1;
        self.challenge().await;
        let manners = self.shared.manners.clone();
        if let Some(notice) = manners.only_notice {
            return self.say(json!(["NOTICE", notice])).await;
        }
        let stranger = manners.login && self.login.is_none();
        match message[0].as_str().unwrap() {
            "AUTH" => self.log_in(&message[1]).await,
            "EVENT" if stranger && manners.curt => self.say(json!(["OK", "", false, "restricted: go away"])).await,
            "REQ" if stranger && manners.curt => self.say(json!(["NOTICE", "restricted: go away"])).await,
            "EVENT" if stranger => {
                self.say(json!(["OK", message[1]["id"], false, "auth-required: who are you?"])).await;
            }
            "REQ" if stranger => self.say(json!(["CLOSED", message[1], "auth-required: who are you?"])).await,
            "EVENT" => self.publish(&message[1]).await,
            "REQ" => self.subscribe(message[1].as_str().unwrap(), &message[2]).await,
            "CLOSE" => self.subscriptions.retain(|(name, _)| message[1] != **name),
            _ => {}
        }
    }

    async fn log_in(&mut self, event: &Value) {
        let challenge = json!(["challenge", "a challenge"]);
        let fine = event["kind"] == 22_242 && event["tags"].as_array().unwrap().contains(&challenge);
        let curt = self.shared.manners.curt;
        if !fine || self.shared.manners.no_entry {
            if curt {
                return self.say(json!(["NOTICE", "invalid: nobody of ours"])).await;
            }
            return self.say(json!(["OK", event["id"], false, "restricted: members only"])).await;
        }
        let key = event["pubkey"].as_str().unwrap().to_owned();
        self.shared.logins.lock().unwrap().push(LoggedIn { key: key.clone(), reads: false });
        self.login = Some(key);
        if !curt {
            self.say(json!(["OK", event["id"], true, ""])).await;
        }
    }

    async fn publish(&mut self, event: &Value) {
        if let (Some(why), true) = (self.shared.manners.refuse, event["kind"] == 1059) {
            return self.say(json!(["OK", event["id"], false, why])).await;
        }
        self.shared.events.lock().unwrap().push(event.clone());
        self.say(json!(["OK", event["id"], true, ""])).await;
        let _ = self.shared.news.send(event.clone());
    }

    async fn subscribe(&mut self, name: &str, filter: &Value) {
        let reads = filter["kinds"] == json!([1059]);
        if reads {
            if let Some(key) = &self.login {
                let mut logins = self.shared.logins.lock().unwrap();
                logins.iter_mut().filter(|login| login.key == *key).for_each(|login| login.reads = true);
            }
            let key = filter["#p"][0].as_str().unwrap();
            for text in self.shared.manners.pour.clone() {
                self.raw(text.replace("SUB", name).replace("KEY", key)).await;
            }
        }
        let events = self.shared.events.lock().unwrap().clone();
        for event in events.iter().filter(|event| fits(filter, event)) {
            self.say(json!(["EVENT", name, event])).await;
        }
        self.say(json!(["EOSE", name])).await;
        if filter["until"].is_null() {
            self.subscriptions.push((name.to_owned(), filter.clone()));
        }
    }
}

fn fits(filter: &Value, event: &Value) -> bool {
    let one_of = |list: &Value, value: &Value| list.as_array().is_none_or(|list| list.contains(value));
    let tagged = |name: &str, list: &Value| {
        let Some(wanted) = list.as_array() else { return true };
        let tags = event["tags"].as_array().unwrap();
        tags.iter().any(|tag| tag[0] == name && wanted.contains(&tag[1]))
    };
    let time = event["created_at"].as_u64().unwrap();
    one_of(&filter["kinds"], &event["kind"])
        && one_of(&filter["authors"], &event["pubkey"])
        && tagged("p", &filter["#p"])
        && tagged("d", &filter["#d"])
        && filter["since"].as_u64().is_none_or(|since| time >= since)
        && filter["until"].as_u64().is_none_or(|until| time <= until)
}
