//! Logging in, and the session that lasts: device, keys and state are kept encrypted in the transport's folder.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use matrix_sdk::{
    Client, ClientBuilder, SessionMeta, SessionTokens, SqliteStoreConfig,
    authentication::matrix::MatrixSession,
    config::RequestConfig,
    reqwest::{self, Url},
    ruma::{
        OwnedRoomId, OwnedTransactionId, OwnedUserId,
        api::client::{
            session::login,
            uiaa::{MatrixUserIdentifier, UserIdentifier},
        },
        assign,
    },
    store::RoomLoadSettings,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::{Notify, Semaphore, watch};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{
    config::{LoginWay, MatrixSettings, Source},
    discovery::homeserver_of,
    gate::Gate,
    http::Http,
    media,
    place::Keeper,
    rooms::Rooms,
    trouble::{Gone, Trouble, with_causes},
    vault::Vault,
};
use crate::{
    delivery::{Reason, ReasonKind},
    transport::{
        SendError,
        link::{Life, Live},
        running::{Tasks, blocking},
    },
    wire::SafeText,
};

const FILE: &str = "session";
/// How the device is shown to the user by other clients.
const DEVICE_NAME: &str = "skcomm-tui";
/// Time for any request but the long ones.
const REQUEST: Duration = Duration::from_secs(30);
/// Longest secret in a file, in bytes.
const SECRET_BYTES: u64 = 4096;
/// Sends that talk to the homeserver at once.
const SENDS: usize = 16;

/// The session as it is kept.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Kept {
    homeserver: String,
    user: String,
    device: String,
    /// Empty after a soft logout: log in again with the same device.
    token: String,
    /// The folder of the SDK's databases.
    folder: String,
    /// The setting it came from; another one means another session.
    way: String,
}

/// A session with the homeserver.
pub(super) struct Session {
    /// The SDK.
    pub(super) client: Client,
    /// For what we ask ourselves.
    pub(super) http: reqwest::Client,
    /// The SDK's way to the homeserver.
    pub(super) gate: Gate,
    /// Who we are.
    pub(super) user: OwnedUserId,
    /// The homeserver's host.
    pub(super) server: SafeText,
    /// What is remembered.
    pub(super) keeper: Keeper,
    /// The rooms with peers.
    pub(super) rooms: Rooms,
    /// Goes up whenever keys may have come.
    pub(super) keys: watch::Sender<u64>,
    /// Invitations may have come.
    pub(super) invited: Notify,
    /// Sends of which nobody knows whether the server did them: repeated under the same number they are done once.
    pub(super) unsure: Mutex<HashMap<[u8; 32], OwnedTransactionId>>,
    /// Bounds the sends that are under way.
    pub(super) sends: Semaphore,
    /// Whose turn it is to write into a room.
    pub(super) turns: Mutex<HashMap<OwnedRoomId, Arc<tokio::sync::Mutex<()>>>>,
    life: Life,
}

impl Live for Session {
    fn life(&self) -> &Life {
        &self.life
    }

    fn close(&self) {
        self.life.end(SendError::stopping().reason);
        self.life.finish();
    }
}

/// What is needed to log in.
pub(super) struct Door<'a> {
    pub(super) settings: &'a MatrixSettings,
    pub(super) vault: &'a Arc<Vault>,
    pub(super) http: &'a Http,
    pub(super) tasks: &'a Tasks,
}

impl Door<'_> {
    /// Opens the session that is kept, or logs in.
    ///
    /// # Errors
    /// Why there is no session.
    pub(super) async fn enter(&self) -> Result<Session, Trouble> {
        let vault = self.vault.clone();
        let kept: Option<Kept> = blocking(move || vault.prepare().and_then(|()| vault.read(FILE))).await?;
        let way = self.way().await?;
        let fits = |kept: &Kept| {
            let moved = self.settings.homeserver.as_ref().is_some_and(|url| url.as_str() != kept.homeserver);
            kept.user == self.settings.user.as_str() && kept.way == way && !moved
        };
        let keeper = Keeper::open(self.vault.clone()).await?;
        let (kept, gate) = match kept.filter(fits) {
            Some(kept) if !kept.token.is_empty() => {
                let homeserver = Url::parse(&kept.homeserver).map_err(|error| {
                    Trouble::new(ReasonKind::NotConfigured, format!("the homeserver that is remembered: {error}"))
                })?;
                (kept, self.gate(homeserver)?)
            }
            soft => {
                let gate = self.gate(self.homeserver().await?)?;
                (self.log_in(&gate, way, soft, &keeper).await?, gate)
            }
        };
        self.open(kept, keeper, gate).await
    }

    /// Where the homeserver is.
    async fn homeserver(&self) -> Result<Url, Trouble> {
        match &self.settings.homeserver {
            Some(url) => Ok(url.clone()),
            None => homeserver_of(self.settings.user.server_name(), &self.http.direct).await,
        }
    }

    fn gate(&self, homeserver: Url) -> Result<Gate, Reason> {
        Gate::open(self.vault.dir(), homeserver, self.http, self.tasks)
    }

    /// The token was refused: what is kept of the session is of no more use.
    ///
    /// # Errors
    /// When the file cannot be changed.
    pub(super) async fn forget(&self, gone: Gone) -> Result<(), Reason> {
        // A token from the settings cannot be had anew: it may be an error of the server's, so its device stays.
        if matches!(self.settings.login, LoginWay::Token(_)) {
            return Ok(());
        }
        let vault = self.vault.clone();
        blocking(move || {
            let Some(mut kept) = vault.read::<Kept>(FILE)? else { return Ok(()) };
            kept.token.zeroize();
            if gone == Gone::Hard {
                kept.device.clear();
            }
            vault.write(FILE, &kept)
        })
        .await
    }

    /// What tells one way to log in from another, without telling the secret.
    async fn way(&self) -> Result<String, Reason> {
        match &self.settings.login {
            LoginWay::Password(_) => Ok("password".to_owned()),
            LoginWay::Token(source) => {
                let token = secret(source).await?;
                let digest = Sha256::new().chain_update(b"skcomm matrix token ").chain_update(token.as_bytes());
                Ok(digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect())
            }
        }
    }

    async fn log_in(&self, gate: &Gate, way: String, soft: Option<Kept>, keeper: &Keeper) -> Result<Kept, Trouble> {
        let soft = soft.filter(|kept| !kept.device.is_empty());
        let homeserver = gate.homeserver.to_string();
        let (device, token) = match &self.settings.login {
            LoginWay::Token(source) => {
                let token = secret(source).await?;
                (self.owner_of(&gate.homeserver, &token).await?, token)
            }
            LoginWay::Password(source) => {
                let password = secret(source).await?;
                let client = builder(gate).build().await.map_err(built)?;
                self.with_password(&client, &password, soft.as_ref().map(|kept| kept.device.as_str())).await?
            }
        };
        let folder = match soft {
            Some(kept) if kept.device == device => kept.folder.clone(),
            // Another device has other keys: nothing of the old databases fits, nor can it read what came before.
            _ => {
                keeper.change(|place| place.since = None).await?;
                format!("store-{:016x}", rand::random::<u64>())
            }
        };
        let kept =
            Kept { homeserver, user: self.settings.user.to_string(), device, token: token.to_string(), folder, way };
        let (vault, writing) = (self.vault.clone(), kept.clone());
        blocking(move || {
            vault.write(FILE, &writing)?;
            remove_other_stores(vault.dir(), &writing.folder)
        })
        .await?;
        Ok(kept)
    }

    async fn with_password(
        &self,
        client: &Client,
        password: &str,
        device: Option<&str>,
    ) -> Result<(String, Zeroizing<String>), Trouble> {
        let user = UserIdentifier::Matrix(MatrixUserIdentifier::new(self.settings.user.to_string()));
        let info = login::v3::LoginInfo::Password(login::v3::Password::new(user, password.to_owned()));
        let request = assign!(login::v3::Request::new(info), {
            device_id: device.map(Into::into),
            initial_device_display_name: Some(DEVICE_NAME.to_owned()),
        });
        let response = client.send(request).await.map_err(|error| {
            let trouble = Trouble::from(error);
            let told = |user| format!("login of {user}: {}", trouble.reason);
            Trouble { reason: Reason::new(trouble.reason.kind, told(&self.settings.user)), ..trouble }
        })?;
        self.expect_user(response.user_id.as_str())?;
        Ok((response.device_id.to_string(), response.access_token.into()))
    }

    /// The device that an access token belongs to.
    async fn owner_of(&self, homeserver: &Url, token: &str) -> Result<String, Trouble> {
        #[derive(Deserialize)]
        struct Owner {
            user_id: String,
            #[serde(default)]
            device_id: Option<String>,
        }
        let url = homeserver.join("_matrix/client/v3/account/whoami");
        let url = url.map_err(|error| Trouble::new(ReasonKind::NotConfigured, error.to_string()))?;
        let refused = || {
            let told =
                format!("the homeserver does not take the access token of {}; make a new one", self.settings.user);
            Trouble { refused: true, ..Trouble::new(ReasonKind::AuthRefused, told) }
        };
        let answer = media::get(&self.http.direct, url, token, 64 * 1024, REQUEST)
            .await
            .map_err(|trouble| if trouble.reason.kind == ReasonKind::AuthRefused { refused() } else { trouble })?;
        let strange =
            |_| Trouble::new(ReasonKind::Protocol, "the homeserver's answer cannot be read; is it a homeserver?");
        let owner: Owner = serde_json::from_slice(&answer).map_err(strange)?;
        self.expect_user(&owner.user_id)?;
        let none =
            || Trouble::new(ReasonKind::AuthRefused, "the access token belongs to no device; make one by logging in");
        owner.device_id.filter(|device| device.len() <= 255).ok_or_else(none)
    }

    fn expect_user(&self, user: &str) -> Result<(), Trouble> {
        if user == self.settings.user.as_str() {
            return Ok(());
        }
        let told = format!("the homeserver says that we are {user}, the settings say {}", self.settings.user);
        Err(Trouble::new(ReasonKind::AuthRefused, told))
    }

    async fn open(&self, kept: Kept, keeper: Keeper, gate: Gate) -> Result<Session, Trouble> {
        let key = self.vault.key("store");
        let store = SqliteStoreConfig::new(self.vault.dir().join(&kept.folder)).key(Some(&key));
        let client = builder(&gate)
            .sqlite_store_with_config_and_cache_path(store, None::<PathBuf>)
            .build()
            .await
            .map_err(built)?;
        let session = MatrixSession {
            meta: SessionMeta { user_id: self.settings.user.clone(), device_id: kept.device.as_str().into() },
            tokens: SessionTokens { access_token: kept.token.clone(), refresh_token: None },
        };
        client.matrix_auth().restore_session(session, RoomLoadSettings::default()).await?;
        let server = gate.homeserver.host_str().unwrap_or_default().to_owned();
        Ok(Session {
            client,
            http: self.http.direct.clone(),
            gate,
            user: self.settings.user.clone(),
            server: SafeText::line(&server),
            keeper,
            rooms: Rooms::default(),
            keys: watch::Sender::new(0),
            invited: Notify::new(),
            unsure: Mutex::default(),
            sends: Semaphore::new(SENDS),
            turns: Mutex::default(),
            life: Life::default(),
        })
    }
}

/// A client of the SDK that reaches the homeserver through the gate only.
pub(super) fn builder(gate: &Gate) -> ClientBuilder {
    // Retries are ours: those of the SDK would outlive a deadline and go on in silence.
    let requests = RequestConfig::new().disable_retry().timeout(REQUEST);
    let builder = Client::builder().http_client(gate.client.clone()).request_config(requests);
    // A homeserver may not send us to another one after we gave it the password.
    builder.respect_login_well_known(false).homeserver_url(gate.url())
}

fn built(error: matrix_sdk::ClientBuildError) -> Trouble {
    use matrix_sdk::ClientBuildError as E;
    match error {
        E::Http(error) => error.into(),
        E::SqliteStore(error) => Trouble::new(ReasonKind::Io, format!("the databases: {}", with_causes(&error))),
        other => Trouble::new(ReasonKind::Other, with_causes(&other)),
    }
}

/// Databases of devices that are no more.
fn remove_other_stores(dir: &Path, folder: &str) -> Result<(), Reason> {
    let failed = |error: std::io::Error| Reason::new(ReasonKind::Io, format!("{}: {error}", dir.display()));
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let old = name.to_str().is_some_and(|name| name.starts_with("store-") && name != folder);
        if old {
            std::fs::remove_dir_all(dir.join(&name)).map_err(failed)?;
        }
    }
    Ok(())
}

/// A secret from where it is.
async fn secret(source: &Source) -> Result<Zeroizing<String>, Reason> {
    let path = match source {
        Source::Here(text) => return Ok(text.clone()),
        Source::File(path) => path.clone(),
    };
    blocking(move || {
        let failed = |why: &str| Reason::new(ReasonKind::NotConfigured, format!("{}: {why}", path.display()));
        let size = std::fs::metadata(&path).map_err(|error| failed(&error.to_string()))?.len();
        if size > SECRET_BYTES {
            return Err(failed("it is too large for a password or a token"));
        }
        let text = std::fs::read_to_string(&path).map(Zeroizing::new).map_err(|error| failed(&error.to_string()))?;
        let line = text.lines().next().unwrap_or_default();
        if line.is_empty() { Err(failed("its first line is empty")) } else { Ok(Zeroizing::new(line.to_owned())) }
    })
    .await
}
